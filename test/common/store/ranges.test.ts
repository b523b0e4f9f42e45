import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type ByteRange, joinRanges } from '../../../common/store/ranges.ts';

test('joinRanges() sorts, joins neighbours and overlaps, and drops empty ranges', () => {
  expect(joinRanges([])).toEqual([]);
  expect(joinRanges([[5, 0]])).toEqual([]);
  expect(
    joinRanges([
      [10, 5],
      [0, 5],
      [5, 5],
    ]),
  ).toEqual([[0, 15]]);
  expect(
    joinRanges([
      [0, 10],
      [2, 3],
      [20, 1],
    ]),
  ).toEqual([
    [0, 10],
    [20, 1],
  ]);
  expect(
    joinRanges(
      [
        [0, 1],
        [3, 1],
      ],
      1,
    ),
  ).toEqual([
    [0, 1],
    [3, 1],
  ]);
  expect(
    joinRanges(
      [
        [0, 1],
        [3, 1],
      ],
      2,
    ),
  ).toEqual([[0, 4]]);
});

test('joinRanges() covers the same bytes, in whatever order they come', () => {
  const range = fc.tuple(fc.nat(60), fc.nat(10));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 12 }), (ranges: ByteRange[]) => {
      const joined = joinRanges(ranges);
      expect(bytesIn(joined)).toEqual(bytesIn(ranges));
      expect(joinRanges(ranges.toReversed())).toEqual(joined);
      for (let i = 1; i < joined.length; i++) {
        expect(joined[i]![0]).toBeGreaterThan(joined[i - 1]![0] + joined[i - 1]![1]);
      }
    }),
  );
});

const bytesIn = (ranges: readonly ByteRange[]): number[] => {
  const bytes = ranges.flatMap(([at, length]) => Array.from({ length }, (_, i) => at + i));
  return [...new Set(bytes)].toSorted((a, b) => a - b);
};
