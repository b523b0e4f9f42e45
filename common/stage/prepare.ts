// prepare: one pass over the lake chooses rows and keeps the raw columns.
// In: a shard. Out: a part, and every row accounted for.
import Type from 'typebox';
import type { LabelKind } from '../objective/objectives.ts';
import type { PartRef } from '../wire/task.ts';
import { Count, Counts, field, nullable, program, type StageRow } from './stage.ts';
import type { RawColumn, SourceColumn } from './terms.ts';

/**
 * One pass over a shard. The relation is `input`: the columns of `source`, of one type in every object, NaN as NULL.
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
  /** What the expressions see. Absent: the columns of `reads` as they lie in the file. */
  readonly source?: readonly SourceColumn[];
  /** In order; a row counts for the first rule that is not true for it. */
  readonly rules: readonly { readonly name: string; readonly sql: string }[];
  readonly label: { readonly sql: string; readonly kind: LabelKind } | null;
  readonly split: { readonly sql: string; readonly by: 'time' | 'hash' } | null;
  /** Byte address of rows for buckets: see rowBucketSql. */
  readonly buckets: number;
  /** Row groups that a part is cut into; absent: as many as 32,768 rows each make, and nothing is told of them. */
  readonly groups?: number;
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

export const prepare = {
  words: 'one pass over the lake: choose rows, keep the raw columns',
  unit: 'task',
  programs: { prepare: program<PrepareProgram, PrepareResult>() },
  found: {
    rows: field(
      nullable(
        Type.Object(
          { rowsIn: Count, rowsOut: Count, dropped: Counts },
          { description: 'rowsIn = rowsOut + what each rule dropped' },
        ),
      ),
      null,
    ),
  },
} satisfies StageRow;
