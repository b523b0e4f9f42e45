// Words that several stages share: columns, ranges of the split, how model inputs come out of a part, a model's signature.
// In: nothing. Out: types. Why apart: what one stage says alone stands with that stage.
import type { LabelKind } from '../objective/objectives.ts';

/** How a raw column is handled everywhere: float64, UTF-8 text, or int64 microseconds UTC. */
export type ColumnType = 'number' | 'string' | 'time';
export type RawColumn = { readonly name: string; readonly type: ColumnType };

/** A column of a dataset as programs read it, with the DuckDB type that holds its values in every object. */
export type SourceColumn = {
  readonly name: string;
  readonly type: string;
  /** In no file: text in the names of folders, or nothing at all, which is NULL. */
  readonly from?: 'folder' | 'nothing';
};

/** Which rows: a range of `__split`, lower edge exclusive, upper inclusive; null is open. */
export type SplitRange = { readonly after: number | null; readonly upTo: number | null };
export type SplitRanges = {
  readonly train: SplitRange;
  readonly validation: SplitRange;
  readonly test: SplitRange;
};

/** A fitted value of a statistic, in the form the compiler puts into SQL and ONNX. */
export type FittedValue =
  | { readonly numbers: readonly number[] }
  | { readonly strings: readonly string[] };

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

/** What a model file takes and gives. Also the model's metadata, so that it can be served alone. */
export type Signature = {
  /** One graph input a raw column, shape [n]: double, string or int64 (µs). */
  readonly inputs: readonly RawColumn[];
  readonly label: LabelKind;
  /** Features in the order of the graph outputs `codes` int64 [n,C] and `numbers` float [n,D]. */
  readonly codes: readonly string[];
  readonly numbers: readonly string[];
};

/** By name: those of the objective that are defined on these rows. */
export type Metrics = Readonly<Record<string, number>>;
