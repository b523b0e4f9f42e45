// R² by hand, in one place and in two; its bootstrap against published figures of Poisson's distribution.
import { expect, test } from 'vitest';
import type { Numbers } from '../../../common/metric/metric.ts';
import { REPLICATES, r2 } from '../../../common/metric/r2.ts';
import { Philox } from '../../../common/random.ts';

type Row = readonly [label: number, champion: number, challenger: number];
const ROWS: readonly Row[] = [
  [101, 103, 102],
  [105, 104, 105],
  [99, 99, 101],
  [107, 103, 108],
  [95, 97, 95],
];

function figure(rows: readonly Row[]): Numbers {
  let before: Numbers = [];
  for (const pass of r2.passes) {
    const fold = pass(before);
    for (const [label, score] of rows) fold.add(Float32Array.of(score), 0, label);
    before = fold.partial();
  }
  return before;
}

const draw = { seed: 7, path: ['a'] };
function change(rows: readonly Row[]): Numbers {
  const fold = r2.change.passes[0]!([], draw);
  for (const [label, champion, challenger] of rows) {
    fold.add(Float32Array.of(champion), Float32Array.of(challenger), { at: 0, label });
  }
  return fold.partial();
}

test('R² is 1 − Σ error² / Σ (label − mean)²', () => {
  // mean 101.4; squares 0.16 + 12.96 + 5.76 + 31.36 + 40.96 = 91.2; errors 4 + 1 + 0 + 16 + 4
  const sum = figure(ROWS);
  expect(sum.slice(0, 2)).toEqual([5, 101.4]);
  expect(sum[2]).toBeCloseTo(91.2, 10);
  expect(sum[3]).toBe(25);
  expect(r2.finish(sum)).toBeCloseTo(1 - 25 / 91.2, 12);
});

test('R² of no rows, or of one label, is not known', () => {
  expect(figure([])).toEqual([0, 0, 0, 0]);
  expect(r2.finish(figure([]))).toBeUndefined();
  expect(r2.finish(figure([ROWS[0]!, ROWS[0]!]))).toBeUndefined();
});

test('R² of parts is that of all rows', () => {
  for (let cut = 0; cut <= ROWS.length; cut++) {
    const merged = r2.merge(figure(ROWS.slice(0, cut)), figure(ROWS.slice(cut)));
    for (const [i, value] of figure(ROWS).entries()) expect(merged[i]).toBeCloseTo(value, 10);
  }
});

/** P(count ≤ k) of Poisson's distribution with mean 1, from its tables. */
const TABLE = [
  0.3678794, 0.7357589, 0.9196986, 0.9810118, 0.9963402, 0.9994058, 0.9999168, 0.9999898,
];
const timesOf = (word: number): number => TABLE.filter((share) => word / 2 ** 32 >= share).length;

test('a row counts in each replicate as often as its word says', () => {
  const sums = change(ROWS.slice(0, 2)).slice(1);
  expect(sums).toHaveLength(4 * REPLICATES);
  for (let replicate = 0; replicate < REPLICATES; replicate++) {
    const stream = new Philox(draw.seed, 'bootstrap', replicate, ...draw.path);
    const [first, second] = [timesOf(stream.uint32()), timesOf(stream.uint32())];
    // labels less the first: 0 and 4; gains 2² − 1² and 1² − 0²
    expect(sums.slice(4 * replicate, 4 * replicate + 4)).toEqual([
      first + second,
      4 * second,
      16 * second,
      3 * first + second,
    ]);
  }
});

test('replicates of parts with labels far apart are those of all rows', () => {
  // each part draws the words from the beginning, so a part's replicates are those of its rows alone
  const [left, right] = [change(ROWS.slice(0, 2)), change(ROWS.slice(2))];
  const merged = r2.change.merge(left, right);
  expect(merged[0]).toBe(101);
  expect(merged).toHaveLength(left.length);
  for (let place = 1; place < merged.length; place += 4) {
    const [n, y, yy, gain] = right.slice(place, place + 4) as [number, number, number, number];
    const d = 99 - 101;
    expect(merged[place]).toBe(left[place]! + n);
    expect(merged[place + 1]).toBe(left[place + 1]! + y + n * d);
    expect(merged[place + 2]).toBe(left[place + 2]! + yy + 2 * d * y + n * d * d);
    expect(merged[place + 3]).toBe(left[place + 3]! + gain);
  }
});

test('a part without rows leaves the other as it is', () => {
  const some = change(ROWS);
  const none = change([]);
  expect(none).toEqual(new Array(1 + 4 * REPLICATES).fill(0));
  expect(r2.change.merge(some, none)).toBe(some);
  expect(r2.change.merge(none, some)).toBe(some);
});

test("the error is the spread of the replicates' changes", () => {
  // gains 1 and 3 over a spread of 10 − 4² / 2 = 2: changes 0.5 and 1.5, half of them each
  const sums = Array.from({ length: REPLICATES }, (_, i) => [2, 4, 10, i % 2 === 0 ? 1 : 3]);
  const error = r2.change.error([100, ...sums.flat()]);
  expect(error).toBeCloseTo(Math.sqrt((0.25 * REPLICATES) / (REPLICATES - 1)), 12);
});

test('a replicate whose labels do not vary counts as no change', () => {
  const still = Array.from({ length: REPLICATES }, () => [2, 4, 8, 5]); // 8 − 4² / 2 = 0
  expect(r2.change.error([0, ...still.flat()])).toBe(0);
  expect(r2.change.error([0, ...still.flatMap(() => [0, 0, 0, 0])])).toBe(0);
});
