// What columns hold: figures of each, and a few cells.
// In: the table `sampled`, the kinds of its columns, the labels of its rows. Out: figures; rows as the gateway takes them.
// Why values are told apart as the file has them: two integers above 2^53 may be one DOUBLE. They are shown as features see them.
import type { Duck } from '../../common/engine/duckdb.ts';
import { formatTime } from '../../common/predict/rows.ts';
import { quoteName } from '../../common/sql.ts';
import type {
  SurveyColumn,
  SurveyProgram,
  SurveyResult,
  SurveyValue,
} from '../../common/stage/survey.ts';
import type { ColumnKind } from '../../common/wire/survey.ts';
import { foldExplained } from './survey-explained.ts';
import { foldMoments, foldPairs } from './survey-figures.ts';

export type Sampled = { readonly rows: number; readonly labels: Float64Array | null };

type Usable = Extract<SurveyProgram['columns'][number], { kind: ColumnKind }>;

export async function describeColumns(
  duck: Duck,
  program: SurveyProgram,
  sampled: Sampled,
): Promise<SurveyColumn[]> {
  const described: SurveyColumn[] = [];
  for (const column of program.columns) {
    if (column.kind === null) {
      described.push(await countNulls(duck, column.name));
      continue;
    }
    const figures = await describeValues(duck, column, { program, rows: sampled.rows });
    const folded =
      column.kind === 'text'
        ? await foldText(duck, column, { figures, sampled })
        : await foldNumbers(duck, column, sampled);
    described.push({ ...figures, ...folded });
  }
  return described;
}

const NO_FIGURES = {
  ...{ distinct: 0, hashes: [], min: null, max: null, top: [] },
  ...{ moments: null, pairs: null, explained: null },
} as const;

async function countNulls(duck: Duck, name: string): Promise<SurveyColumn> {
  const [row] = await duck.rows(
    `SELECT count(*) FILTER (WHERE ${quoteName(name)}) AS n FROM sampled`,
  );
  return { missing: Number(row!.n), ...NO_FIGURES };
}

/** What figures are made of: DOUBLE, VARCHAR, or BIGINT microseconds; NULL is missing. */
const cellSql = ({ kind, sql }: Usable): string => (kind === 'time' ? `epoch_us(${sql})` : sql);

/** By `cells`: each value once, with how often it is there. */
async function describeValues(
  duck: Duck,
  column: Usable,
  { program, rows }: { program: SurveyProgram; rows: number },
): Promise<SurveyColumn> {
  const { kind } = column;
  const isText = kind === 'text';
  await duck.run(`CREATE OR REPLACE TEMP TABLE cells AS
    SELECT v, min(s) AS s, count(*) AS n, (hash(v) >> 24)::DOUBLE AS h
    FROM (SELECT ${quoteName(column.name)} AS v, ${cellSql(column)} AS s FROM sampled)
    WHERE s IS NOT NULL GROUP BY v`);
  const [sums] = await duck.rows(`SELECT count(*) AS "distinct", coalesce(sum(n), 0)::DOUBLE AS n,
    ${isText ? 'NULL AS low, NULL AS high' : 'min(s) AS low, max(s) AS high'},
    ${isText ? 'sum(n * length(s))' : 'NULL'}::DOUBLE AS characters FROM cells`);
  const top = await duck.rows(
    `SELECT ${isText ? 'left(s, 100)' : 's'} AS s, n, h FROM cells
    ORDER BY n DESC, cells.s, h LIMIT ${program.topMax}`,
  );
  const hashes = await duck.rows(`SELECT h FROM cells ORDER BY h LIMIT ${program.hashesMax}`);
  const present = Number(sums!.n);
  const edge = (value: unknown): number | string | null =>
    value === null ? null : kind === 'time' ? timeOf(value) : Number(value) + 0;
  return {
    ...NO_FIGURES,
    missing: rows - present,
    distinct: Number(sums!.distinct),
    hashes: [...new Set(hashes.map(({ h }) => Number(h)))],
    min: edge(sums!.low),
    max: edge(sums!.high),
    moments: isText && present > 0 ? [present, Number(sums!.characters) / present, 0] : null,
    top: top.map(({ s, n, h }) => ({ value: valueAs(kind, s), count: Number(n), hash: Number(h) })),
  };
}

type Folded = Partial<Pick<SurveyColumn, 'moments' | 'pairs' | 'explained'>>;

/** Runs of different numbers or times: fine enough for a threshold, and 300 rows a run in a full sample. */
const RUNS = 64;

async function foldNumbers(duck: Duck, column: Usable, { rows, labels }: Sampled): Promise<Folded> {
  const cells = { expressions: [cellSql(column)], from: 'sampled', rows };
  const [values] = await readNumbers(duck, cells);
  return {
    moments: column.kind === 'time' ? null : foldMoments(values!),
    pairs: labels && foldPairs(values!, labels),
    explained: labels && foldExplained(values!, labels, column.kind === 'boolean' ? null : RUNS),
  };
}

/** Text is told apart by its hash: 40 bits of it are a number. */
async function foldText(
  duck: Duck,
  { sql }: Usable,
  { figures, sampled }: { figures: SurveyColumn; sampled: Sampled },
): Promise<Folded> {
  const { rows, labels } = sampled;
  if (!labels || figures.distinct > rows / 2) return {};
  const hash = `CASE WHEN (${sql}) IS NOT NULL THEN (hash(${sql}) >> 24)::DOUBLE END`;
  const [values] = await readNumbers(duck, { expressions: [hash], from: 'sampled', rows });
  return { explained: foldExplained(values!, labels, null) };
}

/** Expressions as numbers, in row order; missing is NaN. */
export async function readNumbers(
  duck: Duck,
  of: { expressions: readonly string[]; from: string; rows: number },
): Promise<Float64Array[]> {
  const columns = of.expressions.map(() => new Float64Array(of.rows));
  let row = 0;
  await duck.scan(
    `SELECT ${of.expressions.map((sql) => `(${sql})::DOUBLE`).join(', ')} FROM ${of.from}`,
    columns.map(() => 'float64' as const),
    (count, data) => {
      const fits = Math.min(count, of.rows - row); // a file with more rows than it claims is told by their count
      data.forEach((values, i) => {
        columns[i]!.set((values as Float64Array).subarray(0, fits), row);
      });
      row += fits;
    },
  );
  return columns;
}

/** The first row, one from the middle and the last, as the gateway takes them. */
export async function showRows(
  duck: Duck,
  { columns, textMax }: SurveyProgram,
  rows: number,
): Promise<SurveyResult['sample']> {
  const usable = columns.filter((column): column is Usable => column.kind !== null);
  const cells = usable.map((column, i) => {
    const cell = cellSql(column);
    return `${column.kind === 'text' ? `left(${cell}, ${textMax})` : cell} AS c${i}`;
  });
  const sample: Record<string, SurveyValue>[] = [];
  for (const at of new Set([0, Math.floor(rows / 2), rows - 1])) {
    const [row] = await duck.rows(
      `SELECT ${['true AS is', ...cells].join(', ')} FROM (SELECT * FROM sampled LIMIT 1 OFFSET ${at})`,
    );
    const shown = usable.map(
      ({ name, kind }, i) => [name, sendable(valueAs(kind, row![`c${i}`]))] as const,
    );
    sample.push(Object.fromEntries(shown));
  }
  return sample;
}

function valueAs(kind: ColumnKind, cell: unknown): SurveyValue {
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

/** JSON that strict parsers take has no integer beyond 2^53: there a row has none. */
const sendable = (value: SurveyValue): SurveyValue =>
  typeof value === 'number' && Number.isInteger(value) && !Number.isSafeInteger(value)
    ? null
    : value;
