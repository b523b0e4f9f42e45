// Replays source rows of one shard, or of a pack, as raw JSON through the serving path and compares with the batch.
// In: the rows as they lie in the lake, the part made of it, model.onnx, the batch SQL of the features.
// Out: every difference by row and feature; golden rows. Why from the lake: the part is already our own work.
// Flow: job → snapshot → plan → prepare → fit → train → evaluate → [prove] → publish → gate → predictions
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ColumnData, type Duck, openDuck } from '../../common/engine/duckdb.ts';
import { openSession, type Session } from '../../common/engine/onnx.ts';
import { GristmillError } from '../../common/errors.ts';
import { OBJECTIVES } from '../../common/objective/objectives.ts';
import { type Predictions, predictBatch } from '../../common/predict/batch.ts';
import { listPredictions } from '../../common/predict/prediction.ts';
import { parseRows } from '../../common/predict/rows.ts';
import { columnsFromScan, rowToJson, scanColumns } from '../../common/predict/scan.ts';
import { Philox } from '../../common/random.ts';
import { quoteName, quoteText } from '../../common/sql.ts';
import type { ProveProgram, ProveResult } from '../../common/stage/prove.ts';
import type { RawColumn } from '../../common/stage/terms.ts';
import type { PartRef } from '../../common/wire/task.ts';
import { rangeSql } from './fit.ts';
import type { Prepared, Runner } from './runner.ts';
import { numberRows, type Piece, piecesOf, sourceOf, sourceSql } from './source.ts';

/** Differences that a result lists: one is enough to stop, a few tell the pattern. */
const DIFFERENCES_MAX = 20;
/** Codes are equal; floats within this times max(1, |batch|). */
const TOLERANCE = 1e-6;

type Difference = ProveResult['differences'][number];
/** Features and predictions of the chosen rows, in row order. */
type Side = {
  readonly codes: ArrayLike<number | bigint>;
  readonly numbers: ArrayLike<number>;
  /** As many a row as the objective's predictions are wide. */
  readonly predictions: Float32Array;
};

export const runProve: Runner<ProveProgram> = async (prepared) => {
  const { program } = prepared;
  const { part, pieces } = replayOf(prepared);
  await using session = await openSession(await readFile(prepared.files[program.model.key]!));
  await using duck = await openDuck({
    memoryBytes: prepared.memoryBytes,
    tempDir: join(prepared.scratch, 'spill'),
    files: [prepared.files[part.key]!, ...pieces.map(({ path }) => path)],
  });
  const rows = await chooseRows(duck, prepared.files[part.key]!, { program, pieces });
  if (rows.length === 0) {
    const none: ProveResult = { rows: 0, differences: [], maxDifference: 0, golden: [] };
    return { result: none, blobs: [], rows: 0 };
  }
  const batch = await batchSide(duck, session, prepared.files[part.key]!, { program, rows });
  const json = await sourceRows(duck, pieces, { program, rows });
  const serving = await servingSide(session, program, json);
  const { width } = OBJECTIVES[program.signature.label];
  const predictions = listPredictions(serving.predictions, width);
  const golden = json
    .slice(0, program.golden)
    .map((row, i) => ({ row, prediction: predictions[i]! }));
  const result: ProveResult = {
    rows: rows.length,
    ...compareSides(program, rows, { batch, serving, pieces }),
    golden,
  };
  return { result, blobs: [], rows: rows.length };
};

function replayOf(prepared: Prepared): { part: PartRef; pieces: readonly Piece[] } {
  const { input } = prepared;
  if (input.kind === 'replay' || input.kind === 'replayPack')
    return { part: input.part, pieces: piecesOf(prepared) };
  throw new GristmillError('INTERNAL', `Cannot prove ${input.kind}, expected a part and its rows`);
}

/** Row numbers as the part has them, ascending: a seeded choice among the part's rows in the range. */
async function chooseRows(
  duck: Duck,
  path: string,
  { program, pieces }: { program: ProveProgram; pieces: readonly Piece[] },
): Promise<number[]> {
  const all: number[] = [];
  await duck.scan(
    `SELECT __row::DOUBLE FROM read_parquet(${quoteText(path)}) WHERE ${rangeSql(program.where)} ORDER BY __row`,
    ['float64'],
    (rows, [data]) => {
      for (let i = 0; i < rows; i++) all.push(data![i] as number);
    },
  );
  const { shard } = pieces[0]!;
  const random = new Philox(program.seed, 'proof', shard.key, shard.rowStart);
  const wanted = Math.min(program.rows, all.length);
  for (let i = 0; i < wanted; i++) {
    const other = i + random.below(all.length - i);
    [all[i], all[other]] = [all[other]!, all[i]!];
  }
  return all.slice(0, wanted).sort((a, b) => a - b);
}

/** What training and evaluation compute: the features' SQL over the part, and the model over its raw columns. */
async function batchSide(
  duck: Duck,
  session: Session,
  path: string,
  { program, rows }: { program: ProveProgram; rows: readonly number[] },
): Promise<Side> {
  const { load, signature } = program;
  const raw = scanColumns(signature.inputs);
  const select = [
    ...load.codes.map(({ sql }) => sql),
    ...load.numbers.map(({ sql }) => sql),
    ...raw.sql,
  ];
  const kinds = [
    ...load.codes.map(() => 'int32' as const),
    ...load.numbers.map(() => 'float32' as const),
    ...raw.kinds,
  ];
  const codes: number[] = [];
  const numbers: number[] = [];
  const predictions: number[] = [];
  await duck.scan(
    `SELECT ${select.join(', ')} FROM read_parquet(${quoteText(path)}) WHERE __row IN (${rows.join(', ')}) ORDER BY __row`,
    kinds,
    async (n, columns) => {
      pushRows(codes, columns.slice(0, load.codes.length), n);
      pushRows(
        numbers,
        columns.slice(load.codes.length, load.codes.length + load.numbers.length),
        n,
      );
      const scanned = columnsFromScan(signature.inputs, columns.slice(-raw.sql.length), n);
      predictions.push(...(await predictBatch(session, signature, scanned)).predictions);
    },
  );
  return { codes, numbers, predictions: Float32Array.from(predictions) };
}

function pushRows(into: number[], columns: readonly ColumnData[], rows: number): void {
  for (let row = 0; row < rows; row++)
    for (const column of columns) into.push(column[row] as number);
}

/** The same rows as they lie in the lake, in the form in which a client would send them. */
async function sourceRows(
  duck: Duck,
  pieces: readonly Piece[],
  { program, rows }: { program: ProveProgram; rows: readonly number[] },
): Promise<Record<string, unknown>[]> {
  const { inputs } = program.signature;
  const { kinds } = scanColumns(inputs);
  const values = program.source?.map(({ sql }) => sql) ?? inputs.map(rawSql);
  const names = inputs.map(({ name }) => name);
  const chosen = `IN (${rows.join(', ')})`;
  const where = pieces.length === 1 ? `file_row_number ${chosen}` : undefined; // then row groups are skipped
  const source = sourceSql({ columns: sourceOf(program, names), pieces }, where);
  const json: Record<string, unknown>[] = [];
  await duck.scan(
    `SELECT ${values.join(', ')} FROM (${source}) WHERE __row ${chosen} ORDER BY __row`,
    kinds,
    (n, columns) => {
      for (let row = 0; row < n; row++) json.push(rowToJson(inputs, columns, row));
    },
  );
  return json;
}

/** Of a program that says no better: by the input's type alone. */
function rawSql({ name, type }: RawColumn): string {
  if (type === 'number') return `${quoteName(name)}::DOUBLE`;
  return type === 'time' ? `TRY_CAST(${quoteName(name)} AS TIMESTAMP)` : quoteName(name);
}

/** JSON text and back, then exactly what the gateway does. */
async function servingSide(
  session: Session,
  program: ProveProgram,
  rows: readonly Record<string, unknown>[],
): Promise<Side> {
  const instances = JSON.parse(JSON.stringify(rows)) as unknown[];
  const answer: Predictions = await predictBatch(
    session,
    program.signature,
    parseRows(program.signature, instances),
  );
  return {
    codes: answer.codes ?? [],
    numbers: answer.numbers ?? [],
    predictions: answer.predictions,
  };
}

/** A row of a pack in its own object's numbers. */
function addressOf(pieces: readonly Piece[], row: number): Pick<Difference, 'row' | 'key'> {
  if (pieces.length < 2) return { row };
  const { before, shard } = numberRows(pieces).findLast((piece) => piece.before <= row)!;
  return { row: row - before, key: shard.key };
}

/** Feature by feature and number by number. */
export function compareSides(
  { signature }: ProveProgram,
  rows: readonly number[],
  { batch, serving, pieces }: { batch: Side; serving: Side; pieces: readonly Piece[] },
): Pick<ProveResult, 'differences' | 'maxDifference'> {
  const { width } = OBJECTIVES[signature.label];
  const differences: Difference[] = [];
  let maxDifference = 0;
  const check = (row: number, feature: string, a: number, b: number, tolerance: number): void => {
    const difference = Math.abs(a - b);
    if (difference > maxDifference) maxDifference = difference;
    if (difference <= tolerance * Math.max(1, Math.abs(a))) return;
    // NaN fails the comparison above, and JSON has no NaN
    const show = (x: number): number => (Number.isFinite(x) ? x : Number.MAX_VALUE);
    differences.push({ ...addressOf(pieces, row), feature, batch: show(a), serving: show(b) });
  };
  rows.forEach((row, i) => {
    signature.codes.forEach((name, c) => {
      const at = i * signature.codes.length + c;
      check(row, name, Number(batch.codes[at]), Number(serving.codes[at]), 0);
    });
    signature.numbers.forEach((name, d) => {
      const at = i * signature.numbers.length + d;
      check(row, name, batch.numbers[at]!, serving.numbers[at]!, TOLERANCE);
    });
    for (let k = i * width; k < (i + 1) * width; k++) {
      check(row, 'prediction', batch.predictions[k]!, serving.predictions[k]!, TOLERANCE);
    }
  });
  return { differences: differences.slice(0, DIFFERENCES_MAX), maxDifference };
}
