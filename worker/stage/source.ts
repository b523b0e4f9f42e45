// Rows of the lake as expressions see them: every column of the dataset, of the same type whichever object it lies in.
// In: the columns that are read, shards, their local copies. Out: SQL of a relation with `__row` and `__seed`.
// Why here and not in each expression: NaN, missing columns, other widths and folders are met once, before any author's SQL.
import { bucketSalt, bucketSeedSql } from '../../common/algorithm/bucket.ts';
import { GristmillError } from '../../common/errors.ts';
import { foldersOf } from '../../common/folders.ts';
import { quoteName, quoteText, raiseSql } from '../../common/sql.ts';
import type { SourceColumn } from '../../common/stage/terms.ts';
import { type Shard, shardsIn } from '../../common/wire/task.ts';
import type { Prepared } from './runner.ts';

/** A shard and its local copy. */
export type Piece = { readonly shard: Shard; readonly path: string };

/**
 * A SELECT. `__row` is the row's number in its object; in a pack, where these are whole, that plus the rows of the
 * objects before it. `__seed` is where the row's bucket begins. `where` is SQL over `file_row_number`.
 */
export function sourceSql(
  {
    columns,
    pieces,
  }: { readonly columns: readonly SourceColumn[]; readonly pieces: readonly Piece[] },
  where = rowsSql(pieces),
): string {
  return alikeOf(numberRows(pieces), columns)
    .map((alike) => selectSql(columns, alike, where))
    .join(' UNION ALL ');
}

/** The rows of a shard; objects of a pack are whole. */
export function rowsSql(pieces: readonly Pick<Piece, 'shard'>[]): string {
  const [first, ...more] = pieces;
  if (!first || more.length > 0) return 'true';
  const { rowStart, rowEnd } = first.shard;
  return `file_row_number >= ${rowStart} AND file_row_number < ${rowEnd}`;
}

/** `before`: rows of the objects that lie before it. */
type Numbered = Piece & { readonly before: number };

export function numberRows(pieces: readonly Piece[]): readonly Numbered[] {
  let before = 0;
  return pieces.map((piece) => {
    const numbered = { ...piece, before };
    before += piece.shard.rowEnd - piece.shard.rowStart;
    return numbered;
  });
}

/** Those whose columns are of the same types are read at once. */
function alikeOf(
  pieces: readonly Numbered[],
  columns: readonly SourceColumn[],
): readonly (readonly Numbered[])[] {
  const alike = new Map<string, Numbered[]>();
  for (const piece of pieces) {
    const key = columns.map(({ name }) => String(piece.shard.types?.[name])).join('\n');
    const others = alike.get(key);
    if (others) others.push(piece);
    else alike.set(key, [piece]);
  }
  return [...alike.values()];
}

function selectSql(
  columns: readonly SourceColumn[],
  pieces: readonly Numbered[],
  where: string,
): string {
  const { shard } = pieces[0]!;
  const folders = pieces.map((piece) => foldersOf(piece.shard.key));
  const salts = pieces.map((piece) => bucketSalt(piece.shard.key));
  const valueSql = (column: SourceColumn): string => {
    if (column.from === 'nothing') return `NULL::${column.type}`;
    if (column.from !== 'folder') return fileSql(column, shard);
    return byObject(folders.map((values) => folderSql(values.get(column.name))));
  };
  const seed = bucketSeedSql('file_row_number', {
    add: byObject(salts.map(({ add }) => `${add}`)),
    xor: byObject(salts.map(({ xor }) => `${xor}`)),
  });
  const before = byObject(pieces.map((piece) => `${piece.before}`));
  const values = [
    ...columns.map((column) => `${valueSql(column)} AS ${quoteName(column.name)}`),
    `${before === '0' ? '' : `${before} + `}file_row_number AS __row`,
    `${seed} AS __seed`,
  ];
  const paths = pieces.map(({ path }) => quoteText(path));
  const files = paths.length === 1 ? paths[0] : `[${paths.join(', ')}]`;
  return `SELECT ${values.join(', ')}
    FROM read_parquet(${files}, file_row_number = true, hive_partitioning = false)
    WHERE ${where}`;
}

/** What differs from object to object, by which of the files a row is in. */
function byObject(values: readonly string[]): string {
  if (values.every((value) => value === values[0])) return values[0]!;
  return `[${values.join(', ')}][file_index::BIGINT + 1]`;
}

const folderSql = (value: string | null | undefined): string =>
  value === null || value === undefined ? 'NULL::VARCHAR' : quoteText(value);

function fileSql({ name, type }: SourceColumn, { key, types }: Shard): string {
  const own = types?.[name];
  if (type === AS_IT_LIES && own !== undefined) throw otherwise(key, name, own);
  if (own === null) return `NULL::${type}`;
  const column = quoteName(name);
  return withoutNan(own === undefined ? column : widened(column, own, type), type);
}

const otherwise = (key: string, name: string, own: string | null): GristmillError =>
  new GristmillError(
    'SCHEMA_DRIFT',
    `Cannot read ${key}: column ${JSON.stringify(name)} is ${own ?? 'not in it'}, expected it as in other objects: the job was planned by a program that reads columns as they lie`,
  );

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

/** What a task reads of the lake. */
export function piecesOf(prepared: Prepared): readonly Piece[] {
  const { input, files } = prepared;
  const pieces = shardsIn(input).map((shard) => ({ shard, path: files[shard.key]! }));
  if (pieces.length > 0) return pieces;
  throw new GristmillError(
    'INTERNAL',
    `Cannot ${prepared.program.kind} ${input.kind}, expected shards`,
  );
}

/** Of a task that reads one shard. */
export function pieceOf(prepared: Prepared): Piece {
  const pieces = piecesOf(prepared);
  if (pieces.length === 1) return pieces[0]!;
  throw new GristmillError(
    'INTERNAL',
    `Cannot ${prepared.program.kind} ${pieces.length} shards, expected one`,
  );
}

/** Where rows lie, in words. */
export function placesOf(pieces: readonly Pick<Piece, 'shard'>[]): string {
  const { key, rowStart, rowEnd } = pieces[0]!.shard;
  const rest =
    pieces.length === 1
      ? ''
      : ` and of ${pieces.length - 1} more objects up to ${pieces.at(-1)!.shard.key}`;
  return `rows ${rowStart} to ${rowEnd} of ${key}${rest}`;
}
