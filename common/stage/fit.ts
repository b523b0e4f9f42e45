// fit: where the split cuts, statistics of the training rows level by level, and their merge along a tree.
// In: parts; then partials in key order. Out: fitted values, rows by split and bucket.
import Type, { type Static } from 'typebox';
import { Count, type Frozen, field, nullable, program, type StageRow } from './stage.ts';
import type { FittedValue, SplitRange, SplitRanges } from './terms.ts';

/** Statistics over the training rows of one part. `sql` is over the columns of the part. */
export type Statistic =
  | { readonly id: string; readonly kind: 'moments'; readonly sql: string } // → [mean, std]
  | { readonly id: string; readonly kind: 'quantile'; readonly p: number; readonly sql: string } // → [value]
  | { readonly id: string; readonly kind: 'frequent'; readonly limit: number; readonly sql: string } // → strings
  /** How often each model input is still missing: any makes the fit fail. */
  | { readonly id: string; readonly kind: 'missing'; readonly sql: string };

export type FitProgram = {
  readonly formatVersion: 1;
  readonly kind: 'fit';
  readonly where: SplitRange;
  readonly statistics: readonly Statistic[];
  /** Level 0 also counts rows by split and bucket. */
  readonly count: SplitRanges | null;
};

export type FitMergeProgram = {
  readonly formatVersion: 1;
  readonly kind: 'fitMerge';
  readonly statistics: readonly Statistic[];
  readonly count: boolean;
  readonly final: boolean;
};

export type FitResult = {
  /** By statistic id. Present on the final merge. */
  readonly fitted: Readonly<Record<string, FittedValue>>;
  readonly missing: Readonly<Record<string, number>>;
  readonly counts: SplitCounts | null;
};

/** Rows by bucket (64 numbers each) and split; label sums for the baseline. */
export type SplitCounts = {
  readonly train: readonly number[];
  readonly validation: readonly number[];
  readonly test: readonly number[];
  readonly labelSum: { readonly train: number; readonly validation: number; readonly test: number };
};

/** In words: "standardize(log1p(impute(distance, 'median')))", "median 575, mean 6.3, std 0.7". */
const FittedFeatureSchema = Type.Object({
  name: Type.String(),
  expression: Type.String(),
  fitted: Type.String(),
});
export type FittedFeature = Frozen<Static<typeof FittedFeatureSchema>>;

export const fit = {
  words: 'statistics of the training rows, level by level',
  unit: 'task',
  programs: {
    fit: program<FitProgram, unknown>(),
    fitMerge: program<FitMergeProgram, FitResult>(),
  },
  found: {
    split: field(
      nullable(
        Type.Object({
          train: Count,
          validation: Count,
          test: Count,
          edges: Type.Record(
            Type.String(),
            Type.Union([Type.Number(), Type.String(), Type.Null()]),
          ),
        }),
      ),
      null,
    ),
    features: field(Type.Array(FittedFeatureSchema), []),
  },
} satisfies StageRow;
