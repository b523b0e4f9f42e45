import { expect, test } from 'vitest';
import { widen } from '../../../coordinator/snapshot/widen.ts';

test.each([
  ['INTEGER', 'BIGINT', 'BIGINT'],
  ['UTINYINT', 'TINYINT', 'SMALLINT'],
  ['UINTEGER', 'INTEGER', 'BIGINT'],
  ['UINTEGER', 'USMALLINT', 'UINTEGER'],
  ['UBIGINT', 'BIGINT', 'HUGEINT'],
  ['FLOAT', 'DOUBLE', 'DOUBLE'],
  ['INTEGER', 'DOUBLE', 'DOUBLE'],
  ['BIGINT', 'FLOAT', 'DOUBLE'],
  ['DECIMAL(10,2)', 'DECIMAL(12,4)', 'DECIMAL(12,4)'],
  ['DECIMAL(10,2)', 'INTEGER', 'DECIMAL(12,2)'],
  ['DECIMAL(38,2)', 'DECIMAL(38,4)', undefined],
  ['DECIMAL(10,2)', 'DOUBLE', undefined],
  ['TIMESTAMP_MS', 'TIMESTAMP_NS', 'TIMESTAMP'],
  ['DATE', 'TIMESTAMP', 'TIMESTAMP'],
  ['TIMESTAMP', 'TIMESTAMP WITH TIME ZONE', undefined],
  ['BLOB', 'VARCHAR', 'VARCHAR'],
  ['UUID', 'VARCHAR', 'VARCHAR'],
  ['BIGINT', 'VARCHAR', undefined],
  ['BOOLEAN', 'INTEGER', undefined],
  ['NULL', 'DATE', 'DATE'],
  ['STRUCT(a INTEGER)', 'STRUCT(a INTEGER)', 'STRUCT(a INTEGER)'],
  ['STRUCT(a INTEGER)', 'STRUCT(b INTEGER)', undefined],
])('widen(%s, %s) is %s, and the other way round', (a, b, expected) => {
  expect(widen(a, b)).toBe(expected);
  expect(widen(b, a)).toBe(expected);
});
