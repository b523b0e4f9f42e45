// Fits the features: cut-offs first, then statistics level by level, then the check that nothing is missing.
// In: parts, the feature set. Out: ranges of the split, fitted values, rows by split and lane bucket.
// Why levels: the mean of what was imputed needs the median first; each level is one cheap scan of the parts.
// Flow: job → snapshot → plan → prepare → [fit] → train → evaluate → prove → publish → gate → predictions
import { GristmillError } from '../../common/errors.ts';
import type { LabelScale, Objective } from '../../common/objective/objective.ts';
import { type LabelKind, OBJECTIVES } from '../../common/objective/objectives.ts';
import type { FitResult, SplitCounts, Statistic } from '../../common/stage/fit.ts';
import type { FittedValue, LoadSql, SplitRange, SplitRanges } from '../../common/stage/terms.ts';
import type { Split } from '../../common/wire/job/training.ts';
import type { Plan } from '../../common/wire/plan.ts';
import { found } from '../../common/wire/view.ts';
import {
  describeFitted,
  levelCount,
  levelStatistics,
  missingStatistics,
} from '../compile/levels.ts';
import { loadSql } from '../compile/sql.ts';
import type { FeatureSet } from '../compile/tree.ts';
import { hashRanges, needsQuantiles, timeRanges } from '../plan/split.ts';
import type { TrainingContext } from './context.ts';
import { mergeTree } from './fan-in.ts';
import type { PreparedRows } from './prepare.ts';
import { StageRun } from './run.ts';

export type FittedValues = Readonly<Record<string, FittedValue>>;

export type Fitted = {
  readonly ranges: SplitRanges;
  readonly values: FittedValues;
  readonly counts: SplitCounts;
  readonly load: LoadSql;
  /** Mean label of the training rows: what the baseline always says. */
  readonly baseline: readonly number[];
  /** Where labels are standardized: what the model is trained to predict is (label − mean) / std. */
  readonly labelScale: LabelScale | null;
};

type Given = {
  readonly plan: Plan;
  readonly prepared: PreparedRows;
  readonly features: FeatureSet;
  readonly label: { readonly kind: LabelKind };
};

export async function fitFeatures(
  job: TrainingContext,
  { plan, prepared, features, label }: Given,
): Promise<Fitted> {
  const stage = new StageRun(job, 'fit');
  const objective = OBJECTIVES[label.kind];
  const { split } = job.spec.training;
  const fitLevel = (level: Level): Promise<FitResult> =>
    fitParts(stage, { numerics: plan.numerics.fit, prepared, ...level });

  const ranges = await cutOffs(split, prepared, fitLevel);
  const counted = await fitLevel({
    statistics: objective.label.statistics,
    where: ranges.train,
    count: ranges,
  });
  const counts = counted.counts!;
  await checkCounts(job, { counts, ranges });
  const rows = total(counts.train);
  objective.label.check({ rows, labelSum: counts.labelSum.train });
  const labelScale = objective.label.scaleOf(labelNumbers(objective, counted), rows);
  let values: FittedValues = {};
  for (let level = 0; level < levelCount(features); level++) {
    const statistics = levelStatistics(features, level, values);
    values = {
      ...values,
      ...(await fitLevel({ statistics, where: ranges.train, count: null })).fitted,
    };
  }
  const statistics = missingStatistics(features, values);
  const { missing } = await fitLevel({ statistics, where: ranges.train, count: null });
  checkMissing(missing, rows);
  await stage.finish();
  await job.record(found('fit', { features: describeFitted(features, values) }));
  const baseline = objective.baseline(counts.labelSum.train / rows);
  return { ranges, values, counts, load: loadSql(features, values), baseline, labelScale };
}

/** What the statistics of the label found, in their order. */
const labelNumbers = ({ label }: Objective, { fitted }: FitResult): readonly number[] =>
  label.statistics.flatMap(({ id }) => {
    const value = fitted[id];
    return value && 'numbers' in value ? value.numbers : [];
  });

/** One scan of the parts: what to measure, on which rows, and whether to count rows too. */
export type Level = {
  readonly statistics: readonly Statistic[];
  readonly where: SplitRange;
  readonly count: SplitRanges | null;
};

/** A task a part, then merges of LIMITS.fanIn in key order until one is left. */
export async function fitParts(
  stage: StageRun,
  of: Level & { readonly numerics: string; readonly prepared: Pick<PreparedRows, 'parts'> },
): Promise<FitResult> {
  const { numerics, prepared, statistics, where, count } = of;
  const inputs = prepared.parts.map(({ part }) => ({ kind: 'part', part }) as const);
  const program = { formatVersion: 1, kind: 'fit', where, statistics, count } as const;
  const refs = await stage.refs({ program, inputs, numerics });
  const merge = { formatVersion: 1, kind: 'fitMerge', statistics, count: count !== null } as const;
  const { result } = await mergeTree<FitResult>(stage, refs, {
    numerics,
    program: (final) => ({ ...merge, final }),
  });
  return result;
}

/** Where the split cuts; fractions of time cost one scan for their quantiles. */
export async function cutOffs(
  split: Split,
  prepared: Pick<PreparedRows, 'splitMax'>,
  fitLevel: (level: Level) => Promise<FitResult>,
): Promise<SplitRanges> {
  if (split.by === 'hash') return hashRanges(split);
  if (!needsQuantiles(split)) return timeRanges(split, prepared.splitMax!, () => Number.NaN);
  const statistics = sharesOf(split).map(
    (p): Statistic => ({ id: `split ${p}`, kind: 'quantile', p, sql: '__split' }),
  );
  const { fitted } = await fitLevel({
    statistics,
    where: { after: null, upTo: null },
    count: null,
  });
  return timeRanges(split, prepared.splitMax!, (p) =>
    Math.floor((fitted[`split ${p}`] as { numbers: readonly number[] }).numbers[0]!),
  );
}

/** The quantiles that timeRanges will ask for: found by letting it ask. */
function sharesOf(split: Parameters<typeof timeRanges>[0]): number[] {
  const asked = new Set<number>();
  timeRanges(split, 0, (p) => {
    asked.add(p);
    return 0;
  });
  return [...asked];
}

async function checkCounts(
  job: TrainingContext,
  { counts, ranges }: { counts: SplitCounts; ranges: SplitRanges },
): Promise<void> {
  const rows = {
    train: total(counts.train),
    validation: total(counts.validation),
    test: total(counts.test),
  };
  await job.record(
    found('fit', { split: { ...rows, edges: describeEdges(ranges, job.spec.training.split.by) } }),
  );
  for (const [name, n] of Object.entries(rows)) {
    if (n > 0) continue;
    throw new GristmillError(
      'SPLIT_EMPTY',
      `Cannot train: the split leaves 0 rows for ${name} (train ${rows.train}, validation ${rows.validation}, test ${rows.test}; ${edgesInWords(ranges, job.spec.training.split.by)}), expected at least 1 in each`,
    );
  }
}

function describeEdges(
  ranges: SplitRanges,
  by: 'time' | 'hash',
): Record<string, number | string | null> {
  const show = (edge: number | null): number | string | null =>
    by === 'time' && edge !== null ? isoOf(edge) : edge;
  return Object.fromEntries(
    (['train', 'validation', 'test'] as const).flatMap((name) => [
      [`${name}After`, show(ranges[name].after)],
      [`${name}UpTo`, show(ranges[name].upTo)],
    ]),
  );
}

function edgesInWords({ train, validation, test }: SplitRanges, by: 'time' | 'hash'): string {
  if (by === 'hash') return 'by a hash of the columns named';
  const iso = (edge: number | null): string => (edge === null ? 'any' : isoOf(edge));
  return [
    `train up to ${iso(train.upTo)}`,
    `validation after ${iso(validation.after)} up to ${iso(validation.upTo)}`,
    `test after ${iso(test.after)} up to the newest row, ${iso(test.upTo)}`,
  ].join(', ');
}

const isoOf = (us: number): string => {
  const date = new Date(us / 1000);
  return Number.isNaN(date.getTime()) ? `${us} µs` : date.toISOString();
};

function checkMissing(missing: Readonly<Record<string, number>>, rows: number): void {
  const worst = Object.entries(missing).filter(([, n]) => n > 0);
  if (worst.length === 0) return;
  const words = worst
    .map(([feature, n]) => `${feature} in ${n} of ${rows} training rows`)
    .join(', ');
  throw new GristmillError(
    'FEATURE_MISSING',
    `Cannot train: features are still missing: ${words}, expected 0; wrap them in impute(…, 'median') or coalesce(…, 0)`,
  );
}

const total = (counts: readonly number[]): number => counts.reduce((sum, n) => sum + n, 0);
