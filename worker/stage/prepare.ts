// Prepares one shard: chooses rows, keeps the raw columns, orders them by bucket.
// In: a sparse local copy of one object, its row range, the compiled rules. Out: a part and counts by rule.
// Why one staged table: every expression runs once a row, and a rule never sees a row an earlier one dropped.
// Flow: job → snapshot → plan → [prepare] → fit → train → evaluate → prove → publish → gate → predictions
import { join } from 'node:path';
import { bucketSalt, withBucketSql } from '../../common/algorithm/bucket.ts';
import { type Duck, openDuck } from '../../common/engine/duckdb.ts';
import { GristmillError } from '../../common/errors.ts';
import { OBJECTIVES } from '../../common/objective/objectives.ts';
import { quoteName, quoteText } from '../../common/sql.ts';
import type { PrepareProgram, PrepareResult } from '../../common/stage/prepare.ts';
import type { PartRef, Shard } from '../../common/wire/task.ts';
import { groupRowsOf, sealGroups } from './part-groups.ts';
import { type Runner, scratchFile, sealBlob } from './runner.ts';
import { shardOf, sourceOf, sourceSql } from './source.ts';

export const runPrepare: Runner<PrepareProgram> = async (prepared) => {
  const { shard, path } = shardOf(prepared);
  const { program } = prepared;
  await using duck = await openDuck({
    memoryBytes: prepared.memoryBytes,
    tempDir: join(prepared.scratch, 'spill'),
    files: [path],
    writeDir: prepared.scratch,
  });
  try {
    await duck.run(stageSql(program, shard, path));
  } catch (error) {
    throw await explain(error, { duck, program, shard, path });
  }
  const dropped = await countDropped(duck, program);
  const summary = await summarize(duck);
  const rowsIn = shard.rowEnd - shard.rowStart;
  checkAccounts(shard, rowsIn, summary.rows, dropped);
  if (summary.rows === 0) return { result: emptyResult(rowsIn, dropped), blobs: [], rows: rowsIn };

  const written = scratchFile(prepared, 'part.parquet');
  const groupRows = groupRowsOf(summary.rows, program.groups);
  await duck.run(writeSql(program, written, groupRows));
  const { blob, ref } = await sealBlob(prepared, written, 'parquet');
  const part: PartRef = {
    ...ref,
    rows: summary.rows,
    bucketOffsets: await bucketOffsets(duck, program.buckets),
    source: { key: shard.key, rowStart: shard.rowStart },
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
 * `staged`: one row a source row of the shard; `__rule` is the index of the first rule it fails, or −1.
 *
 *   input (source columns, __row) → __rule → __label, __split of the rows kept so far → raw columns, __bucket
 */
function stageSql(program: PrepareProgram, shard: Shard, path: string): string {
  const input = sourceSql({ columns: sourceOf(program, program.reads), shard, path });
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
      bucketed AS (${withBucketSql(bucketSalt(shard.key), 'keyed', '__row')})
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

/** Names the object whose bytes are bad, or the expression that cannot be computed for one of its rows. */
async function explain(
  error: unknown,
  of: { duck: Duck; program: PrepareProgram; shard: Shard; path: string },
): Promise<unknown> {
  if (!(error instanceof GristmillError)) return error;
  const { key, rowStart, rowEnd } = of.shard;
  const rows = `rows ${rowStart} to ${rowEnd} of ${key}`;
  const told = (message: string): GristmillError =>
    new GristmillError(error.code, message, { cause: error });
  if (error.code === 'SHARD_UNREADABLE') {
    return told(
      `Cannot read ${key} as Parquet: the pages of its ${rows.replace(` of ${key}`, '')} are not sound`,
    );
  }
  if (error.code === 'SCHEMA_DRIFT') return told(`Cannot read ${rows}: ${ownWords(error)}`);
  if (error.code !== 'SQL_RUNTIME') return error;
  return told(`Cannot compute ${await culprit(of)} for ${rows}: ${ownWords(error)}`);
}

const ownWords = ({ message }: Error): string => message.replace(/^Cannot run SQL: /, '');

/** Runs the program with one expression after the other put back: the first that fails is it. */
async function culprit({
  duck,
  program,
  shard,
  path,
}: {
  duck: Duck;
  program: PrepareProgram;
  shard: Shard;
  path: string;
}): Promise<string> {
  const none = { ...program, label: null, split: null, columns: [] };
  const rules = program.rules.map(({ name }, i) => ({
    name,
    part: { ...none, rules: program.rules.slice(0, i + 1) },
  }));
  const label = { name: 'the label', part: { ...none, label: program.label } };
  const split = { name: 'the split key', part: { ...none, split: program.split } };
  for (const { name, part } of [...rules, label, split]) {
    try {
      await duck.run(stageSql(part, shard, path));
      await duck.run('DROP TABLE staged');
    } catch {
      return name;
    }
  }
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
  shard: Shard,
  rowsIn: number,
  rowsOut: number,
  dropped: Record<string, number>,
): void {
  const gone = Object.values(dropped).reduce((sum, n) => sum + n, 0);
  if (rowsIn === rowsOut + gone) return;
  throw new GristmillError(
    'SHARD_UNREADABLE',
    `Cannot prepare ${shard.key} rows ${shard.rowStart} to ${shard.rowEnd}: found ${rowsOut + gone} rows, expected ${rowsIn}`,
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
