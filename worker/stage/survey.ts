// Looks at one shard: what its columns hold, in rows of it that lie evenly apart.
// In: a sparse local copy of one object, its row range, a cast for each column. Out: figures by column, three rows.
// Why a sample by row number: the same rows whoever looks and however often, so asking twice is free.
import { join } from 'node:path';
import { type Duck, openDuck } from '../../common/engine/duckdb.ts';
import { GristmillError } from '../../common/errors.ts';
import { quoteName } from '../../common/sql.ts';
import type {
  SurveyColumn,
  SurveyLabel,
  SurveyProgram,
  SurveyResult,
} from '../../common/stage/survey.ts';
import type { Runner } from './runner.ts';
import { type Piece, pieceOf, placesOf, rowsSql, sourceOf, sourceSql } from './source.ts';
import { describeColumns, readNumbers, type Sampled, showRows } from './survey-columns.ts';
import { foldMoments, foldRange } from './survey-figures.ts';

/** Columns in memory at once: DuckDB's tables of a thousand need 550 MB at 20,000 rows, and are not spilled. */
const COLUMNS_AT_ONCE = 64;

export const runSurvey: Runner<SurveyProgram> = async (prepared) => {
  const { program } = prepared;
  const piece = pieceOf(prepared);
  const { shard, path } = piece;
  await using duck = await openDuck({
    memoryBytes: prepared.memoryBytes,
    tempDir: join(prepared.scratch, 'spill'),
    files: [path],
  });
  const source: Looked = { program, piece };
  const rows = Math.min(shard.rowEnd - shard.rowStart, program.rowsMax);
  const sampled: Sampled = { rows, labels: await readLabels(duck, source, rows) };
  const columns: SurveyColumn[] = [];
  let sample: SurveyResult['sample'] = [];
  for (let start = 0; start < program.columns.length; start += COLUMNS_AT_ONCE) {
    const some = program.columns.slice(start, start + COLUMNS_AT_ONCE);
    await sampleRows(duck, source, { columns: some, rows });
    columns.push(...(await describeColumns(duck, { ...program, columns: some }, sampled)));
    const cells = await showRows(duck, { ...program, columns: some }, rows);
    sample = cells.map((row, i) => ({ ...sample[i], ...row }));
  }
  const isEmpty = sample.every((row) => Object.keys(row).length === 0);
  const label = sampled.labels && describeLabel(sampled.labels);
  const result: SurveyResult = { rows, columns, label, sample: isEmpty ? [] : sample };
  return { result, blobs: [], rows };
};

type Looked = { readonly program: SurveyProgram; readonly piece: Piece };

/** Of n rows, row r is taken where (r · rowsMax) mod n < rowsMax: exactly rowsMax rows, evenly apart. */
function inputSql({ program, piece }: Looked): string {
  const { columns, rowsMax } = program;
  const { rowStart, rowEnd } = piece.shard;
  const count = rowEnd - rowStart;
  const isTaken = `((file_row_number - ${rowStart}) * ${rowsMax}) % ${count} < ${rowsMax}`;
  const where = `${rowsSql([piece])} ${count > rowsMax ? `AND ${isTaken}` : ''}`;
  const names = columns.map(({ name }) => name);
  return `(${sourceSql({ columns: sourceOf(program, names), pieces: [piece] }, where)}) AS input`;
}

async function readLabels(duck: Duck, source: Looked, rows: number): Promise<Float64Array | null> {
  const { label } = source.program;
  if (!label) return null;
  try {
    return (
      await readNumbers(duck, { expressions: [label.sql], from: inputSql(source), rows })
    )[0]!;
  } catch (error) {
    if (!(error instanceof GristmillError) || error.code !== 'SQL_RUNTIME')
      throw unsound(error, source.piece);
    const why = error.message.replace(/^Cannot run SQL: /, '');
    const message = `Cannot compute the label for ${placesOf([source.piece])}: ${why}`;
    throw new GristmillError(error.code, message, { cause: error });
  }
}

/** `sampled`: columns under their own names; of those without a kind only whether they are NULL. */
async function sampleRows(
  duck: Duck,
  source: Looked,
  { columns, rows }: { columns: SurveyProgram['columns']; rows: number },
): Promise<void> {
  const kept = columns.map(({ name, kind }) =>
    kind === null ? `${quoteName(name)} IS NULL AS ${quoteName(name)}` : quoteName(name),
  );
  const sql = `CREATE OR REPLACE TEMP TABLE sampled AS SELECT ${kept.join(', ')} FROM ${inputSql(source)}`;
  await duck.run(sql).catch((error: unknown) => {
    throw unsound(error, source.piece);
  });
  const [row] = await duck.rows('SELECT count(*) AS n FROM sampled');
  if (row!.n === rows) return;
  throw new GristmillError(
    'SHARD_UNREADABLE',
    `Cannot survey ${placesOf([source.piece])}: found ${row!.n} rows, expected ${rows}`,
  );
}

/** Names the object whose bytes are bad. */
function unsound(error: unknown, { shard: { key, rowStart, rowEnd } }: Piece): unknown {
  if (!(error instanceof GristmillError) || error.code !== 'SHARD_UNREADABLE') return error;
  const message = `Cannot read ${key} as Parquet: the pages of its rows ${rowStart} to ${rowEnd} are not sound`;
  return new GristmillError(error.code, message, { cause: error });
}

function describeLabel(labels: Float64Array): SurveyLabel {
  const { count, min, max } = foldRange(labels);
  return { missing: labels.length - count, min, max, moments: foldMoments(labels) };
}
