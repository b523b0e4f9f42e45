// survey: what a dataset looks like, from a sample of its rows, before a job is written.
// In: a shard. Out: figures of each column, how a label behaves, three rows. It belongs to no job and finds nothing for one.
import type { LabelKind } from '../objective/objectives.ts';
import type { ColumnKind } from '../wire/survey.ts';
import { program, type StageRow } from './stage.ts';
import type { SourceColumn } from './terms.ts';

/** A look at a shard: rows of it, evenly spaced, and figures of each column. No part is written. */
export type SurveyProgram = {
  readonly formatVersion: 1;
  readonly kind: 'survey';
  /** Every column of the file; `sql` casts to DOUBLE, VARCHAR or TIMESTAMP and gives NULL where one is missing. */
  readonly columns: readonly (
    | { readonly name: string; readonly kind: ColumnKind; readonly sql: string }
    | { readonly name: string; readonly kind: null }
  )[];
  /** In the order of `columns`. Absent: they are taken as they lie in the file. */
  readonly source?: readonly SourceColumn[];
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

export const survey = {
  words: "a dataset's shape from a sample of its rows, before a job is written",
  unit: 'task',
  programs: { survey: program<SurveyProgram, SurveyResult>() },
  found: {},
} satisfies StageRow;
