// What a dataset looks like: asked for before a job is written.
// In: a shard of it. Out: figures per column, some rows, and how a label expression behaves on them.
// Why by a worker: whoever decides never reads a row; and rows of a sample are enough to choose features by.
import type { LabelKind } from '../objective/objectives.ts';

/** The kinds that features are made of; null: no feature can read such a column. */
export type ColumnKind = 'number' | 'text' | 'time' | 'boolean';

/** GET /v1/schema?uri=…&label=…: a dataset as its footers and a sample of its rows show it. */
export type DatasetView = {
  readonly uri: string;
  readonly objects: number;
  /** Objects whose footers were read. Fewer than `objects`: rows and rowGroups are estimated from these, by bytes. */
  readonly footers: number;
  readonly rowGroups: number;
  readonly rows: number;
  readonly bytes: number;
  /** Rows that the figures below were computed from. */
  readonly sampledRows: number;
  readonly columns: readonly ColumnView[];
  readonly label: LabelView | null;
  /** A few rows, as the gateway takes them: columns that have a kind; null also for integers beyond 2^53. */
  readonly sample: readonly Readonly<Record<string, unknown>>[];
};

export type ColumnView = {
  readonly name: string;
  /** As DuckDB says it: BIGINT, VARCHAR, TIMESTAMP, STRUCT(…). */
  readonly type: string;
  /** Its values are text in the names of folders. */
  readonly from?: 'folder';
  /** Why no expression can read it. */
  readonly unreadable?: string;
  readonly kind: ColumnKind | null;
  /** Of the sampled rows: how many are missing to a feature: NULL, NaN, infinite, a time outside years 1 to 9999. */
  readonly nulls: number;
  /**
   * Different values in the sample, missing ones left out. Exact where a shard has at most
   * LIMITS.surveyHashesMax of them, and where no value is in two shards (so an identifier has as many as
   * rows); between these estimated, to some per cent. 0 where kind is null.
   */
  readonly distinct: number;
  /** Numbers as they are (BOOLEAN: 0 and 1), times as ISO text, DATEs without a time; null for text and where every value is missing. */
  readonly min: number | string | null;
  readonly max: number | string | null;
  /** Of numbers and BOOLEANs; missing ones left out. `std` divides by the count. */
  readonly mean: number | null;
  readonly std: number | null;
  /** Mean characters of text. */
  readonly lengthMean: number | null;
  /** The most frequent values, at most ten, with their counts; text cut at 100 characters; ties by UTF-8 bytes. */
  readonly top: readonly { readonly value: unknown; readonly count: number }[];
  /** Pearson's correlation of numbers, BOOLEANs and times with the label, over rows that have both; null where it has none. */
  readonly labelCorrelation: number | null;
  /**
   * The share of the label's variance that goes with this column alone, 0 … 1, corrected for the number of groups: values
   * of text and booleans, 64 runs of the ordered values of numbers and times, missing apart. Null where rows are too few.
   */
  readonly labelExplained: number | null;
};

export type LabelView = {
  /** The expression as it was given. */
  readonly expression: string;
  readonly kind: LabelKind;
  /** Columns that the expression reads: none of them may be a feature. */
  readonly columns: readonly string[];
  /** Sampled rows without a label. */
  readonly missing: number;
  /** Binary: the share of positives. */
  readonly mean: number | null;
  readonly std: number | null;
  readonly min: number | null;
  readonly max: number | null;
};
