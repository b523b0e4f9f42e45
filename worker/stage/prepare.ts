// Prepares one shard, or a pack of small objects: chooses rows, keeps the raw columns, orders them by bucket.
// In: sparse local copies of objects, their row ranges, the compiled rules. Out: a part and counts by rule.
// Why one staged table: every expression runs once a row, and a rule never sees a row an earlier one dropped.
// Flow: job → snapshot → plan → [prepare] → fit → train → evaluate → prove → publish → gate → predictions
import { join } from 'node:path';
import { withBucketSql } from '../../common/algorithm/bucket.ts';
import { type Duck, openDuck } from '../../common/engine/duckdb.ts';
import { GristmillError } from '../../common/errors.ts';
import { OBJECTIVES } from '../../common/objective/objectives.ts';
import { quoteName, quoteText } from '../../common/sql.ts';
import type { PrepareProgram, PrepareResult } from '../../common/stage/prepare.ts';
import type { PartRef } from '../../common/wire/task.ts';
import { groupRowsOf, sealGroups } from './part-groups.ts';
import { type Runner, scratchFile, sealBlob } from './runner.ts';
import { type Piece, piecesOf, placesOf, sourceOf, sourceSql } from './source.ts';

export const runPrepare: Runner<PrepareProgram> = async (prepared) => {
  const pieces = piecesOf(prepared);
  const { program } = prepared;
  await using duck = await openDuck({
    memoryBytes: prepared.memoryBytes,
    tempDir: join(prepared.scratch, 'spill'),
    files: pieces.map(({ path }) => path),
    writeDir: prepared.scratch,
  });
  try {
    await duck.run(stageSql(program, pieces));
  } catch (error) {
    throw await explain(error, { duck, program, pieces });
  }
  const dropped = await countDropped(duck, program);
  const summary = await summarize(duck);
  const rowsIn = pieces.reduce((sum, { shard }) => sum + shard.rowEnd - shard.rowStart, 0);
  checkAccounts(pieces, rowsIn, summary.rows, dropped);
  if (summary.rows === 0) return { result: emptyResult(rowsIn, dropped), blobs: [], rows: rowsIn };

  const written = scratchFile(prepared, 'part.parquet');
  const groupRows = groupRowsOf(summary.rows, program.groups);
  await duck.run(writeSql(program, written, groupRows));
  const { blob, ref } = await sealBlob(prepared, written, 'parquet');
  const first = pieces[0]!.shard;
  const part: PartRef = {
    ...ref,
    rows: summary.rows,
    bucketOffsets: await bucketOffsets(duck, program.buckets),
    source: { key: first.key, rowStart: first.rowStart },
    ...(program.groups === undefined ? {} : { groups: await sealGroups(duck, written, groupRows) }),
  };
  const result: PrepareResult = {
    ...emptyResult(rowsIn, dropped),
    ...facts(program, summary),
    part,
  };
  return { result, blobs: [blob], rows: rowsIn };
};

/** Rules beyond the spec's own, in the order in which a row meets them. */
const LABEL_RULE = 'label is missing';
const SPLIT_RULE = 'split key is missing';

const ruleNames = (program: PrepareProgram): readonly string[] => [
  ...program.rules.map((rule) => rule.name),
  ...(program.label ? [LABEL_RULE] : []),
  ...(program.split ? [SPLIT_RULE] : []),
];

/**
 * `staged`: one row a source row; `__rule` is the index of the first rule it fails, or −1.
 *
 *   input (source columns, __row, __seed) → __rule → __label, __split of the rows kept so far → raw columns, __bucket
 */
function stageSql(program: PrepareProgram, pieces: readonly Piece[]): string {
  const input = sourceSql({ columns: sourceOf(program, program.reads), pieces });
  const cases = program.rules.map((rule, i) => `WHEN (${rule.sql}) IS NOT TRUE THEN ${i}`);
  const rule = cases.length > 0 ? `CASE ${cases.join(' ')} ELSE -1 END` : '-1';
  const kept = (sql: string, type: string): string =>
    `CASE WHEN __rule < 0 THEN CAST((${sql}) AS ${type}) END`;
  const label = program.label ? kept(program.label.sql, 'DOUBLE') : 'NULL::DOUBLE';
  const split = program.split ? kept(program.split.sql, 'BIGINT') : 'NULL::BIGINT';
  const columns = program.columns.map((column) => `(${column.sql}) AS ${quoteName(column.name)}`);
  return `CREATE TEMP TABLE staged AS
    WITH input AS (${input}),
      ruled AS (SELECT *, ${rule} AS __rule FROM input),
      keyed AS (SELECT *, ${label} AS __label, ${split} AS __split FROM ruled),
      bucketed AS (${withBucketSql('keyed', '__seed')})
    SELECT ${[...columns, '__label', '__split', '__row', '__bucket', `${lastRules(program)} AS __rule`].join(', ')}
    FROM bucketed`;
}

function lastRules(program: PrepareProgram): string {
  const cases = ['WHEN __rule >= 0 THEN __rule'];
  let index = program.rules.length;
  if (program.label) cases.push(`WHEN isfinite(__label) IS NOT TRUE THEN ${index++}`);
  if (program.split) cases.push(`WHEN __split IS NULL THEN ${index++}`);
  return `CASE ${cases.join(' ')} ELSE -1 END`;
}

type Attempted = {
  readonly duck: Duck;
  readonly program: PrepareProgram;
  readonly pieces: readonly Piece[];
};

/** Names the object whose bytes are bad, or the expression that cannot be computed for one of its rows. */
async function explain(error: unknown, of: Attempted): Promise<unknown> {
  if (!(error instanceof GristmillError)) return error;
  if (!['SHARD_UNREADABLE', 'SCHEMA_DRIFT', 'SQL_RUNTIME'].includes(error.code)) return error;
  const pieces = await culprits(of);
  const rows = placesOf(pieces);
  const told = (message: string): GristmillError =>
    new GristmillError(error.code, message, { cause: error });
  if (error.code === 'SHARD_UNREADABLE') {
    const { key, rowStart, rowEnd } = pieces[0]!.shard;
    return told(
      `Cannot read ${key} as Parquet: the pages of its rows ${rowStart} to ${rowEnd} are not sound`,
    );
  }
  if (error.code === 'SCHEMA_DRIFT') return told(`Cannot read ${rows}: ${ownWords(error)}`);
  return told(`Cannot compute ${await culprit({ ...of, pieces })} for ${rows}: ${ownWords(error)}`);
}

const ownWords = ({ message }: Error): string => message.replace(/^Cannot run SQL: /, '');

const fails = async (of: Attempted): Promise<boolean> => {
  try {
    await of.duck.run(stageSql(of.program, of.pieces));
    await of.duck.run('DROP TABLE staged');
    return false;
  } catch {
    return true;
  }
};

/** The first object of a pack that fails alone; all of them where none does. */
async function culprits(of: Attempted): Promise<readonly Piece[]> {
  if (of.pieces.length === 1) return of.pieces;
  for (const piece of of.pieces) if (await fails({ ...of, pieces: [piece] })) return [piece];
  return of.pieces;
}

/** Runs the program with one expression after the other put back: the first that fails is it. */
async function culprit(of: Attempted): Promise<string> {
  const { program } = of;
  const none = { ...program, label: null, split: null, columns: [] };
  const rules = program.rules.map(({ name }, i) => ({
    name,
    part: { ...none, rules: program.rules.slice(0, i + 1) },
  }));
  const label = { name: 'the label', part: { ...none, label: program.label } };
  const split = { name: 'the split key', part: { ...none, split: program.split } };
  for (const { name, part } of [...rules, label, split])
    if (await fails({ ...of, program: part })) return name;
  return 'a column';
}

async function countDropped(duck: Duck, program: PrepareProgram): Promise<Record<string, number>> {
  const rows = await duck.rows(
    'SELECT __rule AS rule, count(*) AS n FROM staged WHERE __rule >= 0 GROUP BY 1 ORDER BY 1',
  );
  const counts = new Map(rows.map((row) => [Number(row.rule), Number(row.n)]));
  return Object.fromEntries(
    ruleNames(program).map((name, index) => [name, counts.get(index) ?? 0]),
  );
}

type Summary = { rows: number; low: number | null; high: number | null; no: number; yes: number };

async function summarize(duck: Duck): Promise<Summary> {
  const [row] = await duck.rows(`SELECT count(*) AS n, min(__split) AS low, max(__split) AS high,
    count(*) FILTER (WHERE __label = 0) AS no, count(*) FILTER (WHERE __label = 1) AS yes
    FROM staged WHERE __rule < 0`);
  const whole = (value: unknown): number | null => (value === null ? null : Number(value));
  return {
    rows: Number(row!.n),
    low: whole(row!.low),
    high: whole(row!.high),
    no: Number(row!.no),
    yes: Number(row!.yes),
  };
}

/** Row accounting: in = out + dropped, for every task. */
function checkAccounts(
  pieces: readonly Piece[],
  rowsIn: number,
  rowsOut: number,
  dropped: Record<string, number>,
): void {
  const gone = Object.values(dropped).reduce((sum, n) => sum + n, 0);
  if (rowsIn === rowsOut + gone) return;
  throw new GristmillError(
    'SHARD_UNREADABLE',
    `Cannot prepare ${placesOf(pieces)}: found ${rowsOut + gone} rows, expected ${rowsIn}`,
  );
}

function writeSql(program: PrepareProgram, path: string, groupRows: number): string {
  const columns = [
    ...program.columns.map((column) => quoteName(column.name)),
    '__label',
    '__split',
    '__row',
  ];
  return `COPY (SELECT ${columns.join(', ')} FROM staged WHERE __rule < 0 ORDER BY __bucket, __row)
    TO ${quoteText(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${groupRows})`;
}

async function bucketOffsets(duck: Duck, buckets: number): Promise<number[]> {
  const rows = await duck.rows(
    'SELECT __bucket AS b, count(*) AS n FROM staged WHERE __rule < 0 GROUP BY 1 ORDER BY 1',
  );
  const counts = new Map(rows.map((row) => [Number(row.b), Number(row.n)]));
  const offsets = [0];
  for (let b = 0; b < buckets; b++) offsets.push(offsets[b]! + (counts.get(b) ?? 0));
  return offsets;
}

function emptyResult(rowsIn: number, dropped: Record<string, number>): PrepareResult {
  const rowsOut = rowsIn - Object.values(dropped).reduce((sum, n) => sum + n, 0);
  return { rowsIn, rowsOut, dropped, part: null, splitMin: null, splitMax: null, labels: null };
}

function facts(program: PrepareProgram, summary: Summary): Partial<PrepareResult> {
  const hasClasses = program.label && OBJECTIVES[program.label.kind].label.classes;
  const labels = hasClasses ? ([summary.no, summary.yes] as const) : null;
  return { splitMin: summary.low, splitMax: summary.high, labels };
}
