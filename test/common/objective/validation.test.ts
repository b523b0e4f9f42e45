import { expect, test } from 'vitest';
import { OBJECTIVES } from '../../../common/objective/objectives.ts';
import {
  addValidation,
  summarizeValidation,
  validationLength,
  validationPartial,
} from '../../../common/objective/validation.ts';
import { Philox } from '../../../common/random.ts';
import { metricsOf } from '../../support/measure.ts';

/** Scores of a calibrated model: the label is drawn with the score as its probability. */
function calibrated(count: number, { base, spread }: { base: number; spread: number }) {
  const random = new Philox(5, 'proof', base);
  const scores = Float32Array.from({ length: count }, () => {
    const normal = random.uniform() + random.uniform() + random.uniform() - 1.5;
    return 1 / (1 + Math.exp(-(Math.log(base / (1 - base)) + spread * normal)));
  });
  const labels = scores.map((score) => (random.uniform() < score ? 1 : 0));
  return { scores, labels };
}

test.each([0.5, 0.2, 0.01, 0.001])(
  'summarizeValidation() is within 1e-4 of the exact figures at %f positives',
  (base) => {
    const rows = calibrated(100_000, { base, spread: 2 });
    const sum = summarizeValidation('binary', validationPartial('binary', rows));
    const exact = metricsOf(OBJECTIVES.binary.metrics, { width: 1, ...rows });
    expect(Math.abs(sum.auc! - exact.auc!)).toBeLessThan(1e-4);
    expect(sum.loss).toBeCloseTo(exact.logLoss!, 6);
  },
);

test('addValidation() of two halves says the same as the whole', () => {
  const { scores, labels } = calibrated(1000, { base: 0.3, spread: 2 });
  const half = (from: number, to: number) =>
    validationPartial('binary', {
      scores: scores.subarray(from, to),
      labels: labels.subarray(from, to),
    });
  const whole = summarizeValidation('binary', half(0, 1000));
  const sum = new Float64Array(validationLength('binary'));
  addValidation(sum, half(0, 400), half(400, 1000));
  const merged = summarizeValidation('binary', sum);
  expect(merged.auc).toBe(whole.auc);
  expect(merged.loss).toBeCloseTo(whole.loss!, 12);
});

test('summarizeValidation() counts ties as half, and needs both classes', () => {
  const of = (scores: number[], labels: number[]) => {
    const rows = { scores: Float32Array.from(scores), labels: Float32Array.from(labels) };
    return summarizeValidation('binary', validationPartial('binary', rows));
  };
  expect(of([0.5, 0.5], [0, 1]).auc).toBe(0.5);
  expect(of([0, 1], [0, 1]).auc).toBe(1);
  expect(of([1, 0], [0, 1]).auc).toBe(0);
  expect(of([0.2, 0.3], [1, 1])).toMatchObject({ auc: null });
  expect(of([], [])).toEqual({ loss: null, auc: null });
  expect(Number.isFinite(of([0, 1], [1, 0]).loss)).toBe(true);
});

test('summarizeValidation() of a regression is the mean squared error', () => {
  const rows = { scores: Float32Array.of(1, 2, 3), labels: Float32Array.of(1, 4, 6) };
  const partial = validationPartial('regression', rows);
  expect(partial.length).toBe(validationLength('regression'));
  expect(summarizeValidation('regression', partial)).toEqual({ loss: 13 / 3, auc: null });
});
