// Looks at one shard: what its columns hold, in rows of it that lie evenly apart.
// In: a sparse local copy of one object, its row range, a cast for each column. Out: figures by column, three rows.
// Why a sample by row number: the same rows whoever looks and however often, so asking twice is free.
import { join } from 'node:path';
import { type Duck, openDuck, quoteName, quoteText } from '../../common/engine/duckdb.ts';
import { GristmillError } from '../../common/errors.ts';
import { formatTime } from '../../common/predict/rows.ts';
import type { ColumnKind } from '../../common/wire/profile.ts';
import type {
  ProfileColumn,
  ProfileLabel,
  ProfileProgram,
  ProfileResult,
  ProfileValue,
} from '../../common/wire/program.ts';
import type { Shard } from '../../common/wire/task.ts';
import { foldExplained } from './profile-explained.ts';
import { foldMoments, foldPairs, foldRange } from './profile-figures.ts';
import type { Prepared, Runner } from './runner.ts';

type Usable = Extract<ProfileProgram['columns'][number], { kind: ColumnKind }>;

/** Columns whose numbers are in memory at once: 64 × 20,000 rows are 10 MB. */
const COLUMNS_AT_ONCE = 64;

export const runProfile: Runner<ProfileProgram> = async (prepared) => {
  const { program } = prepared;
  const shard = shardOf(prepared);
  const path = prepared.files[shard.key]!;
  await using duck = await openDuck({
    memoryBytes: prepared.memoryBytes,
    tempDir: join(prepared.scratch, 'spill'),
    files: [path],
  });
  const label = unusedName(program);
  const rows = await sampleRows(duck, { program, shard, path, label });
  const labels = program.label ? (await readNumbers(duck, [quoteName(label)], rows))[0]! : null;
  const result: ProfileResult = {
    rows,
    columns: await describeColumns(duck, program, { rows, labels }),
    label: labels && describeLabel(labels),
    sample: await showRows(duck, program, rows),
  };
  return { result, blobs: [], rows };
};

function shardOf(prepared: Prepared): Shard {
  if (prepared.input.kind === 'shard') return prepared.input.shard;
  throw new GristmillError('INTERNAL', `Cannot profile ${prepared.input.kind}, expected a shard`);
}

/** A name for the label that no column has: files name theirs as they like. */
function unusedName({ columns }: ProfileProgram): string {
  const names = new Set(columns.map(({ name }) => name.toLowerCase()));
  let name = '__label';
  while (names.has(name)) name = `_${name}`;
  return name;
}

type Source = {
  readonly program: ProfileProgram;
  readonly shard: Shard;
  readonly path: string;
  readonly label: string;
};

/**
 * `sampled`: the columns under their own names, of those without a kind only whether they are NULL, and the
 * label. Of n rows, row r is taken where (r · rowsMax) mod n < rowsMax: exactly rowsMax rows, evenly apart.
 */
async function sampleRows(duck: Duck, of: Source): Promise<number> {
  const { program, shard } = of;
  const found = shard.rowEnd - shard.rowStart;
  try {
    await duck.run(sampleSql(of));
  } catch (error) {
    throw await explain(duck, error, of);
  }
  const [row] = await duck.rows('SELECT count(*) AS n FROM sampled');
  const rows = Number(row!.n);
  const expected = Math.min(found, program.rowsMax);
  if (rows === expected) return rows;
  throw new GristmillError(
    'SHARD_UNREADABLE',
    `Cannot profile ${rowsOf(shard)}: found ${rows} rows, expected ${expected}`,
  );
}

function sampleSql({ program, shard, path, label }: Source): string {
  const { rowsMax } = program;
  const count = shard.rowEnd - shard.rowStart;
  const every = `((file_row_number - ${shard.rowStart}) * ${rowsMax}) % ${count} < ${rowsMax}`;
  const kept = program.columns.map(({ name, kind }) =>
    kind === null ? `${quoteName(name)} IS NULL AS ${quoteName(name)}` : quoteName(name),
  );
  const given = program.label ? `CAST((${program.label.sql}) AS DOUBLE)` : 'NULL::DOUBLE';
  return `CREATE OR REPLACE TEMP TABLE sampled AS
    WITH input AS (SELECT ${program.columns.map(({ name }) => quoteName(name)).join(', ')}
      FROM read_parquet(${quoteText(path)}, file_row_number = true)
      WHERE file_row_number >= ${shard.rowStart} AND file_row_number < ${shard.rowEnd}
      ${count > rowsMax ? `AND ${every}` : ''})
    SELECT ${[...kept, `${given} AS ${quoteName(label)}`].join(', ')} FROM input`;
}

/** Names the object whose bytes are bad, or the label that cannot be computed for one of its rows. */
async function explain(duck: Duck, error: unknown, of: Source): Promise<unknown> {
  if (!(error instanceof GristmillError)) return error;
  const { key, rowStart, rowEnd } = of.shard;
  if (error.code === 'SHARD_UNREADABLE') {
    const message = `Cannot read ${key} as Parquet: the pages of its rows ${rowStart} to ${rowEnd} are not sound`;
    return new GristmillError(error.code, message, { cause: error });
  }
  if (error.code !== 'SQL_RUNTIME' || !of.program.label) return error;
  const isLabels = await duck
    .run(sampleSql({ ...of, program: { ...of.program, label: null } }))
    .then(
      () => true,
      () => false,
    );
  if (!isLabels) return error;
  const why = error.message.replace(/^Cannot run SQL: /, '');
  const message = `Cannot compute the label for ${rowsOf(of.shard)}: ${why}`;
  return new GristmillError(error.code, message, { cause: error });
}

const rowsOf = ({ key, rowStart, rowEnd }: Shard): string =>
  `rows ${rowStart} to ${rowEnd} of ${key}`;

/** What figures are made of: DOUBLE, VARCHAR, or BIGINT microseconds; NULL is missing. */
const cellSql = ({ kind, sql }: Usable): string => (kind === 'time' ? `epoch_us(${sql})` : sql);

/** Expressions over `sampled` as numbers, in row order; missing is NaN. */
async function readNumbers(
  duck: Duck,
  expressions: readonly string[],
  rows: number,
): Promise<Float64Array[]> {
  const columns = expressions.map(() => new Float64Array(rows));
  let row = 0;
  await duck.scan(
    `SELECT ${expressions.map((sql) => `(${sql})::DOUBLE`).join(', ')} FROM sampled`,
    expressions.map(() => 'float64' as const),
    (count, data) => {
      data.forEach((values, i) => {
        columns[i]!.set((values as Float64Array).subarray(0, count), row);
      });
      row += count;
    },
  );
  return columns;
}

type Sampled = { readonly rows: number; readonly labels: Float64Array | null };

async function describeColumns(
  duck: Duck,
  program: ProfileProgram,
  sampled: Sampled,
): Promise<ProfileColumn[]> {
  const described: ProfileColumn[] = [];
  for (const column of program.columns) {
    described.push(
      column.kind === null
        ? await countNulls(duck, column.name)
        : await describeValues(duck, column, { program, rows: sampled.rows }),
    );
  }
  const numeric = program.columns.flatMap((column, at) =>
    column.kind === null || column.kind === 'text' ? [] : [{ column, at }],
  );
  for (let start = 0; start < numeric.length; start += COLUMNS_AT_ONCE) {
    const some = numeric.slice(start, start + COLUMNS_AT_ONCE);
    const columns = await readNumbers(
      duck,
      some.map(({ column }) => cellSql(column)),
      sampled.rows,
    );
    some.forEach(({ column, at }, i) => {
      const moments = column.kind === 'time' ? null : foldMoments(columns[i]!);
      const pairs = sampled.labels && foldPairs(columns[i]!, sampled.labels);
      const runs = column.kind === 'boolean' ? null : RUNS;
      const explained = sampled.labels && foldExplained(columns[i]!, sampled.labels, runs);
      described[at] = { ...described[at]!, moments, pairs, explained };
    });
  }
  return explainText(duck, program, sampled, described);
}

/** Runs of different numbers or times: fine enough for a threshold, and 300 rows a run in a full sample. */
const RUNS = 64;

/** Text is told apart by its hash: 40 bits of it are a number. */
async function explainText(
  duck: Duck,
  program: ProfileProgram,
  { rows, labels }: Sampled,
  described: readonly ProfileColumn[],
): Promise<ProfileColumn[]> {
  if (!labels) return [...described];
  const all = [...described];
  for (const [at, column] of program.columns.entries()) {
    if (column.kind !== 'text' || all[at]!.distinct > rows / 2) continue;
    const hash = `CASE WHEN (${column.sql}) IS NOT NULL THEN (hash(${column.sql}) >> 24)::DOUBLE END`;
    const [values] = await readNumbers(duck, [hash], rows);
    all[at] = { ...all[at]!, explained: foldExplained(values!, labels, null) };
  }
  return all;
}

const NO_FIGURES = {
  distinct: 0,
  hashes: [],
  min: null,
  max: null,
  moments: null,
  pairs: null,
  explained: null,
  top: [],
} as const;

async function countNulls(duck: Duck, name: string): Promise<ProfileColumn> {
  const [row] = await duck.rows(
    `SELECT count(*) FILTER (WHERE ${quoteName(name)}) AS n FROM sampled`,
  );
  return { missing: Number(row!.n), ...NO_FIGURES };
}

/**
 * `cells`: each value once. They are told apart as the file has them (two integers above 2^53 may be one
 * DOUBLE), and shown as a feature sees them.
 */
async function describeValues(
  duck: Duck,
  column: Usable,
  { program, rows }: { program: ProfileProgram; rows: number },
): Promise<ProfileColumn> {
  const { kind } = column;
  await duck.run(`CREATE OR REPLACE TEMP TABLE cells AS
    SELECT v, min(s) AS s, count(*) AS n, (hash(v) >> 24)::DOUBLE AS h
    FROM (SELECT ${quoteName(column.name)} AS v, ${cellSql(column)} AS s FROM sampled)
    WHERE s IS NOT NULL GROUP BY v`);
  const length = kind === 'text' ? 'sum(n * length(s))' : 'NULL';
  const [sums] = await duck.rows(`SELECT count(*) AS "distinct", coalesce(sum(n), 0)::DOUBLE AS n,
    ${kind === 'text' ? 'NULL AS low, NULL AS high' : 'min(s) AS low, max(s) AS high'},
    ${length}::DOUBLE AS characters FROM cells`);
  const shown = kind === 'text' ? 'left(s, 100)' : 's';
  const top = await duck.rows(
    `SELECT ${shown} AS s, n, h FROM cells ORDER BY n DESC, cells.s, h LIMIT ${program.topMax}`,
  );
  const hashes = await duck.rows(
    `SELECT DISTINCT h FROM cells ORDER BY h LIMIT ${program.hashesMax}`,
  );
  const present = Number(sums!.n);
  const edge = (value: unknown): number | string | null =>
    value === null ? null : kind === 'time' ? timeOf(value) : Number(value) + 0;
  return {
    missing: rows - present,
    distinct: Number(sums!.distinct),
    hashes: hashes.map(({ h }) => Number(h)),
    min: edge(sums!.low),
    max: edge(sums!.high),
    moments:
      kind === 'text' && present > 0 ? [present, Number(sums!.characters) / present, 0] : null,
    pairs: null,
    explained: null,
    top: top.map(({ s, n, h }) => ({ value: valueAs(kind, s), count: Number(n), hash: Number(h) })),
  };
}

function valueAs(kind: ColumnKind, cell: unknown): ProfileValue {
  if (cell === null) return null;
  switch (kind) {
    case 'number':
      return Number(cell) + 0; // −0 becomes 0
    case 'boolean':
      return Number(cell) === 1;
    case 'time':
      return timeOf(cell);
    case 'text':
      return String(cell);
  }
}

const timeOf = (micros: unknown): string => formatTime(BigInt(micros as number | bigint));

function describeLabel(labels: Float64Array): ProfileLabel {
  const moments = foldMoments(labels);
  const { count, min, max } = foldRange(labels);
  return { missing: labels.length - count, min, max, moments };
}

/** The first row, one from the middle and the last, as the gateway takes them. */
async function showRows(
  duck: Duck,
  { columns, textMax }: ProfileProgram,
  rows: number,
): Promise<ProfileResult['sample']> {
  const usable = columns.filter((column): column is Usable => column.kind !== null);
  if (usable.length === 0 || rows === 0) return [];
  const cells = usable.map((column, i) => {
    const cell = cellSql(column);
    return `${column.kind === 'text' ? `left(${cell}, ${textMax})` : cell} AS c${i}`;
  });
  const sample: Record<string, ProfileValue>[] = [];
  for (const at of new Set([0, Math.floor(rows / 2), rows - 1])) {
    const [row] = await duck.rows(
      `SELECT ${cells.join(', ')} FROM (SELECT * FROM sampled LIMIT 1 OFFSET ${at})`,
    );
    sample.push(
      Object.fromEntries(
        usable.map(({ name, kind }, i) => [name, sendable(valueAs(kind, row![`c${i}`]))]),
      ),
    );
  }
  return sample;
}

/** JSON that strict parsers take has no integer beyond 2^53: there a row has none. */
const sendable = (value: ProfileValue): ProfileValue =>
  typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)
    ? null
    : value;
