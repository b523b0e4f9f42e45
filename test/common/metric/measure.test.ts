// Metrics and comparisons against definitions written out, pair by pair, and against published figures.
import { expect, test } from 'vitest';
import { normalQuantile } from '../../../common/algorithm/normal.ts';
import { Sum } from '../../../common/algorithm/sum.ts';
import { areaWalk, groupsOf, keysOf, runsOf } from '../../../common/metric/curve.ts';
import { covarianceOfAreas } from '../../../common/metric/delong.ts';
import {
  assertFinite,
  changePartial,
  constantScores,
  curveOf,
  mergeChange,
} from '../../../common/metric/measure.ts';
import type { CurveMetric, Scored } from '../../../common/metric/metric.ts';
import { METRICS } from '../../../common/metric/metrics.ts';
import { LABEL_KINDS, type LabelKind, OBJECTIVES } from '../../../common/objective/objectives.ts';
import { Philox } from '../../../common/random.ts';
import {
  type Comparison,
  compareScores as compare,
  metricsOf as measure,
} from '../../support/measure.ts';
import { refusal } from '../../support/refusal.ts';

const seed = Number(process.env.SEED ?? 1);
const floats = (...values: number[]): Float32Array => Float32Array.from(values);

/** One score a row, as all of today's objectives have. */
type Narrow = Omit<Scored, 'width'>;
const metricsOf = (label: LabelKind, scored: Narrow) =>
  measure(OBJECTIVES[label].metrics, { width: 1, ...scored });
const constantMetrics = (label: LabelKind, labels: Float32Array, prediction: number) =>
  metricsOf(label, { labels, scores: constantScores([prediction], labels.length) });
const compareScores = (of: Omit<Comparison, 'width'>) => compare({ width: 1, ...of });
const ownerOf = (metric: Comparison['metric']): LabelKind =>
  LABEL_KINDS.find((label) => OBJECTIVES[label].metrics.includes(metric))!;

function areaUnderCurve({ scores, labels }: Narrow): number | undefined {
  const walk = areaWalk();
  const runs = runsOf(keysOf(scores, { column: 0, width: 1 }), (row) => labels[row] === 1);
  for (const { positives, negatives } of groupsOf([runs])) walk.add(positives, negatives);
  return walk.value();
}

function delongCovariance(
  [champion, challenger]: readonly [Float32Array, Float32Array],
  labels: Float32Array,
) {
  const curve = (scores: Float32Array) => () => [
    curveOf(METRICS.auc as CurveMetric, { width: 1, scores, labels }),
  ];
  const curves = { champion: curve(champion), challenger: curve(challenger) };
  const pair = { width: 1, champion, challenger, labels };
  return covarianceOfAreas(
    changePartial('auc', () => [pair], { draw: { seed: 0, path: [] }, curves }),
  );
}

/** Two correlated scores of a binary label, with ties. */
function sample(
  rows: number,
  of: number,
): { labels: Float32Array; a: Float32Array; b: Float32Array } {
  const random = new Philox(of, 'order', 'metrics test');
  const labels = new Float32Array(rows).map(() => (random.uniform() < 0.3 ? 1 : 0));
  const shared = labels.map((label) => 0.2 * label + 0.6 * random.uniform());
  const noisy = (amount: number, steps: number): Float32Array =>
    shared.map((x) => Math.round((x + amount * random.uniform()) * steps) / steps / 1.5);
  return { labels, a: noisy(0.2, 40), b: noisy(0.3, 1000) };
}

const kernel = (positive: number, negative: number): number =>
  positive > negative ? 1 : positive === negative ? 0.5 : 0;

function pairwise(
  scores: Float32Array,
  labels: Float32Array,
): { auc: number; v10: number[]; v01: number[] } {
  const positives = [...scores].filter((_, row) => labels[row] === 1);
  const negatives = [...scores].filter((_, row) => labels[row] === 0);
  const mean = (values: number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;
  const v10 = positives.map((p) => mean(negatives.map((n) => kernel(p, n))));
  const v01 = negatives.map((n) => mean(positives.map((p) => kernel(p, n))));
  return { auc: mean(v10), v10, v01 };
}

const covary = (a: readonly number[], b: readonly number[]): number => {
  const mean = (v: readonly number[]): number => v.reduce((sum, x) => sum + x, 0) / v.length;
  const [ma, mb] = [mean(a), mean(b)];
  return a.reduce((sum, x, i) => sum + (x - ma) * (b[i]! - mb), 0) / (a.length - 1);
};

test('metricsOf() gives the textbook figures of four rows', () => {
  const metrics = metricsOf('binary', {
    scores: floats(0.1, 0.4, 0.35, 0.8),
    labels: floats(0, 0, 1, 1),
  });
  expect(metrics.auc).toBe(0.75); // the example of scikit-learn's roc_auc_score
  expect(metrics.accuracy).toBe(0.75);
  expect(metrics.brier).toBeCloseTo((0.01 + 0.16 + 0.4225 + 0.04) / 4, 7);
  const loss = -(Math.log(0.9) + Math.log(0.6) + Math.log(0.35) + Math.log(0.8)) / 4;
  expect(metrics.logLoss).toBeCloseTo(loss, 7);
  const regression = metricsOf('regression', {
    scores: floats(2.5, 0, 2, 8),
    labels: floats(3, -0.5, 2, 7),
  });
  expect(regression).toEqual({ mse: 0.375, mae: 0.5, r2: expect.closeTo(0.9486081370449679, 12) });
});

test('metricsOf() clips certain mistakes, and leaves out what is undefined', () => {
  const metrics = metricsOf('binary', { scores: floats(0, 1), labels: floats(1, 1) });
  expect(metrics.logLoss).toBeCloseTo(-Math.log(1e-15) / 2, 9);
  expect(metrics).not.toHaveProperty('auc');
  expect(
    metricsOf('regression', { scores: floats(1, 2), labels: floats(3, 3) }),
  ).not.toHaveProperty('r2');
  for (const label of LABEL_KINDS)
    expect(metricsOf(label, { scores: floats(), labels: floats() })).toEqual({});
});

test.each<[string, Partial<Scored>, string]>([
  ['a prediction', { scores: floats(0.5, Number.NaN) }, 'row 1 has the prediction NaN'],
  [
    'one of a row',
    { width: 2, scores: floats(1, 1, 1, Infinity) },
    '1 has the prediction Infinity',
  ],
  ['the first of a row', { width: 2, scores: floats(1, 1, -Infinity, 1) }, 'prediction -Infinity'],
  ['the first row', { width: 2, scores: floats(1, Number.NaN, 1, 1) }, 'row 0 has the prediction'],
  ['a label', { labels: floats(0, Number.NaN) }, 'row 1 has the label NaN'],
  ['both', { scores: floats(Infinity, 1), labels: floats(0, Number.NaN) }, 'row 0 has the pred'],
])('metricsOf() refuses what is no number, and says where: %s', (_what, wrong, words) => {
  const right = { width: 1, scores: floats(0.5, 0.5), labels: floats(0, 1) };
  const measured = () => measure(OBJECTIVES.binary.metrics, { ...right, ...wrong });
  expect(measured).toThrow(refusal('MODEL_INVALID', words));
});

test('assertFinite() counts from the number of the first row', () => {
  const scored = { width: 1, scores: floats(0.5), labels: floats(Number.NaN) };
  expect(() => assertFinite(scored, 7)).toThrow(refusal('MODEL_INVALID', 'scored row 7 has'));
});

test('assertFinite() refuses scores that are more or fewer than those of the labels', () => {
  for (const count of [0, 3, 5]) {
    const scored = { width: 2, scores: new Float32Array(count), labels: floats(0, 1) };
    expect(() => assertFinite(scored)).toThrow(
      refusal('INTERNAL', `${count} scores: there are 2 labels, expected 2 scores for each`),
    );
  }
});

test('changePartial() of a curve needs the curves of all rows', () => {
  const pair = { width: 1, champion: floats(1), challenger: floats(0), labels: floats(1) };
  expect(() => changePartial('auc', () => [pair], { draw: { seed: 0, path: [] } })).toThrow(
    refusal('INTERNAL', 'Cannot compare by auc: there are no curves'),
  );
});

test('constantMetrics() of the mean is AUC one half and R² zero', () => {
  expect(constantMetrics('binary', floats(0, 1, 1, 0), 0.5)).toMatchObject({
    auc: 0.5,
    brier: 0.25,
  });
  expect(constantMetrics('regression', floats(1, 2, 3), 2).r2).toBe(0);
});

test('areaUnderCurve() equals the count of pairs, with ties, negatives and both zeros', () => {
  for (let trial = 0; trial < 20; trial++) {
    const { labels, a } = sample(200, seed + trial);
    const scores = a.map((x) => x - 0.4);
    scores[0] = -0;
    scores[1] = 0;
    const brute = pairwise(scores, labels).auc;
    expect(areaUnderCurve({ scores, labels })).toBeCloseTo(brute, 14);
  }
});

test('areaUnderCurve() does not depend on the order of rows', () => {
  const { labels, a } = sample(5000, seed);
  const reversed = { scores: a.toReversed(), labels: labels.toReversed() };
  expect(areaUnderCurve(reversed)).toBe(areaUnderCurve({ scores: a, labels }));
});

test('delongCovariance() equals its definition over pairs', () => {
  for (let trial = 0; trial < 10; trial++) {
    const { labels, a, b } = sample(150, seed + trial);
    const [one, two] = [pairwise(a, labels), pairwise(b, labels)];
    const expected = (x: typeof one, y: typeof one): number =>
      covary(x.v10, y.v10) / x.v10.length + covary(x.v01, y.v01) / x.v01.length;
    const found = delongCovariance([a, b], labels);
    expect(found[0]![0]).toBeCloseTo(expected(one, one), 12);
    expect(found[0]![1]).toBeCloseTo(expected(one, two), 12);
    expect(found[1]![1]).toBeCloseTo(expected(two, two), 12);
  }
});

test('compareScores() is signed so that positive is better, for every metric', () => {
  const labels = floats(0, 1, 0, 1, 0, 1, 1, 0);
  const better = floats(0.1, 0.9, 0.2, 0.8, 0.3, 0.7, 0.4, 0.35);
  const worse = floats(0.6, 0.4, 0.5, 0.6, 0.3, 0.5, 0.4, 0.7);
  const metrics: readonly Comparison['metric'][] = [
    'auc',
    'logLoss',
    'brier',
    'accuracy',
    'r2',
    'mse',
    'mae',
  ];
  for (const metric of metrics) {
    const result = compareScores({
      metric,
      confidence: 0.95,
      seed,
      champion: worse,
      challenger: better,
      labels,
    });
    expect(result.change, metric).toBeGreaterThan(0);
    expect(result.low).toBeLessThan(result.change);
    expect(result.high - result.change).toBeCloseTo(result.change - result.low, 12);
  }
});

test('compareScores() of a model with itself is a change of exactly 0', () => {
  const { labels, a } = sample(500, seed);
  for (const metric of ['auc', 'logLoss', 'r2'] as const) {
    const of = { metric, confidence: 0.95, seed, champion: a, challenger: a, labels };
    expect(compareScores(of)).toMatchObject({ change: 0, low: 0, high: 0 });
  }
});

test('compareScores() bounds hold as often as they say', () => {
  const truth = { auc: 0, brier: 0, r2: 0 };
  const trials = 100;
  const big = sample(200_000, 999);
  for (const metric of ['auc', 'brier', 'r2'] as const) {
    const [before, after] = [big.a, big.b].map(
      (scores) => metricsOf(ownerOf(metric), { scores, labels: big.labels })[metric]!,
    );
    const change = METRICS[metric].better === 'higher' ? after! - before! : before! - after!;
    for (let trial = 0; trial < trials; trial++) {
      const { labels, a, b } = sample(300, 1000 + trial);
      const of = { metric, confidence: 0.95, seed, champion: a, challenger: b, labels };
      if (compareScores(of).low <= change) truth[metric] += 1;
    }
  }
  // 95 % of 100, give or take three standard deviations (6.5 %).
  for (const held of Object.values(truth)) expect(held).toBeGreaterThan(0.885 * trials);
});
test('compareScores() refuses rows of one label', () => {
  const of = { metric: 'auc', confidence: 0.95, seed, labels: floats(1, 1) } as const;
  expect(() =>
    compareScores({ ...of, champion: floats(0.1, 0.2), challenger: floats(0.1, 0.2) }),
  ).toThrow('Cannot compare two versions by auc');
});

test.each([
  [0.95, 1.6448536269514722],
  [0.975, 1.959963984540054],
  [0.99, 2.3263478740408408],
  [0.999, 3.090232306167813],
  [0.5, 0],
  [0.3, -0.5244005127080409],
])('normalQuantile(%d) is %d', (p, expected) => {
  expect(normalQuantile(p)).toBeCloseTo(expected, 13);
});

test('Sum keeps what plain addition loses', () => {
  const sum = new Sum();
  for (const value of [1, 1e100, 1, -1e100]) sum.add(value);
  expect(sum.value()).toBe(2);
});

/** Each score with another number behind it, which no metric of a narrow objective looks at. */
const widened = (scores: Float32Array): Float32Array =>
  Float32Array.from([...scores].flatMap((score) => [score, 99]));

test('metricsOf() finds the scores of a row by how wide rows are', () => {
  const { labels, a } = sample(50, seed);
  for (const label of LABEL_KINDS) {
    const { metrics } = OBJECTIVES[label];
    expect(measure(metrics, { width: 2, scores: widened(a), labels })).toEqual(
      measure(metrics, { width: 1, scores: a, labels }),
    );
  }
});

test('compareScores() finds the scores of a row by how wide rows are', () => {
  const { labels, a, b } = sample(50, seed);
  for (const metric of ['auc', 'brier', 'r2'] as const) {
    const of = { metric, confidence: 0.95, seed, labels };
    const wide = { champion: widened(a), challenger: widened(b) };
    expect(compare({ ...of, ...wide, width: 2 })).toEqual(
      compare({ ...of, champion: a, challenger: b, width: 1 }),
    );
  }
});

test('constantScores() says the whole prediction again for each row', () => {
  expect([...constantScores([1, 2, 3], 2)]).toEqual([1, 2, 3, 1, 2, 3]);
  expect([...constantScores([0.5], 3)]).toEqual([0.5, 0.5, 0.5]);
  expect([...constantScores([0.5], 0)]).toEqual([]);
});

test.each(['auc', 'mae', 'brier'] as const)(
  'mergeChange() of two halves is the change of all, by %s',
  (name) => {
    const { labels, a, b } = sample(80, seed);
    const curve = (scores: Float32Array) => () => [
      curveOf(METRICS.auc as CurveMetric, { width: 1, scores, labels }),
    ];
    const of = {
      draw: { seed: 0, path: [] },
      curves: { champion: curve(a), challenger: curve(b) },
    };
    const partial = (from: number, to: number) => {
      const [champion, challenger] = [a.subarray(from, to), b.subarray(from, to)];
      const pair = { width: 1, champion, challenger, labels: labels.subarray(from, to) };
      return changePartial(name, () => [pair], of);
    };
    const whole = partial(0, 80);
    const merged = mergeChange(name, partial(0, 30), partial(30, 80));
    expect(merged).toHaveLength(whole.length);
    for (const [i, value] of whole.entries()) expect(merged[i]).toBeCloseTo(value, 12);
  },
);
