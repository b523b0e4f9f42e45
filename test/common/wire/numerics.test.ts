import { expect, test } from 'vitest';
import { sayParts, unlikeParts } from '../../../common/wire/numerics.ts';

test('unlikeParts() names what differs, also what only one has; sayParts() says it of one', () => {
  const [a, b, c] = ['duckdb-1.5.6+code-1+cpu-avx2', 'duckdb-1.5.6+code-2+cpu-avx2', 'code-2'];
  expect(unlikeParts([a, b])).toEqual(['code']);
  expect(unlikeParts([a, a])).toEqual([]);
  expect(unlikeParts([b, c])).toEqual(['duckdb', 'cpu']);
  expect(sayParts(b, ['code'])).toBe('code 2');
  expect(sayParts(c, ['code', 'cpu'])).toBe('code 2, cpu none');
});
