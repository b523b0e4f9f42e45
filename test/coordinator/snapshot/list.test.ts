import { expect, test } from 'vitest';
import { memoryStore } from '../../../common/store/memory.ts';
import { type Listing, listDataset, resolveDataset } from '../../../coordinator/snapshot/list.ts';

async function lakeOf(...keys: string[]) {
  const lake = memoryStore();
  for (const key of keys) await lake.create(key, new Uint8Array(8));
  return lake;
}

const keysOf = ({ objects }: Listing) => objects.map(({ key }) => key);

test('listDataset() matches * within a folder and ** over folders, in key order', async () => {
  const lake = await lakeOf(
    'f/b.parquet',
    'f/a.parquet',
    'f/x/c.parquet',
    'g/d.parquet',
    'f/readme.txt',
  );
  const keys = async (pattern: string) => keysOf(await listDataset(lake, pattern));
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
  expect(keysOf(await listDataset(lake, pattern))).toEqual(expected);
});

test.each([
  ['f/**/*.parquet', ['f/_year=2024/b.parquet', 'f/a.parquet'], 2],
  ['f/_log/*.parquet', ['f/_log/a.parquet'], 0],
  ['*/_log/*.parquet', ['f/_log/a.parquet'], 0],
  ['f/.*', ['f/.tmp.parquet'], 0],
  ['f/_*/*', ['f/_log/a.parquet', 'f/_year=2024/b.parquet'], 0],
])('listDataset() of %s hides only what a wildcard met', async (pattern, expected, hidden) => {
  const lake = await lakeOf(
    ...['f/_log/a.parquet', 'f/.tmp.parquet', 'f/a.parquet', 'f/_year=2024/b.parquet'],
  );
  const listing = await listDataset(lake, pattern);
  expect(keysOf(listing)).toEqual(expected);
  expect(listing.skipped).toEqual({ empty: 0, hidden, foreign: 0 });
});

test.each(['t.parquet', 't.parquet/', './t.parquet'])(
  'listDataset() of the folder %s takes all Parquet below it',
  async (name) => {
    const lake = await lakeOf(
      ...['t.parquet/_SUCCESS', 't.parquet/a.snappy.parquet', 't.parquet/list.csv'],
      ...['t.parquet/day=1/000000_0', 't.parquet2/x.parquet'],
    );
    await lake.create('t.parquet/empty.parquet', new Uint8Array());
    const listing = await listDataset(lake, name);
    expect(keysOf(listing)).toEqual(['t.parquet/a.snappy.parquet', 't.parquet/day=1/000000_0']);
    expect(listing.skipped).toEqual({ empty: 1, hidden: 1, foreign: 1 });
  },
);

test('listDataset() of a folder whose name holds what patterns are made of', async () => {
  const lake = await lakeOf('a[1]{b}/x.parquet', 'a1b/y.parquet');
  expect(keysOf(await listDataset(lake, 'a\\[1\\]\\{b\\}/*'))).toEqual(['a[1]{b}/x.parquet']);
});

test.each([
  ['t/**', 't/_delta_log/00000000000000000000.json', 'Delta'],
  ['t', 't/_delta_log/00000000000000000001.checkpoint.parquet', 'Delta'],
  ['t/data/*.parquet', 't/_delta_log/00000000000000000000.json', 'Delta'],
  ['t/data/*.parquet', 't/metadata/00001-abc.metadata.json', 'Iceberg'],
  ['t/data/a.parquet', 't/metadata/v1.metadata.json', 'Iceberg'],
])('listDataset() of %s refuses a table with %s', async (pattern, log, what) => {
  const lake = await lakeOf(log, 't/data/a.parquet');
  await expect(listDataset(lake, pattern)).rejects.toMatchObject({
    code: 'TABLE_FORMAT',
    message: expect.stringContaining(`"t" is a table of ${what}`),
  });
});

test('listDataset() of nothing but what it passes over says so', async () => {
  const lake = await lakeOf('f/_log/a.parquet');
  await lake.create('f/b.parquet', new Uint8Array());
  await expect(listDataset(lake, 'f/**/*.parquet')).rejects.toMatchObject({
    code: 'INPUT_EMPTY',
    message: expect.stringContaining(
      'left out are 1 without a byte, 1 whose names begin with "_" or "."',
    ),
  });
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
