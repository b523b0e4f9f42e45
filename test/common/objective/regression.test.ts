// The regression objective by itself: which labels it takes, how they are scaled, what it adds and says.
import { expect, test } from 'vitest';
import { regression } from '../../../common/objective/regression.ts';
import { resultOf } from '../../support/operators.ts';

const scaleOf = (mean: number, std: number) => regression.label.scaleOf([mean, std], 9);

test('regression takes numbers of any width, and neither flags nor texts', () => {
  const types = ['DOUBLE', 'INTEGER', 'DECIMAL(9,2)', 'BOOLEAN', 'VARCHAR', 'DOUBLE[]'];
  const taken = types.map(regression.label.accepts);
  expect(taken).toEqual([true, true, true, false, false, false]);
});

test('scaleOf() is mean and deviation as they were found', () => {
  expect(scaleOf(100, 10)).toEqual({ mean: 100, std: 10 });
  expect(scaleOf(-100, 10)).toEqual({ mean: -100, std: 10 });
  expect(scaleOf(0, 1e-40)).toEqual({ mean: 0, std: 1e-40 });
});

test('scaleOf() refuses labels that are all one value, and names it', () => {
  expect(() => scaleOf(7, 0)).toThrow(
    expect.objectContaining({
      code: 'LABEL_CONSTANT',
      message: 'Cannot train: the label is 7 in all 9 training rows, expected at least two values',
    }),
  );
});

test('scaleOf() takes a deviation of 2⁻¹⁸ of the mean, and refuses less, on either side of 0', () => {
  for (const mean of [2 ** 18, -(2 ** 18)]) {
    expect(scaleOf(mean, 1)).toEqual({ mean, std: 1 });
    expect(() => scaleOf(mean, 1 - 2 ** -20)).toThrow(
      expect.objectContaining({
        code: 'LABEL_RANGE',
        message: expect.stringContaining('expected a deviation of at least 1.00 and below 1e19'),
      }),
    );
  }
});

test.each([
  ['a mean beyond float32', 1e39, 1e35],
  ['a squared deviation beyond float32', 0, 1e20],
  ['a deviation that float32 rounds to 0', 0, 1e-50],
  ['a mean that is no number', Number.NaN, 1],
])('scaleOf() refuses %s', (_what, mean, std) => {
  expect(() => scaleOf(mean, std)).toThrow(expect.objectContaining({ code: 'LABEL_RANGE' }));
});

test('scaleOf() takes the largest deviation whose square float32 holds', () => {
  expect(scaleOf(0, 1.8e19)).toEqual({ mean: 0, std: 1.8e19 });
  expect(() => scaleOf(0, 1.9e19)).toThrow(expect.objectContaining({ code: 'LABEL_RANGE' }));
});

test('add() adds squared errors, labels and their squares to what is there, and leaves the rows to who calls', () => {
  const partial = Float64Array.of(1, 2, 3, 4);
  const [scores, labels] = [Float32Array.of(1, 2), Float32Array.of(4, -2)];
  regression.validation.add(partial, { width: 1, scores, labels });
  expect([...partial]).toEqual([1 + 9 + 16, 2, 3 + 4 - 2, 4 + 16 + 4]);
  expect(regression.validation.length).toBe(partial.length);
});

test('lossUnit() is the square of the deviation', () => {
  expect(regression.lossUnit({ mean: 7, std: 3 })).toBe(9);
  expect(regression.baseline(7)).toEqual([7]);
});

test('hasTail() is true where the largest lies more than ten deviations above the mean, of labels that are never negative', () => {
  const { hasTail } = regression.words;
  const label = { mean: 1, std: 2, min: 0, max: 21 };
  expect(hasTail(label)).toBe(false); // exactly ten
  expect(hasTail({ ...label, max: 21.5 })).toBe(true);
  expect(hasTail({ ...label, max: 21.5, min: -0.5 })).toBe(false);
  expect(hasTail({ ...label, max: null })).toBe(false);
  expect(hasTail({ ...label, max: 99, min: null })).toBe(false);
  expect(hasTail({ ...label, max: 11, std: 0 })).toBe(false); // a deviation of 0 counts as 1
  expect(hasTail({ ...label, max: 11.5, std: null })).toBe(true);
  expect(hasTail({ ...label, max: 20.5, mean: null })).toBe(true);
});

test('words of a number: its range, and its one value', () => {
  const show = { figure: (value: number) => value.toFixed(1), share: String };
  const none = { mean: null, std: null, min: null, max: null };
  const { describe, constant } = regression.words;
  expect(describe({ mean: 2, std: 3, min: 0, max: 9 }, show)).toBe(
    'regression, 0.0 to 9.0, mean 2.0, deviation 3.0',
  );
  expect(describe(none, show)).toBe('regression, 0.0 to 0.0, mean 0.0, deviation 0.0');
  expect(constant({ ...none, min: 4, max: 4 }, show)).toBe('4.0');
  expect(constant({ ...none, min: 4, max: 5 }, show)).toBeNull();
});

test('the graph of a score: the label that it stands for, and its squared error in deviations', () => {
  const scale = { mean: 10, std: 4 };
  const { prediction, losses } = regression.graph;
  expect(resultOf({ z: 1.5 }, (b) => prediction(b, 'z', scale))).toBe(16);
  const of = { score: 'z', label: 'y', scale };
  expect(resultOf({ z: 1.5, y: 16 }, (b) => losses(b, of))).toBe(0);
  expect(resultOf({ z: 1.5, y: 6 }, (b) => losses(b, of))).toBe(6.25); // y is −1 deviation
});
