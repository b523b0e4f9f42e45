import { expect, test } from 'vitest';
import { joinBatches } from '../../gateway/columns.ts';

test('joinBatches() puts rows one after the other, in every kind of column', () => {
  const batch = (x: number[], city: string[], at: bigint[], ignoredFields: number) => ({
    rows: x.length,
    columns: { x: Float64Array.from(x), city, at: BigInt64Array.from(at) },
    ignoredFields,
  });
  const [one, two] = [batch([1, Number.NaN], ['a', ''], [1n, 2n], 1), batch([3], ['c'], [3n], 2)];
  expect(joinBatches([one, two])).toEqual(
    batch([1, Number.NaN, 3], ['a', '', 'c'], [1n, 2n, 3n], 3),
  );
  expect(joinBatches([one])).toBe(one);
});
