// What travels to workers: SQL text, ONNX bytes and object keys, compiled by the coordinator.
// In: a spec and what earlier stages found. Out: one JSON object at stages/<digest>.json per stage of a job.
// Why content-addressed: two jobs that compile to one program share every result.
import type { Digest } from '../ids.ts';
import type { LabelKind } from '../objective/objectives.ts';
import type { ColumnKind } from './survey.ts';
import type { BlobRef, PartRef } from './task.ts';

/** How a raw column is handled everywhere: float64, UTF-8 text, or int64 microseconds UTC. */
export type ColumnType = 'number' | 'string' | 'time';
export type RawColumn = { readonly name: string; readonly type: ColumnType };

export type Program =
  | PrepareProgram
  | FitProgram
  | FitMergeProgram
  | TrainProgram
  | AssembleProgram
  | ScoreProgram
  | MetricsProgram
  | MetricsMergeProgram
  | CurveProgram
  | CurveMergeProgram
  | CompareProgram
  | CompareMergeProgram
  | ProveProgram
  | SurveyProgram;

/**
 * One pass over a shard. The relation is `input`: every column of the file under its own name.
 * The part holds `columns` (numbers DOUBLE, text VARCHAR, times TIMESTAMP), `__label` DOUBLE,
 * `__split` BIGINT (µs for time, basis points 0…9,999 for hash), `__row` BIGINT; in order of (bucket, row).
 */
export type PrepareProgram = {
  readonly formatVersion: 1;
  readonly kind: 'prepare';
  /** Raw columns kept, by name; `sql` casts from the file's type. */
  readonly columns: readonly (RawColumn & { readonly sql: string })[];
  /** All columns of the file that any expression reads: what is fetched. */
  readonly reads: readonly string[];
  /** In order; a row counts for the first rule that is not true for it. */
  readonly rules: readonly { readonly name: string; readonly sql: string }[];
  readonly label: { readonly sql: string; readonly kind: LabelKind } | null;
  readonly split: { readonly sql: string; readonly by: 'time' | 'hash' } | null;
  /** Byte address of rows for buckets: see rowBucketSql. */
  readonly buckets: number;
};

export type PrepareResult = {
  readonly rowsIn: number;
  readonly rowsOut: number;
  /** Rows dropped, by rule, in rule order. rowsIn = rowsOut + Σ dropped. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly part: PartRef | null; // null where no row is left
  readonly splitMin: number | null;
  readonly splitMax: number | null;
  /** Rows by label class for binary labels: [false, true]. */
  readonly labels: readonly [number, number] | null;
};

/** Which rows: a range of `__split`, lower edge exclusive, upper inclusive; null is open. */
export type SplitRange = { readonly after: number | null; readonly upTo: number | null };
export type SplitRanges = {
  readonly train: SplitRange;
  readonly validation: SplitRange;
  readonly test: SplitRange;
};

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

/** A fitted value of a statistic, in the form the compiler puts into SQL and ONNX. */
export type FittedValue =
  | { readonly numbers: readonly number[] }
  | { readonly strings: readonly string[] };
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

/** How model inputs come out of a part: SQL with every fitted value in it. */
export type LoadSql = {
  /** One INTEGER expression per category feature, in model order. */
  readonly codes: readonly {
    readonly feature: string;
    readonly sql: string;
    readonly size: number;
  }[];
  /** One FLOAT expression per numeric feature, in model order. */
  readonly numbers: readonly { readonly feature: string; readonly sql: string }[];
};

/** A trainable tensor. Tables are matrices whose rows a category picks: their optimizer is lazy per row. */
export type ParameterSpec = {
  readonly name: string;
  readonly shape: readonly number[];
  readonly table: boolean;
  readonly init: { readonly kind: 'zero' } | { readonly kind: 'uniform'; readonly bound: number };
};

export type OptimizerSpec =
  | { readonly kind: 'adam'; readonly learningRate: number }
  | { readonly kind: 'sgd'; readonly learningRate: number; readonly momentum: number };

/** What every training has: rows, dealt to lanes. */
export type TrainCommon = {
  readonly formatVersion: 1;
  readonly kind: 'train';
  readonly parts: readonly PartRef[]; // in key order
  readonly split: SplitRanges;
  readonly load: LoadSql;
  readonly label: LabelKind;
  readonly lanes: number;
  /** Training rows of each lane. */
  readonly laneRows: readonly number[];
  readonly seed: number;
};

/** Gradients in steps, and an optimizer. */
export type GradientsPart = {
  /** Left out: there was no other when the first programs were written, and their digests stay. */
  readonly algorithm?: 'gradients';
  readonly batchRows: number;
  readonly epochs: number;
  /** Steps in an epoch: of the longest lane. */
  readonly steps: number;
  readonly optimizer: OptimizerSpec;
  readonly parameters: readonly ParameterSpec[];
  /**
   * base64 ONNX. Inputs: codes int64 [n,C] (absent if C = 0), numbers float [n,D] (absent if D = 0),
   * label float [n], weight float [n], and each parameter by name. Outputs: `loss` float [] = Σ weight·loss,
   * and `d_<parameter>` of each parameter = Σ weight·gradient. A regression's loss is on the standardized label.
   */
  readonly stepGraph: string;
  /** base64 ONNX. Inputs as above without label and weight; output `prediction` float [n]. */
  readonly forwardGraph: string;
};
export type GradientsProgram = TrainCommon & GradientsPart;

/** By `algorithm`: a union once there is a second. */
export type TrainProgram = GradientsProgram;

/** What a run found out on its way. */
export type TrainFigures = {
  readonly rounds: number;
  readonly rows: number;
  readonly epochs: readonly {
    /** As the step graph gives it; `validationLoss` is in squared units of the label. */
    readonly loss: number;
    readonly validationLoss: number | null;
    readonly validationAuc: number | null;
  }[];
};
export type TrainResult = TrainFigures & { readonly checkpoint: BlobRef };

/** Puts the trained parameters into the serving graph: raw columns in, predictions out. */
export type AssembleProgram = {
  readonly formatVersion: 1;
  readonly kind: 'assemble';
  /** base64 ONNX without parameter values: they are inputs that become initializers. */
  readonly servingGraph: string;
  readonly parameters: readonly ParameterSpec[];
  readonly optimizer: OptimizerSpec;
  readonly checkpoint: BlobRef;
  readonly signature: Signature;
};
export type AssembleResult = { readonly model: BlobRef };

/** What a model file takes and gives. Also the model's metadata, so that it can be served alone. */
export type Signature = {
  /** One graph input a raw column, shape [n]: double, string or int64 (µs). */
  readonly inputs: readonly RawColumn[];
  readonly label: LabelKind;
  /** Features in the order of the graph outputs `codes` int64 [n,C] and `numbers` float [n,D]. */
  readonly codes: readonly string[];
  readonly numbers: readonly string[];
};

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
/** By name: those of the objective that are defined on these rows. */
export type Metrics = Readonly<Record<string, number>>;
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

/** Source rows of one shard as raw JSON through the serving path against the batch result. */
export type ProveProgram = {
  readonly formatVersion: 1;
  readonly kind: 'prove';
  readonly model: BlobRef;
  readonly signature: Signature;
  readonly load: LoadSql;
  readonly where: SplitRange;
  /** How many rows of this shard to replay, chosen by seed. */
  readonly rows: number;
  readonly seed: number;
  readonly golden: number;
};
export type ProveResult = {
  readonly rows: number;
  readonly differences: readonly {
    readonly row: number;
    readonly feature: string;
    readonly batch: number;
    readonly serving: number;
  }[];
  readonly maxDifference: number;
  readonly golden: readonly {
    readonly row: Readonly<Record<string, unknown>>;
    readonly prediction: number;
  }[];
};

export type ProgramRef = { readonly digest: Digest };

/** A look at a shard: rows of it, evenly spaced, and figures of each column. No part is written. */
export type SurveyProgram = {
  readonly formatVersion: 1;
  readonly kind: 'survey';
  /** Every column of the file; `sql` casts to DOUBLE, VARCHAR or TIMESTAMP and gives NULL where one is missing. */
  readonly columns: readonly (
    | { readonly name: string; readonly kind: ColumnKind; readonly sql: string }
    | { readonly name: string; readonly kind: null }
  )[];
  readonly label: { readonly sql: string; readonly kind: LabelKind } | null;
  readonly rowsMax: number;
  readonly hashesMax: number;
  readonly topMax: number;
  readonly textMax: number;
};

export type SurveyResult = {
  readonly rows: number;
  /** In the order of the program. */
  readonly columns: readonly SurveyColumn[];
  readonly label: SurveyLabel | null;
  /** The first row of the sample, one from its middle and its last, with the columns that have a kind. */
  readonly sample: readonly Readonly<Record<string, SurveyValue>>[];
};
/** A number, a text, a time as ISO text, or a BOOLEAN; null is missing. */
export type SurveyValue = number | string | boolean | null;

export type SurveyColumn = {
  readonly missing: number;
  /** Different values, counted exactly. */
  readonly distinct: number;
  /** The lowest 40-bit hashes of the values, ascending: all of them, or hashesMax. */
  readonly hashes: readonly number[];
  readonly min: number | string | null;
  readonly max: number | string | null;
  /** Count, mean and sum of squared deviations: of numbers, and of the lengths of text. */
  readonly moments: Moments | null;
  /** Over rows that have both: the value, and the label as a number. */
  readonly pairs: Pairs | null;
  /** Of rows with a label: how many, and the share of the label's variance that goes with this column. */
  readonly explained: { readonly n: number; readonly share: number } | null;
  /** The most frequent values with their hashes; ties in order of the values. */
  readonly top: readonly { value: SurveyValue; count: number; hash: number }[];
};
export type SurveyLabel = {
  readonly missing: number;
  readonly min: number | null;
  readonly max: number | null;
  readonly moments: Moments | null;
};
type Moments = readonly [n: number, mean: number, squares: number];
/** Count, both means, and the sums of squared deviations and of their products. */
export type Pairs = {
  readonly n: number;
  readonly x: number;
  readonly y: number;
  readonly xx: number;
  readonly yy: number;
  readonly xy: number;
};
