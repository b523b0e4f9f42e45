import { expect, test } from 'vitest';
import { memoryStore } from '../../../common/store/memory.ts';
import { listDataset, resolveDataset } from '../../../coordinator/snapshot/list.ts';

async function lakeOf(...keys: string[]) {
  const lake = memoryStore();
  for (const key of keys) await lake.create(key, new Uint8Array(8));
  return lake;
}

test('listDataset() matches * within a folder and ** over folders, in key order', async () => {
  const lake = await lakeOf(
    'f/b.parquet',
    'f/a.parquet',
    'f/x/c.parquet',
    'g/d.parquet',
    'f/readme.txt',
  );
  const keys = async (pattern: string) => (await listDataset(lake, pattern)).map(({ key }) => key);
  expect(await keys('f/*.parquet')).toEqual(['f/a.parquet', 'f/b.parquet']);
  expect(await keys('f/**/*.parquet')).toEqual(['f/a.parquet', 'f/b.parquet', 'f/x/c.parquet']);
  expect(await keys('f/a.parquet')).toEqual(['f/a.parquet']);
});

test.each([
  ['f/**', ['f/a.b', 'f/m01/x(1).parquet', 'f/m1/a.parquet', 'f/m10/a.parquet']],
  ['f/m{01..12}/*', ['f/m01/x(1).parquet', 'f/m10/a.parquet']],
  ['f/m{1..10}/a.parquet', ['f/m1/a.parquet', 'f/m10/a.parquet']],
  ['f/{a..c}.[!c]', ['f/a.b']],
  ['f/?.{a,b}', ['f/a.b']],
  ['f/*/x(1).parquet', ['f/m01/x(1).parquet']],
  ['f/m{10..1}/a?parquet', ['f/m1/a.parquet', 'f/m10/a.parquet']],
])('listDataset() matches %s as shells and Parquet readers do', async (pattern, expected) => {
  const lake = await lakeOf(
    ...['f/a.b', 'f/m01/x(1).parquet', 'f/m1/a.parquet', 'f/m10/a.parquet', 'f', 'fa/b'],
  );
  expect((await listDataset(lake, pattern)).map(({ key }) => key)).toEqual(expected);
});

test('listDataset() leaves out what writers leave beside data', async () => {
  const lake = await lakeOf('f/_log/a.parquet', 'f/.tmp.parquet', 'f/a.parquet');
  expect((await listDataset(lake, 'f/**/*.parquet')).map(({ key }) => key)).toEqual([
    'f/a.parquet',
  ]);
});

test('listDataset() names an empty prefix', async () => {
  await expect(listDataset(await lakeOf('a/b.parquet'), 'day=1/*.parquet')).rejects.toMatchObject({
    code: 'INPUT_EMPTY',
    message:
      'Cannot read dataset "day=1/*.parquet": it matched 0 objects below memory:, expected at least 1',
  });
});

test.each([
  ['flights/*.parquet', 'file:///data/lake', 'flights/*.parquet'],
  ['./flights/*.parquet', 'file:///data/lake', 'flights/*.parquet'],
  ['file:///data/lake/flights/*.parquet', 'file:///data/lake', 'flights/*.parquet'],
  ['s3://bucket/lake/a.parquet', 's3://bucket/lake', 'a.parquet'],
])('resolveDataset(%s) below %s is %s', (dataset, lake, expected) => {
  expect(resolveDataset(dataset, lake)).toBe(expected);
});

test.each([
  ['../secrets/*.parquet'],
  ['/etc/*.parquet'],
  ['file:///etc/*.parquet'],
  ['file:///data/lake2/a.parquet'],
  ['file:///data/lake/../x.parquet'],
  ['s3://other/a.parquet'],
  ['https://example.test/a.parquet'],
])('resolveDataset(%s) is refused: it lies outside the lake', (dataset) => {
  expect(() => resolveDataset(dataset, 'file:///data/lake')).toThrow(
    expect.objectContaining({ code: 'INPUT_OUTSIDE' }),
  );
});
