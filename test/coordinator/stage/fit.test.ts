// Fitting with a worker that answers from a table: which scans are made, in which order, what is recorded and refused.
import { expect, test } from 'vitest';
import { LIMITS } from '../../../common/limits.ts';
import type { FitResult, Statistic } from '../../../common/stage/fit.ts';
import type { FittedValue } from '../../../common/stage/terms.ts';
import type { Split } from '../../../common/wire/job/training.ts';
import type { FeatureSet, NumberNode } from '../../../coordinator/compile/tree.ts';
import { fitFeatures } from '../../../coordinator/stage/fit.ts';
import { type Answers, GIVEN, partOf, stageJob } from '../../support/stage-job.ts';

const imputed: NumberNode = {
  ...{ kind: 'fitted', name: 'impute', of: { kind: 'column', name: 'x' } },
  ...{ learns: { kind: 'quantile', p: 0.5 }, statistic: 'median of x' },
};
const standardized: NumberNode = {
  ...{ kind: 'fitted', name: 'standardize', of: imputed },
  ...{ learns: { kind: 'moments' }, statistic: 'moments of imputed x' },
};
/** The mean of what was imputed needs the median first: two levels. */
const features: FeatureSet = {
  columns: [],
  codes: [
    {
      ...{ feature: 's', sql: 'vocabulary(s, 2)' },
      node: {
        ...{ kind: 'fittedCode', name: 'vocabulary', of: { kind: 'text', name: 's' } },
        ...{ learns: { kind: 'frequent', limit: 2 }, statistic: 'frequent s' },
      },
    },
  ],
  numbers: [{ feature: 'x', sql: "standardize(impute(x, 'median'))", node: standardized }],
};
const VALUES: Readonly<Record<Exclude<Statistic['kind'], 'missing'>, FittedValue>> = {
  moments: { numbers: [10, 2] },
  quantile: { numbers: [7] },
  frequent: { strings: ['a', 'b'] },
};
const COUNTS: NonNullable<FitResult['counts']> = {
  ...{ train: [4, 2], validation: [1, 0], test: [0, 2] },
  labelSum: { train: 3, validation: 1, test: 1 },
};

type Found = { counts?: FitResult['counts']; missing?: number; quantile?: (p: number) => number };

/** Parts give partials that nobody reads; their merge finds every statistic asked. */
const answers = ({ counts = COUNTS, missing = 0, quantile = () => 7 }: Found = {}): Answers => ({
  fit: () => ({ partial: null }),
  fitMerge: ({ statistics, count }) => {
    const fitted = statistics.flatMap((statistic) => {
      if (statistic.kind === 'missing') return [];
      if (statistic.kind === 'quantile')
        return [[statistic.id, { numbers: [quantile(statistic.p)] }]];
      return [[statistic.id, VALUES[statistic.kind]]];
    });
    const absent = statistics.filter(({ kind }) => kind === 'missing');
    return {
      fitted: Object.fromEntries(fitted),
      missing: Object.fromEntries(absent.map(({ id }) => [id, missing])),
      counts: count ? counts : null,
    };
  },
});

const HASH: Split = { by: 'hash', columns: ['k'], validation: 0.1, test: 0.2 };
const DAY_US = 86_400e6;
const newest = Date.UTC(2030, 0, 31) * 1000;
const label = { kind: 'binary' } as const;
const given = { ...GIVEN, features, label };
const at = (splitMax: number) => ({ ...given, prepared: { ...given.prepared, splitMax } });

test('fitFeatures() counts first, then fits level by level, then looks for what is missing', async () => {
  await using w = await stageJob(answers(), { split: HASH });
  const fitted = await fitFeatures(w.job, given);
  expect(fitted.values).toEqual({
    ...{ 'median of x': VALUES.quantile, 'moments of imputed x': VALUES.moments },
    'frequent s': VALUES.frequent,
  });
  expect(fitted).toMatchObject({ counts: COUNTS, baseline: [0.5], labelScale: null });
  expect(fitted.load).toMatchObject({
    codes: [{ feature: 's', size: 4 }],
    numbers: [{ feature: 'x', sql: expect.stringContaining('7') }],
  });
  const scans = w
    .programsOf('fitMerge')
    .map(({ statistics, count }) => [statistics.map(({ id }) => id), count]);
  expect(scans).toEqual([
    [[], true],
    [['frequent s', 'median of x'], false],
    [['moments of imputed x'], false],
    [['x'], false],
  ]);
  expect(w.programsOf('fit')).toHaveLength(4 * GIVEN.prepared.parts.length);
  const { ranges } = fitted;
  for (const { where } of w.programsOf('fit')) expect(where).toEqual(ranges.train);
  const counting = w.programsOf('fit').flatMap(({ count }) => (count ? [count] : []));
  expect(counting).toEqual(GIVEN.prepared.parts.map(() => ranges));
});

test('fitFeatures() records the split before it fits, and each feature with what was fitted after', async () => {
  await using w = await stageJob(answers(), { split: HASH });
  await fitFeatures(w.job, given);
  expect(w.facts).toMatchObject([
    {
      ...{ kind: 'found', stage: 'fit' },
      value: {
        split: {
          ...{ train: 6, validation: 1, test: 2 },
          edges: {
            ...{ trainAfter: 2999, trainUpTo: null, validationAfter: 1999, validationUpTo: 2999 },
            ...{ testAfter: null, testUpTo: 1999 },
          },
        },
      },
    },
    { kind: 'stage', view: { stage: 'fit', tasks: { done: 20, total: 20, reused: 0 } } },
    {
      ...{ kind: 'found', stage: 'fit' },
      value: {
        features: [
          { name: 's', expression: 'vocabulary(s, 2)', fitted: '2 values, most frequent a b' },
          {
            ...{ name: 'x', expression: "standardize(impute(x, 'median'))" },
            fitted: 'median 7, mean 10, std 2',
          },
        ],
      },
    },
  ]);
});

test('fitFeatures() run again computes nothing and fits the same', async () => {
  await using w = await stageJob(answers(), { split: HASH });
  const first = await fitFeatures(w.job, given);
  const { length } = w.ran;
  expect(await fitFeatures(w.job, given)).toEqual(first);
  expect(w.ran).toHaveLength(length);
  expect(w.facts[4]).toMatchObject({ view: { tasks: { done: 20, reused: 20 }, cpuSeconds: 0 } });
});

test('fitFeatures() merges more parts than one task reads in two levels, of which the last is final', async () => {
  const parts = Array.from({ length: LIMITS.fanIn + 1 }, (_, i) => partOf(`p${i}`, [0, 1]));
  await using w = await stageJob(answers(), { split: HASH });
  const none: FeatureSet = { columns: [], codes: [], numbers: [] };
  const prepared = { ...given.prepared, parts };
  await fitFeatures(w.job, { ...given, prepared, features: none });
  const counting = w.programsOf('fitMerge').filter(({ count }) => count);
  expect(counting.map(({ final }) => final)).toEqual([false, false, true]);
});

test('fitFeatures() cuts by time from the newest row, with a gap on both sides of validation, and asks for no quantile', async () => {
  const split = { by: 'time', column: 'd', validation: '10d', test: '10d', gap: '1d' };
  await using w = await stageJob(answers(), { split });
  const { ranges } = await fitFeatures(w.job, at(newest));
  expect(ranges).toEqual({
    train: { after: null, upTo: newest - 22 * DAY_US },
    validation: { after: newest - 21 * DAY_US, upTo: newest - 11 * DAY_US },
    test: { after: newest - 10 * DAY_US, upTo: newest },
  });
  expect(w.facts[0]).toMatchObject({
    value: {
      split: {
        edges: {
          ...{ trainAfter: null, trainUpTo: '2030-01-09T00:00:00.000Z' },
          ...{ validationAfter: '2030-01-10T00:00:00.000Z' },
          ...{ validationUpTo: '2030-01-20T00:00:00.000Z' },
          ...{ testAfter: '2030-01-21T00:00:00.000Z', testUpTo: '2030-01-31T00:00:00.000Z' },
        },
      },
    },
  });
  expect(w.programsOf('fitMerge')[0]!.count).toBe(true); // the first scan is that which counts
});

test('fitFeatures() asks for the quantiles of fractions in one scan of all rows, and cuts below them', async () => {
  const split = { by: 'time', column: 'd', validation: 0.25, test: 0.25 };
  await using w = await stageJob(answers({ quantile: (p) => p * 1000 + 0.9 }), { split });
  const { ranges } = await fitFeatures(w.job, at(1000));
  expect(w.programsOf('fitMerge')[0]!.statistics).toEqual([
    { id: 'split 0.75', kind: 'quantile', p: 0.75, sql: '__split' },
    { id: 'split 0.5', kind: 'quantile', p: 0.5, sql: '__split' },
  ]);
  expect(w.programsOf('fit')[0]).toMatchObject({ where: { after: null, upTo: null }, count: null });
  expect(ranges).toEqual({
    train: { after: null, upTo: 500 },
    validation: { after: 500, upTo: 750 },
    test: { after: 750, upTo: 1000 },
  });
});

test('fitFeatures() learns a number standardized by the training rows', async () => {
  await using w = await stageJob(answers(), { split: HASH });
  const fitted = await fitFeatures(w.job, { ...given, label: { kind: 'regression' } });
  expect(fitted).toMatchObject({ labelScale: { mean: 10, std: 2 }, baseline: [0.5] });
  const [counting] = w.programsOf('fitMerge');
  expect(counting!.statistics).toEqual([{ id: 'label', kind: 'moments', sql: '__label' }]);
});

test.each(['train', 'validation', 'test'] as const)(
  'fitFeatures() refuses a split that leaves no row for %s, after it has recorded the split',
  async (empty) => {
    const counts = { ...COUNTS, [empty]: [0, 0] };
    await using w = await stageJob(answers({ counts }), { split: HASH });
    await expect(fitFeatures(w.job, given)).rejects.toMatchObject({
      code: 'SPLIT_EMPTY',
      message: expect.stringMatching(
        new RegExp(`leaves 0 rows for ${empty} .*${empty} 0.*; by a hash of the columns named\\)`),
      ),
    });
    expect(w.facts).toMatchObject([{ kind: 'found', value: { split: { [empty]: 0 } } }]);
  },
);

test('fitFeatures() names the edges of a split by time that leaves no row, also those that are no date', async () => {
  const split = { by: 'time', column: 'd', validation: '10d', test: '10d' };
  const counts = { ...COUNTS, test: [0] };
  const messageAt = async (splitMax: number): Promise<unknown> => {
    await using w = await stageJob(answers({ counts }), { split });
    return await fitFeatures(w.job, at(splitMax)).catch(({ message }) => message);
  };
  expect(await messageAt(newest)).toBe(
    'Cannot train: the split leaves 0 rows for test (train 6, validation 1, test 0; train up to 2030-01-11T00:00:00.000Z, validation after 2030-01-11T00:00:00.000Z up to 2030-01-21T00:00:00.000Z, test after 2030-01-21T00:00:00.000Z up to the newest row, 2030-01-31T00:00:00.000Z), expected at least 1 in each',
  );
  expect(await messageAt(9e18)).toContain('up to the newest row, 9000000000000000000 µs');
});

test.each([
  [0, 'false'],
  [6, 'true'],
])('fitFeatures() refuses labels of one class: %i of 6', async (train, word) => {
  const counts = { ...COUNTS, labelSum: { ...COUNTS.labelSum, train } };
  await using w = await stageJob(answers({ counts }), { split: HASH });
  await expect(fitFeatures(w.job, given)).rejects.toMatchObject({
    code: 'LABEL_CONSTANT',
    message: `Cannot train: the label is ${word} in all 6 training rows, expected both classes`,
  });
  expect(w.programsOf('fitMerge')).toHaveLength(1); // nothing is fitted for it
});

test('fitFeatures() refuses features that have no value in some training rows, and records none', async () => {
  await using w = await stageJob(answers({ missing: 2 }), { split: HASH });
  await expect(fitFeatures(w.job, given)).rejects.toMatchObject({
    code: 'FEATURE_MISSING',
    message: expect.stringContaining('x in 2 of 6 training rows, expected 0'),
  });
  expect(w.facts).toHaveLength(1);
});
