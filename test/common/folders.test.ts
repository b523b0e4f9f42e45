import { expect, test } from 'vitest';
import { foldersOf } from '../../common/folders.ts';

test.each<[string, Record<string, string | null>]>([
  ['year=2024/store=007/part-0.parquet', { year: '2024', store: '007' }],
  ['s=saint%20denis/a', { s: 'saint denis' }],
  ['s=100%/a', { s: '100%' }],
  ['s=__HIVE_DEFAULT_PARTITION__/a', { s: null }],
  ['s=/a', { s: '' }],
  ['s=a=b/a', { s: 'a=b' }],
  ['=x/a', {}],
  ['plain/s=1', {}],
  ['s=1/t/s=2/a', { s: '2' }],
])('foldersOf(%s)', (key, expected) => {
  expect(Object.fromEntries(foldersOf(key))).toEqual(expected);
});
