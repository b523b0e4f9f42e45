// How good the model is on validation rows after each epoch: a loss and an AUC from small partials.
// In: predictions and labels of some rows. Out: figures, close to the exact ones of `evaluate`.
// Why binned: a partial of 2 × 16,384 counts instead of all scores. Pairs inside a bin count as half; the AUC is
// off by less than 1e-4, also for rare classes (tested). Exact figures come from metrics.ts.
//
//   binary      [ loss sum | rows | positives per bin … | negatives per bin … ]
//   regression  [ loss sum | rows | label sum | label square sum ]
import { LIMITS } from '../limits.ts';
import type { LabelKind } from '../wire/program.ts';

const BINS = LIMITS.validationBins;

export type ValidationRows = {
  /** Probabilities for a binary label, else values. */
  readonly scores: Float32Array;
  readonly labels: Float32Array;
};

export type ValidationSummary = {
  /** Mean log loss, or mean squared error; null without rows. */
  readonly loss: number | null;
  /** Null for regression, and where a class is missing. */
  readonly auc: number | null;
};

export const validationLength = (label: LabelKind): number =>
  label === 'binary' ? 2 + 2 * BINS : 4;

/** The partial of some rows. Partials are added with addInto of this file. */
export function validationPartial(label: LabelKind, rows: ValidationRows): Float64Array {
  const partial = new Float64Array(validationLength(label));
  if (label === 'binary') addBinary(partial, rows);
  else addRegression(partial, rows);
  return partial;
}

/** left += right: the merge of the lane tree. */
export function addValidation(left: Float64Array, right: Float64Array): Float64Array {
  for (let i = 0; i < left.length; i++) left[i]! += right[i]!;
  return left;
}

export function summarizeValidation(label: LabelKind, sum: Float64Array): ValidationSummary {
  const [loss, rows] = [sum[0]!, sum[1]!];
  if (rows === 0) return { loss: null, auc: null };
  return { loss: loss / rows, auc: label === 'binary' ? binnedAuc(sum) : null };
}

function addBinary(partial: Float64Array, { scores, labels }: ValidationRows): void {
  for (const [i, score] of scores.entries()) {
    const positive = labels[i]! > 0.5;
    const p = Math.min(Math.max(score, PROBABILITY_LEAST), 1 - PROBABILITY_LEAST);
    partial[0]! -= Math.log(positive ? p : 1 - p);
    partial[2 + (positive ? 0 : BINS) + binOf(score)]! += 1;
  }
  partial[1] = scores.length;
}

/**
 * Bins grow with the score and are narrow at both ends, as √ is steep there: where one row in a thousand is positive,
 * even bins would put most rows into a few.
 */
function binOf(score: number): number {
  const place = score < 0.5 ? Math.sqrt(score / 2) : 1 - Math.sqrt((1 - score) / 2);
  return Math.min(Math.max(Math.floor(place * BINS), 0), BINS - 1);
}

/** A float32 sigmoid reaches 0 and 1; the loss of such a row is finite all the same. */
export const PROBABILITY_LEAST = 2 ** -24;

function addRegression(partial: Float64Array, { scores, labels }: ValidationRows): void {
  for (const [i, score] of scores.entries()) {
    const label = labels[i]!;
    partial[0]! += (score - label) * (score - label);
    partial[2]! += label;
    partial[3]! += label * label;
  }
  partial[1] = scores.length;
}

/** Share of pairs (positive, negative) in order; pairs in one bin count half. */
function binnedAuc(sum: Float64Array): number | null {
  let [positives, negatives, pairs] = [0, 0, 0];
  for (let bin = 0; bin < BINS; bin++) {
    const [p, n] = [sum[2 + bin]!, sum[2 + BINS + bin]!];
    pairs += p * (negatives + n / 2);
    positives += p;
    negatives += n;
  }
  return positives > 0 && negatives > 0 ? pairs / positives / negatives : null;
}
