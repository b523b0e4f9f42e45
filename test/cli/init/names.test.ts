// Names out of any text. In: columns and URIs of strangers. Out: what the rules of a job allow.
import { expect, test } from 'vitest';
import {
  asFeatureName,
  columnSql,
  featureNames,
  figure,
  jobNameOf,
} from '../../../cli/init/names.ts';

test.each([
  ['trips/*.parquet', 'trips'],
  ['flights/**/*.parquet', 'flights'],
  ['s3://bucket/lake/sales/day=2030-01-01/*.parquet', 'sales'],
  ['Movies 2010.parquet', 'movies-2010'],
  ['file:///data/*.parquet', 'data'],
  ['**/*.parquet', 'job'],
  ['日本/*', 'job'],
  [`${'a'.repeat(80)}.parquet`, 'a'.repeat(63)],
])('jobNameOf() makes of %s the name %s', (uri, name) => {
  expect(jobNameOf(uri)).toBe(name);
});

test.each([
  ['Beak Depth (mm)', 'Beak_Depth_mm'],
  ['größe', 'gro_e'],
  ['café', 'cafe'],
  ['2nd', 'column_2nd'],
  ['%', 'column'],
  ['x'.repeat(100), 'x'.repeat(63)],
])('asFeatureName() makes of %s the name %s', (text, name) => {
  expect(asFeatureName(text)).toBe(name);
  expect(name).toMatch(/^[A-Za-z_][A-Za-z0-9_]{0,62}$/);
});

test('featureNames() gives no name twice, whatever its case and length', () => {
  const names = featureNames();
  const long = 'y'.repeat(70);
  const given = ['Hour', 'hour', 'HOUR', long, long].map((name) => names.take(name));
  expect(given).toEqual(['Hour', 'hour_2', 'HOUR_3', 'y'.repeat(63), `${'y'.repeat(61)}_2`]);
});

test('columnSql() quotes what SQL would not read as a name', () => {
  expect(['delay', 'Order', 'table', 'a b', 'x"y', '9'].map(columnSql)).toEqual([
    'delay',
    '"Order"',
    '"table"',
    '"a b"',
    '"x""y"',
    '"9"',
  ]);
});

test('figure() leaves years alone and sets thousands apart', () => {
  expect([2013, 12345, 0.123456, 0].map(figure)).toEqual(['2013', '12,345', '0.1235', '0']);
});
