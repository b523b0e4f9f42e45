// What a column alone says of a label: everything, nothing, or no more than chance would.
import { expect, test } from 'vitest';
import { foldExplained } from '../../../worker/stage/survey-explained.ts';

const N = 4_000;
const of = (value: (row: number) => number): Float64Array =>
  Float64Array.from({ length: N }, (_, row) => value(row));
/** Digits without a pattern, the same in each run. */
const chance = (row: number, salt: number): number => {
  const x = Math.sin(row * 12.9898 + salt * 78.233) * 43758.5453;
  return x - Math.floor(x);
};
const isTrue = of((row) => Number(chance(row, 1) < 0.3));

test('foldExplained() sees a column that decides the label, where the correlation is small', () => {
  const cost = of((row) => (isTrue[row] === 1 ? 10 ** (6 * chance(row, 2)) : 0));
  expect(foldExplained(cost, isTrue, 64)!.share).toBeGreaterThan(0.9);
});

test('foldExplained() sees bends that a straight line does not', () => {
  const month = of((row) => row % 12);
  const warmth = of((row) => Math.cos(((row % 12) / 12) * 2 * Math.PI) + 0.1 * chance(row, 3));
  expect(foldExplained(month, warmth, 64)!.share).toBeGreaterThan(0.98);
});

test.each([2, 64, 500])('foldExplained() gives chance nothing, in %d groups', (groups) => {
  const any = of((row) => Math.floor(chance(row, 4) * groups));
  expect(foldExplained(any, isTrue, null)!.share).toBeLessThan(0.02);
});

test('foldExplained() counts what is missing as a group, and only rows with a label', () => {
  const known = of((row) => (isTrue[row] === 1 ? Number.NaN : 5));
  const labels = of((row) => (row % 2 === 0 ? isTrue[row]! : Number.NaN));
  expect(foldExplained(known, labels, 64)).toEqual({ n: N / 2, share: 1 });
});

test('foldExplained() says nothing of identifiers, of constant labels, and without rows', () => {
  const row = of((row) => row);
  expect(foldExplained(row, isTrue, null)).toBeNull();
  expect(
    foldExplained(
      row,
      of(() => 7),
      64,
    ),
  ).toBeNull();
  expect(foldExplained(new Float64Array(0), new Float64Array(0), 64)).toBeNull();
});
