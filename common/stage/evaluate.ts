// evaluate: scores and metrics of a version on rows it has not seen, and two versions compared on the same rows.
// In: model.onnx, parts; then score files in part order. Out: metrics beside a baseline's, by slice; a change with its bounds.
import Type from 'typebox';
import type { LabelKind } from '../objective/objectives.ts';
import type { BlobRef } from '../wire/task.ts';
import { Count, Figures, field, nullable, program, Slices, type StageRow } from './stage.ts';
import type { Metrics, Signature, SplitRange } from './terms.ts';

/** Scores rows of one part through a model file, padded to the scoring shape. */
export type ScoreProgram = {
  readonly formatVersion: 1;
  readonly kind: 'score';
  readonly model: BlobRef;
  readonly signature: Signature;
  readonly where: SplitRange;
  readonly slices: readonly string[];
};
/** `scores` holds, in row order: k float32 scores, float32 label, then an int32 code for each of `slices`. */
export type ScoreResult = {
  readonly rows: number;
  readonly scores: BlobRef | null;
  readonly slices: readonly string[];
  /** By slice: what each code stands for, where the values are few. */
  readonly sliceValues: Readonly<Record<string, readonly string[]>>;
  /** By slice: the values of many, a page a line of JSON. Later pages' codes follow, and a value may come again. */
  readonly sliceFiles?: Readonly<Record<string, SliceFile>>;
};

export type SliceFile = { readonly blob: BlobRef; readonly pageBytes: readonly number[] };

/** Over the score files of some parts; `final` where these are all. */
export type MetricsProgram = {
  readonly formatVersion: 1;
  readonly kind: 'metrics';
  readonly label: LabelKind;
  readonly slices: readonly string[];
  /** What a model says that knows only the training labels' mean: one prediction. */
  readonly baseline: readonly number[];
  readonly final: boolean;
};
export type MetricsMergeProgram = {
  readonly formatVersion: 1;
  readonly kind: 'metricsMerge';
  readonly label: LabelKind;
  readonly slices: readonly string[];
  readonly final: boolean;
};
/** Sums and curves by group: see common/metric/groups. What `final` gives is MetricsResult. */
export type MetricsPartial = { readonly partial: BlobRef };
export type MetricsResult = {
  readonly rows: number;
  readonly metrics: Metrics;
  /** The same for a model that always says the training mean. */
  readonly baseline: Metrics;
  readonly slices: Readonly<
    Record<
      string,
      readonly { readonly value: string; readonly rows: number; readonly metrics: Metrics }[]
    >
  >;
};

type Comparing = {
  readonly formatVersion: 1;
  readonly label: LabelKind;
  readonly metric: string;
};
/** Scores of some parts of one version, in order, for a metric that is a curve. */
export type CurveProgram = Comparing & { readonly kind: 'curve' };
export type CurveMergeProgram = Comparing & { readonly kind: 'curveMerge' };
export type CurvePartial = { readonly curve: BlobRef };

/** Challenger against champion on the same rows: the champion's scores of some parts, then the challenger's. */
export type CompareProgram = Comparing & {
  readonly kind: 'compare';
  readonly confidence: number;
  readonly seed: number;
  /** Of all rows, where these are not all and the metric is a curve. */
  readonly curves: { readonly champion: BlobRef; readonly challenger: BlobRef } | null;
  readonly final: boolean;
};
export type CompareMergeProgram = Comparing & {
  readonly kind: 'compareMerge';
  readonly confidence: number;
  readonly final: boolean;
};
export type ComparePartial = {
  readonly rows: number;
  /** Partials of the metric itself; of a curve, which is of all rows, its figure. */
  readonly champion: readonly number[];
  readonly challenger: readonly number[];
  /** Of the error of the change. */
  readonly sum: readonly number[];
};
/** `change` is signed so that positive is better. */
export type CompareResult = {
  readonly rows: number;
  readonly champion: number;
  readonly challenger: number;
  readonly change: number;
  readonly low: number;
  readonly high: number;
};

export const evaluate = {
  words: 'scores and metrics of a version on held-out rows',
  unit: 'task',
  programs: {
    score: program<ScoreProgram, ScoreResult>({ blobsOf: ({ model }) => [model] }),
    metrics: program<MetricsProgram, MetricsPartial | MetricsResult>(),
    metricsMerge: program<MetricsMergeProgram, MetricsPartial | MetricsResult>(),
    curve: program<CurveProgram, CurvePartial>(),
    curveMerge: program<CurveMergeProgram, CurvePartial>(),
    compare: program<CompareProgram, unknown>({
      blobsOf: ({ curves }) => (curves ? [curves.champion, curves.challenger] : []),
    }),
    compareMerge: program<CompareMergeProgram, unknown>(),
  },
  found: {
    evaluation: field(
      nullable(
        Type.Object(
          { metrics: Figures, baseline: Figures, rows: Count, slices: Slices },
          { description: 'on test rows; baseline: a model that always says the training mean' },
        ),
      ),
      null,
    ),
  },
} satisfies StageRow;
