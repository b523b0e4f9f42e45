// How much: a number for a label, a number in its unit as the prediction.
// In: labels of any size. Out: a standardized score, trained by squared error, told by R².
// Why standardized: labels of any size then train alike with one learning rate; a model that says the mean has loss 1.
//
//   validation  [ loss sum | rows | label sum | label square sum ]
import { GristmillError } from '../errors.ts';
import type { Scored } from '../metric/metric.ts';
import { NUMERIC_TYPE } from '../sql.ts';
import type { LabelScale, Objective } from './objective.ts';

/** float32 holds 24 bits: a label that varies by less than this share of its size would be mostly rounding. */
const LABEL_STD_LEAST = 2 ** -18;
/** A label whose largest value lies so many deviations above its mean has a tail. */
const LABEL_TAIL = 10;

export const regression: Objective = {
  width: 1,
  label: {
    accepts: (type) => NUMERIC_TYPE.test(type),
    classes: null,
    statistics: [{ id: 'label', kind: 'moments', sql: '__label' }],
    check: () => {},
    scaleOf,
  },
  graph: {
    // z·std + mean
    prediction: (b, z, { mean, std }) => {
      const scaled = b.node('Mul', [z, b.scalar('float', std)], { name: 'scaled' });
      return b.nodeNamed('prediction', 'Add', [scaled, b.scalar('float', mean)]);
    },
    // (z − (y − mean)/std)²
    losses: (b, { score: z, label: y, scale: { mean, std } }) => {
      const centred = b.node('Sub', [y, b.scalar('float', mean)]);
      const target = b.node('Div', [centred, b.scalar('float', std)], { name: 'target' });
      const difference = b.node('Sub', [z, target]);
      return b.node('Mul', [difference, difference]);
    },
  },
  lossUnit: ({ std }) => std * std,
  metrics: ['mse', 'mae', 'r2'],
  lossMetric: 'mse',
  defaultGateMetric: 'r2',
  validation: { length: 4, add: addRows, rank: null },
  baseline: (meanLabel) => [meanLabel],
  words: {
    label: 'a number (regression)',
    prediction: "a number in the label's unit",
    describe: ({ mean, std, min, max }, { figure }) =>
      `regression, ${figure(min ?? 0)} to ${figure(max ?? 0)}, mean ${figure(mean ?? 0)}, deviation ${figure(std ?? 0)}`,
    constant: ({ min, max }, { figure }) => (min === max ? figure(Number(min)) : null),
    rarer: null,
    hasTail: ({ mean, std, min, max }) =>
      min !== null && max !== null && min >= 0 && (max - (mean ?? 0)) / (std || 1) > LABEL_TAIL,
  },
};

/** LABEL_CONSTANT or LABEL_RANGE where no model could use these labels. */
function scaleOf(numbers: readonly number[], rows: number): LabelScale {
  const [mean, std] = numbers as [number, number];
  if (std === 0) {
    throw new GristmillError(
      'LABEL_CONSTANT',
      `Cannot train: the label is ${mean} in all ${rows} training rows, expected at least two values`,
    );
  }
  const isHeld = Number.isFinite(Math.fround(mean)) && Number.isFinite(Math.fround(std * std));
  if (isHeld && std >= LABEL_STD_LEAST * Math.abs(mean) && Math.fround(std) > 0)
    return { mean, std };
  throw new GristmillError(
    'LABEL_RANGE',
    `Cannot train: the label has mean ${mean} and deviation ${std.toPrecision(3)} in the training rows, expected a deviation of at least ${(LABEL_STD_LEAST * Math.abs(mean)).toPrecision(3)} and below 1e19, as models compute in float32`,
  );
}

function addRows(partial: Float64Array, { scores, labels }: Scored): void {
  for (const [i, score] of scores.entries()) {
    const label = labels[i]!;
    partial[0]! += (score - label) * (score - label);
    partial[2]! += label;
    partial[3]! += label * label;
  }
}
