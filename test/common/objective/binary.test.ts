// The binary objective by itself: which labels it takes, what it adds for validation, what it says.
import { expect, test } from 'vitest';
import { LIMITS } from '../../../common/limits.ts';
import { binary, PROBABILITY_LEAST } from '../../../common/objective/binary.ts';
import { UNSCALED } from '../../../common/objective/objective.ts';
import { resultOf } from '../../support/operators.ts';

const BINS = LIMITS.validationBins;

/** Places of the partial that are not 0, behind [loss sum | rows]. */
function countsOf(scores: readonly number[], labels: readonly number[]): Record<number, number> {
  const partial = partialOf(scores, labels);
  const counts = [...partial.entries()].slice(2).filter(([, count]) => count !== 0);
  return Object.fromEntries(counts);
}

function partialOf(scores: readonly number[], labels: readonly number[]): Float64Array {
  const partial = new Float64Array(binary.validation.length);
  const rows = { scores: Float32Array.from(scores), labels: Float32Array.from(labels) };
  binary.validation.add(partial, { width: 1, ...rows });
  return partial;
}

test('binary takes a BOOLEAN label and no other', () => {
  expect(['BOOLEAN', 'DOUBLE', 'VARCHAR'].map(binary.label.accepts)).toEqual([true, false, false]);
});

test.each([
  [0, 'false'],
  [9, 'true'],
])('check() refuses %i true of 9', (labelSum, word) => {
  expect(() => binary.label.check({ rows: 9, labelSum })).toThrow(
    expect.objectContaining({
      code: 'LABEL_CONSTANT',
      message: `Cannot train: the label is ${word} in all 9 training rows, expected both classes`,
    }),
  );
});

test('check() takes labels of which a single one is of the other class', () => {
  expect(() => binary.label.check({ rows: 9, labelSum: 1 })).not.toThrow();
  expect(() => binary.label.check({ rows: 9, labelSum: 8 })).not.toThrow();
});

test('add() sums the log loss of each row by its own class', () => {
  const [loss, rows] = partialOf([0.25, 0.25], [1, 0]);
  expect(loss).toBeCloseTo(-Math.log(0.25) - Math.log(0.75), 12);
  expect(rows).toBe(0); // counted by who calls
});

test('add() holds a certain score that is wrong to a finite loss, the same on both sides', () => {
  for (const wrong of [partialOf([0], [1]), partialOf([1], [0])])
    expect(wrong[0]).toBeCloseTo(-Math.log(PROBABILITY_LEAST), 12);
  expect(partialOf([0], [0])[0]).toBeCloseTo(0, 6);
  expect(partialOf([1], [1])[0]).toBeCloseTo(0, 6);
});

test('add() counts positives apart from negatives; a label of exactly one half is a negative', () => {
  expect(countsOf([0, 0], [1, 1])).toEqual({ 2: 2 });
  expect(countsOf([0, 0], [0, 0.5])).toEqual({ [2 + BINS]: 2 });
});

test.each([
  [0, 0],
  [0.125, BINS / 4],
  [0.5, BINS / 2],
  [0.875, (3 * BINS) / 4],
  [1, BINS - 1],
])('add() puts a score of %f into bin %i: narrow at both ends', (score, bin) => {
  expect(countsOf([score], [1])).toEqual({ [2 + bin]: 1 });
});

test('figure() is the share of pairs in order: a positive above a negative 1, in one bin one half', () => {
  const aucOf = (scores: number[], labels: number[]) =>
    binary.validation.rank!.figure(partialOf(scores, labels));
  expect(aucOf([0.1, 0.9], [0, 1])).toBe(1);
  expect(aucOf([0.9, 0.1], [0, 1])).toBe(0);
  expect(aucOf([0.3, 0.3], [0, 1])).toBe(0.5);
  // of 2 × 3 pairs: 0.9 is above all three, 0.5 above one and level with one
  expect(aucOf([0.9, 0.5, 0.1, 0.5, 0.7], [1, 1, 0, 0, 0])).toBe(4.5 / 6);
  expect(aucOf([0.1], [1])).toBeNull();
  expect(aucOf([0.1], [0])).toBeNull();
});

const figures = (mean: number | null) => ({ mean, std: null, min: null, max: null });
const show = { figure: String, share: (value: number) => `${value * 100} %` };

test('words of a binary label: its share, its one value, its rarer class', () => {
  const { describe, constant, rarer, hasTail } = binary.words;
  expect(describe(figures(0.25), show)).toBe('binary classification, true in 25 %');
  expect(describe(figures(null), show)).toBe('binary classification, true in 0 %');
  expect([0, 1, 0.5, null].map((mean) => constant(figures(mean), show))).toEqual([
    ...['false', 'true'],
    ...[null, null],
  ]);
  expect([0.25, 0.75, null].map((mean) => rarer!(figures(mean)).share)).toEqual([0.25, 0.25, 0]);
  expect(hasTail({ mean: 0, std: 1, min: 0, max: 1 })).toBe(false);
});

test('a binary label is learned and told as it is', () => {
  expect(binary.label.scaleOf([5, 2], 9)).toBeNull();
  expect(binary.lossUnit({ mean: 5, std: 2 })).toBe(1);
  expect(binary.baseline(0.25)).toEqual([0.25]);
});

test.each([-2, 0, 1.5])(
  'the graph of a score of %f: its sigmoid, and the log loss of that',
  (z) => {
    const p = 1 / (1 + Math.exp(-z));
    const { prediction, losses } = binary.graph;
    expect(resultOf({ z }, (b) => prediction(b, 'z', UNSCALED))).toBeCloseTo(p, 12);
    const of = { score: 'z', label: 'y', scale: UNSCALED };
    expect(resultOf({ z, y: 1 }, (b) => losses(b, of))).toBeCloseTo(-Math.log(p), 12);
    expect(resultOf({ z, y: 0 }, (b) => losses(b, of))).toBeCloseTo(-Math.log(1 - p), 12);
  },
);
