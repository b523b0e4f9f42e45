// Signs, sides and edges of a change: figures worked out by hand, so that a turned comparison or sign is seen at once.
import { expect, test } from 'vitest';
import { normalQuantile } from '../../../common/algorithm/normal.ts';
import { areaWalk, groupsOf, keysOf, mergeRuns, runsOf } from '../../../common/metric/curve.ts';
import { covarianceOfAreas, errorOfAreas, mergeCoMoments } from '../../../common/metric/delong.ts';
import type { meanMetric } from '../../../common/metric/mean.ts';
import { finishChange } from '../../../common/metric/measure.ts';
import {
  METRIC_NAMES,
  METRICS,
  type MetricName,
  metricTitle,
} from '../../../common/metric/metrics.ts';
import { mergeMoments } from '../../../common/metric/moments.ts';
import {
  isMetricOf,
  LABEL_KINDS,
  mainMetric,
  metricNames,
  OBJECTIVES,
  objectiveOfType,
  ownersOf,
} from '../../../common/objective/objectives.ts';
import { compareScores } from '../../support/measure.ts';

const floats = (...values: number[]): Float32Array => Float32Array.from(values);
const Z = 1.6448536269514722; // one-sided 95 %: 1.96 would be two-sided

test('a change of a mean is champion − challenger with bounds of one side, by hand', () => {
  const labels = floats(0, 0, 0, 0);
  const champion = floats(3, 1, 2, 2); // absolute errors
  const challenger = floats(1, 1, 1, 3);
  // differences 2 0 1 −1: mean 0.5, squares (1.5² + 0.5² + 0.5² + 1.5²) / 3 = 5/3
  const error = Math.sqrt(5 / 3 / 4);
  const found = compareScores({
    metric: 'mae',
    confidence: 0.95,
    seed: 1,
    width: 1,
    labels,
    champion,
    challenger,
  });
  expect(found).toEqual({
    rows: 4,
    champion: 2,
    challenger: 1.5,
    change: 0.5,
    low: expect.closeTo(0.5 - Z * error, 12),
    high: expect.closeTo(0.5 + Z * error, 12),
  });
  const turned = compareScores({
    metric: 'mae',
    confidence: 0.95,
    seed: 1,
    width: 1,
    labels,
    champion: challenger,
    challenger: champion,
  });
  expect(turned.change).toBe(-0.5);
  expect(turned.low).toBeCloseTo(-0.5 - Z * error, 12);
});

test('a change of an AUC is challenger − champion, its error that of the difference, by hand', () => {
  const labels = floats(1, 1, 0, 0);
  const champion = floats(0.4, 0.9, 0.5, 0.1); // 3 of 4 pairs
  const challenger = floats(0.8, 0.9, 0.5, 0.1); // 4 of 4
  // placements of positives: champion 0.5 1, challenger 1 1; of negatives: 0.5 1 and 1 1
  const of = {
    metric: 'auc',
    confidence: 0.9,
    seed: 1,
    width: 1,
    labels,
    champion,
    challenger,
  } as const;
  const error = Math.sqrt(0.125 / 2 + 0.125 / 2);
  const z = normalQuantile(0.9);
  expect(compareScores(of)).toEqual({
    rows: 4,
    champion: 0.75,
    challenger: 1,
    change: 0.25,
    low: expect.closeTo(0.25 - z * error, 12),
    high: expect.closeTo(0.25 + z * error, 12),
  });
});

test('errorOfAreas() takes the covariance off twice, and never a root of less than nothing', () => {
  const sum = (aa: number, bb: number, ab: number) => [3, 0, 0, aa, bb, ab, 3, 0, 0, 0, 0, 0];
  expect(covarianceOfAreas(sum(6, 12, 3))).toEqual([
    [1, 0.5],
    [0.5, 2],
  ]);
  expect(errorOfAreas(sum(6, 12, 3))).toBeCloseTo(Math.sqrt(1 + 2 - 2 * 0.5), 14);
  expect(errorOfAreas(sum(6, 6, 7))).toBe(0);
  const single = [1, 0, 0, 5, 5, 0, 2, 0, 0, 2, 2, 0]; // one positive tells nothing
  expect(covarianceOfAreas(single)[0]).toEqual([1, 0]);
});

test('more confidence asks for a wider margin', () => {
  const of = { metric: 'mae', rows: 9, champion: 2, challenger: 1, sum: [9, 1, 8] } as const;
  const [some, much] = [0.6, 0.99].map((confidence) => finishChange({ ...of, confidence }));
  expect(some!.low).toBeGreaterThan(much!.low);
  expect(some!.high).toBeLessThan(much!.high);
  expect(finishChange({ ...of, confidence: 0.5 })).toMatchObject({ change: 1, low: 1, high: 1 });
});

test.each([
  [{ champion: undefined, challenger: 1, rows: 9 }, true],
  [{ champion: 1, challenger: undefined, rows: 9 }, true],
  [{ champion: 1, challenger: 1, rows: 1 }, true],
  [{ champion: 1, challenger: 1, rows: 2 }, false],
])('finishChange() of %j refuses: %s', (of, refuses) => {
  const finish = () =>
    finishChange({ metric: 'mae', confidence: 0.95, sum: [of.rows, 0, 0], ...of });
  if (refuses) expect(finish).toThrow(`Cannot compare two versions by mae: ${of.rows} test rows`);
  else expect(finish()).toMatchObject({ change: 0, low: 0, high: 0 });
});

test('the error of a mean needs two rows, and divides by one less than there are', () => {
  const { change } = METRICS.mse as ReturnType<typeof meanMetric>;
  expect(change.error([0, 0, 0])).toBe(0);
  expect(change.error([1, 5, 3])).toBe(0);
  expect(change.error([2, 5, 8])).toBe(2);
});

test('mergeMoments() leaves an empty side out, and adds what lies between the means', () => {
  expect(mergeMoments([0, 0, 0], [2, 5, 8])).toEqual([2, 5, 8]);
  expect(mergeMoments([2, 5, 8], [0, 0, 0])).toEqual([2, 5, 8]);
  expect(mergeMoments([1, 0, 0], [3, 4, 2])).toEqual([4, 3, 14]); // 0 beside 3 5 4
});

test('mergeCoMoments() leaves an empty class out, and adds products with their sign', () => {
  const none = [0, 0, 0, 0, 0, 0];
  const some = [2, 1, 2, 3, 4, 5];
  expect(mergeCoMoments([...none, ...some], [...some, ...none])).toEqual([...some, ...some]);
  const merged = mergeCoMoments([1, 0, 0, 0, 0, 0, ...none], [1, 2, -4, 0, 0, 0, ...none]);
  expect(merged).toEqual([2, 1, -2, 2, 8, -4, ...none]);
});

test('areaWalk() counts ties as half, and needs both classes', () => {
  const area = (...runs: [number, number][]): number | undefined => {
    const walk = areaWalk();
    for (const [positives, negatives] of runs) walk.add(positives, negatives);
    return walk.value();
  };
  expect(area([0, 1], [1, 0])).toBe(1);
  expect(area([1, 0], [0, 1])).toBe(0);
  expect(area([1, 1])).toBe(0.5);
  expect(area([1, 3], [2, 1])).toBe((2 * (2 * 3 + 2 * 0.5) + 3) / (2 * 12));
  expect(area([2, 0])).toBeUndefined();
  expect(area([0, 2])).toBeUndefined();
  expect(area()).toBeUndefined();
  const many = 3e9; // 9e18 pairs: more than a double counts
  expect(area([0, many], [many, 0])).toBe(1);
});

test('keys sort as scores do, and both zeros are one', () => {
  const scores = [-3e38, -1, -1e-40, -0, 0, 1e-40, 0.5, 1, 3e38];
  const keys = [...keysOf(floats(...scores), { column: 0, width: 1 })];
  expect(keys.toSorted((a, b) => a - b)).toEqual(keys);
  expect(keys[3]).toBe(keys[4]);
  expect(new Set(keys).size).toBe(8);
  expect([...keysOf(floats(9, 1, 9, 2), { column: 1, width: 2 })]).toEqual([
    ...keysOf(floats(1, 2), { column: 0, width: 1 }),
  ]);
});

test('mergeRuns() adds up equal keys, also where a count outgrows its word', () => {
  const most = 2 ** 32 - 1;
  const merged = [
    ...mergeRuns([[Uint32Array.of(5, most, 1)], [Uint32Array.of(2, 1, 1, 5, 2, 3)], []]),
  ];
  expect([...groupsOf(merged)]).toEqual([
    { key: 2, positives: 1, negatives: 1 },
    { key: 5, positives: most + 2, negatives: 4 },
  ]);
  const runs = runsOf(Uint32Array.of(7, 3, 7), (row) => row === 2);
  expect([...runs]).toEqual([3, 0, 1, 7, 1, 1]);
});

test.each<[MetricName, 'higher' | 'lower', string]>([
  ['auc', 'higher', 'AUC'],
  ['logLoss', 'lower', 'log loss'],
  ['brier', 'lower', 'Brier'],
  ['accuracy', 'higher', 'accuracy'],
  ['r2', 'higher', 'R²'],
  ['mse', 'lower', 'MSE'],
  ['mae', 'lower', 'MAE'],
])('%s is better when %s, and is called %s', (name, better, title) => {
  expect(METRICS[name].better).toBe(better);
  expect(metricTitle(name)).toBe(title);
  expect(METRIC_NAMES).toContain(name);
});

test('objectives say which metrics and labels are theirs', () => {
  expect(metricNames('binary')).toEqual(['auc', 'logLoss', 'brier', 'accuracy']);
  expect(metricNames('regression')).toEqual(['r2', 'mse', 'mae']);
  expect(isMetricOf('binary', 'mse')).toBe(false);
  expect(ownersOf('mse')).toBe('regression');
  expect(['BOOLEAN', 'DOUBLE', 'DECIMAL(9,2)', 'VARCHAR'].map(objectiveOfType)).toEqual([
    'binary',
    'regression',
    'regression',
    undefined,
  ]);
  expect(mainMetric({ logLoss: 1, auc: 1 })).toBe('auc');
  expect(mainMetric({ mae: 1, mse: 1 })).toBe('mse');
  expect(mainMetric({ else: 1 })).toBe('else');
  expect(mainMetric({})).toBe('');
  for (const label of LABEL_KINDS) {
    const { metrics, lossMetric, defaultGateMetric } = OBJECTIVES[label];
    expect(metrics).toEqual(expect.arrayContaining([lossMetric, defaultGateMetric]));
  }
});

test('labels that no model could learn are refused, and no others', () => {
  const { check } = OBJECTIVES.binary.label;
  expect(() => check({ rows: 3, labelSum: 0 })).toThrow(
    'the label is false in all 3 training rows',
  );
  expect(() => check({ rows: 3, labelSum: 3 })).toThrow('the label is true in all 3 training rows');
  check({ rows: 3, labelSum: 1 });
  const { scaleOf } = OBJECTIVES.regression.label;
  expect(scaleOf([4, 2], 9)).toEqual({ mean: 4, std: 2 });
  expect(() => scaleOf([4, 0], 9)).toThrow('the label is 4 in all 9 training rows');
  for (const numbers of [
    [1, 2 ** -19],
    [1, 1e20],
    [1e39, 1e38],
    [0, 1e-46],
  ]) {
    expect(() => scaleOf(numbers, 9), `${numbers}`).toThrow('expected a deviation of at least');
  }
  expect(scaleOf([-1, 2 ** -18], 9)).toEqual({ mean: -1, std: 2 ** -18 });
  expect(() => scaleOf([-1, 2 ** -19], 9)).toThrow();
});
