// Figures of scored rows, and the change between two models on the same rows.
// In: blocks of rows in their order, as often as asked for. Out: partials, figures, a change with its bounds.
// Why blocks: rows of one task may be more than its memory; a block is what is held at once.
import { normalQuantile } from '../algorithm/normal.ts';
import { GristmillError } from '../errors.ts';
import type { CompareResult } from '../stage/evaluate.ts';
import type { Metrics } from '../stage/terms.ts';
import { groupsOf, keysOf, type Runs, runsOf } from './curve.ts';
import {
  type Curve,
  coMoments,
  countCurve,
  errorOfAreas,
  mergeCoMoments,
  type Placed,
  placeRows,
} from './delong.ts';
import type { CurveMetric, Draw, Numbers, RowFold, RowMetric, Scored } from './metric.ts';
import { METRICS, type MetricName } from './metrics.ts';

/** The same blocks in the same order each time it is called. */
export type Rows = () => Iterable<Scored>;

/** The same rows, scored by two models. */
export type Pair = Omit<Scored, 'scores'> & {
  readonly champion: Float32Array;
  readonly challenger: Float32Array;
};
export type Pairs = () => Iterable<Pair>;

/** Undefined figures are left out: AUC needs both classes, R² a label that varies; a 0 there would be a lie. */
export function figuresOf(
  names: readonly MetricName[],
  figureOf: (name: MetricName) => number | undefined,
): Metrics {
  const figures: Record<string, number> = {};
  for (const name of names) {
    const figure = figureOf(name);
    if (figure !== undefined) figures[name] = figure;
  }
  return figures;
}

/** `rows` times what a constant model says. */
export function constantScores(prediction: Numbers, rows: number): Float32Array {
  const scores = new Float32Array(rows * prediction.length);
  for (let at = 0; at < scores.length; at++) scores[at] = prediction[at % prediction.length]!;
  return scores;
}

export function foldRows({ passes }: Pick<RowMetric, 'passes'>, rows: Rows): Numbers {
  let before: Numbers = [];
  for (const pass of passes) {
    const fold = pass(before);
    for (const block of rows()) addBlock(fold, block);
    before = fold.partial();
  }
  return before;
}

function addBlock(fold: RowFold, { width, scores, labels }: Scored): void {
  for (let row = 0; row < labels.length; row++) fold.add(scores, row * width, labels[row]!);
}

export function curveOf(metric: CurveMetric, { width, scores, labels }: Scored): Runs {
  const keys = keysOf(scores, { column: metric.column, width });
  return runsOf(keys, (row) => metric.isPositive(labels[row]!));
}

export function walkCurve(metric: CurveMetric, blocks: Iterable<Runs>): number | undefined {
  const walk = metric.walk();
  for (const { positives, negatives } of groupsOf(blocks)) walk.add(positives, negatives);
  return walk.value();
}

/** What rows of one place tell of a change: all that its bounds need, in numbers that merge. */
export function changePartial(
  name: MetricName,
  pairs: Pairs,
  of: {
    readonly draw: Draw;
    /** Of all rows, wherever they lie; only for a metric that is a curve. */
    readonly curves?: { readonly champion: Curve; readonly challenger: Curve };
  },
): Numbers {
  const metric = METRICS[name];
  if (metric.of === 'curve') {
    if (of.curves) return coMoments(() => placedBlocks(metric, pairs, of.curves!));
    throw new GristmillError('INTERNAL', `Cannot compare by ${name}: there are no curves`);
  }
  let before: Numbers = [];
  for (const pass of metric.change.passes) {
    const fold = pass(before, of.draw);
    for (const { width, champion, challenger, labels } of pairs()) {
      for (let row = 0; row < labels.length; row++) {
        fold.add(champion, challenger, { at: row * width, label: labels[row]! });
      }
    }
    before = fold.partial();
  }
  return before;
}

function* placedBlocks(
  { column, isPositive }: CurveMetric,
  pairs: Pairs,
  curves: { readonly champion: Curve; readonly challenger: Curve },
): Generator<Placed> {
  const total = countCurve(curves.champion);
  for (const { width, champion, challenger, labels } of pairs()) {
    const positive = Uint8Array.from(labels, (label) => (isPositive(label) ? 1 : 0));
    const place = (scores: Float32Array, curve: Curve): Float64Array =>
      placeRows(keysOf(scores, { column, width }), positive, { curve, total });
    const [a, b] = [place(champion, curves.champion), place(challenger, curves.challenger)];
    yield { a, b, isPositive: positive };
  }
}

export const mergeChange = (name: MetricName, left: Numbers, right: Numbers): Numbers => {
  const metric = METRICS[name];
  return metric.of === 'curve' ? mergeCoMoments(left, right) : metric.change.merge(left, right);
};

/** A change, signed so that positive is better, with bounds of one-sided confidence. */
export function finishChange(of: {
  readonly metric: MetricName;
  /** The change lies above `low` with this confidence. */
  readonly confidence: number;
  readonly rows: number;
  readonly champion: number | undefined;
  readonly challenger: number | undefined;
  readonly sum: Numbers;
}): CompareResult {
  const { champion, challenger, rows } = of;
  if (champion === undefined || challenger === undefined || rows < 2) {
    throw new GristmillError(
      'LABEL_CONSTANT',
      `Cannot compare two versions by ${of.metric}: ${rows} test rows have one label, expected several`,
    );
  }
  const metric = METRICS[of.metric];
  const error = metric.of === 'curve' ? errorOfAreas(of.sum) : metric.change.error(of.sum);
  const change = metric.better === 'higher' ? challenger - champion : champion - challenger;
  const margin = normalQuantile(of.confidence) * error;
  return { rows, champion, challenger, change, low: change - margin, high: change + margin };
}

/** `first`: the number of the first row, to name one that is wrong. */
export function assertFinite({ width, scores, labels }: Scored, first = 0): void {
  if (scores.length !== labels.length * width) {
    throw new GristmillError(
      'INTERNAL',
      `Cannot measure ${scores.length} scores: there are ${labels.length} labels, expected ${width} scores for each`,
    );
  }
  if (scores.every(Number.isFinite) && labels.every(Number.isFinite)) return;
  const isWrong = (score: number): boolean => !Number.isFinite(score);
  const row = labels.findIndex(
    (label, at) => isWrong(label) || scores.subarray(at * width, (at + 1) * width).some(isWrong),
  );
  const wrong = scores.subarray(row * width, (row + 1) * width).find(isWrong);
  const what = wrong === undefined ? `label ${labels[row]}` : `prediction ${wrong}`;
  throw new GristmillError(
    'MODEL_INVALID',
    `Cannot measure the model: scored row ${first + row} has the ${what}, expected a finite number`,
  );
}
