// Which of two: a BOOLEAN label, a probability.
// In: labels 0 and 1. Out: a logit through a sigmoid, trained by log loss, told by AUC.
// Why Softplus(z) − z·y: the same as max(z,0) − z·y + ln(1+e^−|z|), but its derivative is σ(z) − y also at z = 0,
// where the pieces of the other form have none.
//
//   validation  [ loss sum | rows | positives per bin … | negatives per bin … ]
import { GristmillError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import type { Scored } from '../metric/metric.ts';
import type { Objective } from './objective.ts';

const BINS = LIMITS.validationBins;
const CLASSES = ['false', 'true'] as const;

export const binary: Objective = {
  width: 1,
  label: {
    accepts: (type) => type === 'BOOLEAN',
    classes: CLASSES,
    statistics: [],
    check: checkClasses,
    scaleOf: () => null,
  },
  graph: {
    prediction: (b, z) => b.nodeNamed('prediction', 'Sigmoid', [z]),
    // −y·ln σ(z) − (1−y)·ln(1−σ(z)) = softplus(z) − z·y. Stable: softplus(z) = max(z,0) + ln(1+e^−|z|) is how
    // the engine computes it, and its gradient is σ(z) − y for every z, also at 0.
    losses: (b, { score: z, label: y }) =>
      b.node('Sub', [b.node('Softplus', [z]), b.node('Mul', [z, y])]),
  },
  lossUnit: () => 1,
  metrics: ['logLoss', 'brier', 'accuracy', 'auc'],
  lossMetric: 'logLoss',
  defaultGateMetric: 'auc',
  validation: {
    length: 2 + 2 * BINS,
    add: addRows,
    rank: { metric: 'auc', figure: binnedAuc },
  },
  baseline: (meanLabel) => [meanLabel],
  words: {
    label: 'BOOLEAN (classification)',
    prediction: 'a probability',
    describe: ({ mean }, { share }) => `binary classification, true in ${share(mean ?? 0)}`,
    constant: ({ mean }) => (mean === 0 || mean === 1 ? CLASSES[mean] : null),
    rarer: ({ mean }) => ({
      share: Math.min(mean ?? 0, 1 - (mean ?? 0)),
      hint: 'look at auc, not at accuracy',
    }),
    hasTail: () => false,
  },
};

function checkClasses({ rows, labelSum }: { rows: number; labelSum: number }): void {
  if (labelSum !== 0 && labelSum !== rows) return;
  throw new GristmillError(
    'LABEL_CONSTANT',
    `Cannot train: the label is ${labelSum === 0 ? CLASSES[0] : CLASSES[1]} in all ${rows} training rows, expected both classes`,
  );
}

function addRows(partial: Float64Array, { scores, labels }: Scored): void {
  for (const [i, score] of scores.entries()) {
    const positive = labels[i]! > 0.5;
    const p = Math.min(Math.max(score, PROBABILITY_LEAST), 1 - PROBABILITY_LEAST);
    partial[0]! -= Math.log(positive ? p : 1 - p);
    partial[2 + (positive ? 0 : BINS) + binOf(score)]! += 1;
  }
}

/** A float32 sigmoid reaches 0 and 1; the loss of such a row is finite all the same. */
export const PROBABILITY_LEAST = 2 ** -24;

/**
 * Bins grow with the score and are narrow at both ends, as √ is steep there: where one row in a thousand is positive,
 * even bins would put most rows into a few.
 */
function binOf(score: number): number {
  const place = score < 0.5 ? Math.sqrt(score / 2) : 1 - Math.sqrt((1 - score) / 2);
  return Math.min(Math.max(Math.floor(place * BINS), 0), BINS - 1);
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
