// Placements of rows beside a curve that holds far more than they, and co-moments of classes that may be empty.
import { expect, test } from 'vitest';
import { runsOf } from '../../../common/metric/curve.ts';
import {
  coMoments,
  countCurve,
  mergeCoMoments,
  type Placed,
  placeRows,
} from '../../../common/metric/delong.ts';

//        key  1 2 2 2 3 3 4     + is positive
const KEYS = Uint32Array.of(1, 2, 2, 2, 3, 3, 4);
const POSITIVE = [false, true, false, false, true, false, true];
const curve = () => [runsOf(KEYS, (row) => POSITIVE[row]!)];

test('countCurve() adds up all runs', () => {
  expect(countCurve(curve)).toEqual({ positives: 3, negatives: 4 });
});

test('placeRows() gives a positive the share of negatives below, a negative that of positives above, ties half', () => {
  const place = (keys: number[], positive: number[]): number[] => [
    ...placeRows(Uint32Array.from(keys), Uint8Array.from(positive), {
      curve,
      total: countCurve(curve),
    }),
  ];
  expect(place([4, 2, 3], [1, 1, 1])).toEqual([1, 2 / 4, 3.5 / 4]);
  expect(place([3, 1, 2], [0, 0, 0])).toEqual([1.5 / 3, 1, 2.5 / 3]);
  expect(place([2, 2], [1, 0])).toEqual([2 / 4, 2.5 / 3]);
});

test('placeRows() reads no further than its last row', () => {
  let read = 0;
  const long = function* () {
    for (let key = 1; key <= 9; key++) {
      read += 1;
      yield Uint32Array.of(key, 1, 1);
    }
  };
  const total = { positives: 9, negatives: 9 };
  placeRows(Uint32Array.of(1, 2), Uint8Array.of(1, 0), { curve: long, total });
  expect(read).toBe(4); // a run is known to be over when the next begins
});

const placed = (rows: readonly (readonly [number, number, number])[]): Placed => ({
  a: Float64Array.from(rows, ([a]) => a),
  b: Float64Array.from(rows, ([, b]) => b),
  isPositive: Uint8Array.from(rows, ([, , positive]) => positive),
});
const ROWS = [
  [0.5, 0.25, 1],
  [1, 0.75, 1],
  [0.25, 1, 0],
  [0.75, 0.5, 1],
  [0.5, 0.25, 0],
  [1, 0.25, 0],
] as const;

test('coMoments() of one class leaves zeros for the other', () => {
  const of = (positive: number) =>
    coMoments(() => [placed(ROWS.filter((row) => row[2] === positive))]);
  expect(of(1)).toEqual([3, 0.75, 0.5, 0.125, 0.125, 0.125, 0, 0, 0, 0, 0, 0]);
  expect(of(0).slice(0, 7)).toEqual([0, 0, 0, 0, 0, 0, 3]);
  expect(coMoments(() => [])).toEqual(new Array(12).fill(0));
});

test('mergeCoMoments() gives what all rows in one place give, wherever they are cut', () => {
  const all = coMoments(() => [placed(ROWS)]);
  for (let cut = 0; cut <= ROWS.length; cut++) {
    const [left, right] = [ROWS.slice(0, cut), ROWS.slice(cut)].map((rows) =>
      coMoments(() => [placed(rows)]),
    );
    mergeCoMoments(left!, right!).forEach((value, i) => {
      expect(value, `${cut}: ${i}`).toBeCloseTo(all[i]!, 14);
    });
  }
});

test('a class without rows changes no bit of the other side', () => {
  const none = [0, 0, 0, 0, 0, 0];
  const some = [3, 0.1, -0, 0.7, 0.2, -0]; // 3 · 0.1 / 3 is not 0.1
  expect(mergeCoMoments([...some, ...none], [...none, ...some])).toEqual([...some, ...some]);
});
