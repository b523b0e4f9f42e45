// What a model is trained for: everything that depends on the kind of its label, in one shape.
// In: a label's type. Out: how wide a prediction is, its loss and prediction in the graph, how it is measured and told.
// Why one shape: a new objective is one file beside this and one line in objectives.ts; the compiler asks for each part.
//
//   score (n rows; [n] where the width is 1, else [n, width]) ─ prediction ─ model.onnx, score files, answers
//                                                             └ loss against label [n] ─ gradients
import type { Scored } from '../metric/metric.ts';
import type { MetricName } from '../metric/metrics.ts';
import type { GraphBuilder } from '../onnx/build.ts';
import type { Statistic } from '../stage/fit.ts';

/** Mean and deviation of the training labels. */
export type LabelScale = { readonly mean: number; readonly std: number };
export const UNSCALED: LabelScale = { mean: 0, std: 1 };

export type Objective = {
  /** Numbers of one prediction. */
  readonly width: number;
  readonly label: LabelHandling;
  readonly graph: {
    /** Appends what makes a prediction of a score; its name is `prediction`. */
    readonly prediction: (b: GraphBuilder, score: string, scale: LabelScale) => string;
    /** Appends the loss of each row [n]. */
    readonly losses: (
      b: GraphBuilder,
      of: { readonly score: string; readonly label: string; readonly scale: LabelScale },
    ) => string;
  };
  /** From the loss that the optimizer sees to the one that users see, which is in the unit of `lossMetric`. */
  readonly lossUnit: (scale: LabelScale) => number;
  /** What a version is measured by, in the order of reports. */
  readonly metrics: readonly MetricName[];
  /** What training minimizes, under its name as a metric: what the loss on validation rows is called. */
  readonly lossMetric: MetricName;
  /** By which a gate compares, where nobody has set one; also what tells two models apart. */
  readonly defaultGateMetric: MetricName;
  readonly validation: Validation;
  /** What a model says that knows only the mean of the training labels. */
  readonly baseline: (meanLabel: number) => readonly number[];
  readonly words: ObjectiveWords;
};

/** How labels come in and what must be true of them. */
export type LabelHandling = {
  /** Whether a label of this type of DuckDB asks for this objective. */
  readonly accepts: (type: string) => boolean;
  /** What to call the two classes of rows that are counted apart: [label 0, label 1]; null where labels are numbers. */
  readonly classes: readonly [string, string] | null;
  /** Which statistics of the training labels the graph needs. */
  readonly statistics: readonly Statistic[];
  /** LABEL_CONSTANT where no model could learn these labels. */
  readonly check: (training: { readonly rows: number; readonly labelSum: number }) => void;
  /** From the numbers of `statistics`; null where labels are learned as they are. */
  readonly scaleOf: (numbers: readonly number[], rows: number) => LabelScale | null;
};

/** Figures after each epoch, from partials of one length that are added up along the lane tree. */
export type Validation = {
  /** [0] is the sum of losses, [1] the rows; what follows is the objective's own. */
  readonly length: number;
  /** Adds to all but [1]. */
  readonly add: (partial: Float64Array, rows: Scored) => void;
  /** How well rows are ordered: a metric, and its figure from the sum; null where the objective has none. */
  readonly rank: {
    readonly metric: MetricName;
    readonly figure: (sum: Float64Array) => number | null;
  } | null;
};

/** What a sample of rows tells of a label. */
export type LabelFigures = {
  readonly mean: number | null;
  readonly std: number | null;
  readonly min: number | null;
  readonly max: number | null;
};
/** How a person reads numbers. */
export type Show = {
  readonly figure: (value: number) => string;
  readonly share: (value: number) => string;
};

export type ObjectiveWords = {
  /** The type of a label and what it leads to. */
  readonly label: string;
  /** One prediction. */
  readonly prediction: string;
  readonly describe: (label: LabelFigures, show: Show) => string;
  /** The one value that all labels have, or null. */
  readonly constant: (label: LabelFigures, show: Show) => string | null;
  /** The share of the rarer class, and what to look at where it is small; null where there are no classes. */
  readonly rarer: ((label: LabelFigures) => { share: number; hint: string }) | null;
  /** Whether few values far out decide the error. */
  readonly hasTail: (label: LabelFigures) => boolean;
};
