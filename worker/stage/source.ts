// A shard's rows as expressions see them: every column of the dataset, of the same type whichever object it lies in.
// In: the columns that are read, a shard, its local copy. Out: SQL of a relation with `__row`, the row's number in the object.
// Why here and not in each expression: NaN, missing columns, other widths and folders are met once, before any author's SQL.
import { GristmillError } from '../../common/errors.ts';
import { foldersOf } from '../../common/folders.ts';
import { quoteName, quoteText, raiseSql } from '../../common/sql.ts';
import type { SourceColumn } from '../../common/stage/terms.ts';
import type { Shard } from '../../common/wire/task.ts';
import type { Prepared } from './runner.ts';

export type Source = {
  readonly columns: readonly SourceColumn[];
  readonly shard: Shard;
  readonly path: string;
};

/** A SELECT; `where` is SQL over `file_row_number`. */
export function sourceSql({ columns, shard, path }: Source, where = rowsSql(shard)): string {
  const folders = foldersOf(shard.key);
  const values = columns.map((column) => {
    const value = valueSql(column, shard, folders);
    return `${value} AS ${quoteName(column.name)}`;
  });
  return `SELECT ${[...values, 'file_row_number AS __row'].join(', ')}
    FROM read_parquet(${quoteText(path)}, file_row_number = true, hive_partitioning = false)
    WHERE ${where}`;
}

/** The rows of a shard. */
export const rowsSql = ({ rowStart, rowEnd }: Pick<Shard, 'rowStart' | 'rowEnd'>): string =>
  `file_row_number >= ${rowStart} AND file_row_number < ${rowEnd}`;

function valueSql(
  column: SourceColumn,
  shard: Shard,
  folders: ReadonlyMap<string, string | null>,
): string {
  if (column.from === 'nothing') return `NULL::${column.type}`;
  return column.from === 'folder' ? folderSql(folders.get(column.name)) : fileSql(column, shard);
}

const folderSql = (value: string | null | undefined): string =>
  value === null || value === undefined ? 'NULL::VARCHAR' : quoteText(value);

function fileSql({ name, type }: SourceColumn, { types }: Shard): string {
  const own = types?.[name];
  if (own === null) return `NULL::${type}`;
  const column = quoteName(name);
  return withoutNan(own === undefined ? column : widened(column, own, type), type);
}

/** What is not a number is missing; in comparisons of the engine it would be above all others. */
const withoutNan = (sql: string, type: string): string =>
  type === 'FLOAT' || type === 'DOUBLE' ? `nullif(${sql}, 'nan'::${type})` : sql;

/** No type of DuckDB's: nothing is cast. */
const AS_IT_LIES = '';

const EXACT_MAX = 2 ** 53;

function widened(column: string, own: string, type: string): string {
  if (own === 'BLOB' && type === 'VARCHAR') return `decode(${column})`;
  if (type === 'DOUBLE' && /^(?:U?BIGINT|HUGEINT)$/.test(own)) {
    const isExact = `${column} BETWEEN -${EXACT_MAX} AND ${EXACT_MAX}`;
    const told = `column ${column} is ${own} here and DOUBLE elsewhere, and holds a whole number beyond 2^53`;
    return `CASE WHEN ${isExact} OR ${column} IS NULL THEN ${column}::DOUBLE ELSE ${raiseSql(told)}::DOUBLE END`;
  }
  return `${column}::${type}`;
}

/** Of a program that says nothing of its source: the columns as they lie in the file, as older programs meant them. */
export const sourceOf = (
  program: { readonly source?: readonly SourceColumn[] },
  names: readonly string[],
): readonly SourceColumn[] => program.source ?? names.map((name) => ({ name, type: AS_IT_LIES }));

/** The shard of a task and its local copy. */
export function shardOf(prepared: Prepared): Pick<Source, 'shard' | 'path'> {
  const { input } = prepared;
  if (input.kind === 'shard') return { shard: input.shard, path: prepared.files[input.shard.key]! };
  throw new GristmillError(
    'INTERNAL',
    `Cannot ${prepared.program.kind} ${input.kind}, expected a shard`,
  );
}
