// Runs features over the same rows in both targets.
// In: rows as a client would send them, expressions, fitted values or none. Out: model inputs from SQL and from ONNX.
// Why two ways in: SQL reads a table through the casts of prepare, ONNX reads JSON through the serving path.
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  compareUtf8,
  fittedValues,
  HistogramAccumulator,
  MomentsAccumulator,
} from '../../common/algorithm/statistics.ts';
import { type Duck, openDuck } from '../../common/engine/duckdb.ts';
import { type FeedTensor, openSession } from '../../common/engine/onnx.ts';
import { encodeModel } from '../../common/onnx/proto.ts';
import { type ColumnBatch, parseRows } from '../../common/predict/rows.ts';
import { quoteName, quoteText } from '../../common/sql.ts';
import type { Statistic } from '../../common/stage/fit.ts';
import type { FittedValue } from '../../common/stage/terms.ts';
import type { SchemaColumn } from '../../common/wire/plan.ts';
import { buildFeatures } from '../../coordinator/compile/features.ts';
import { levelCount, levelStatistics } from '../../coordinator/compile/levels.ts';
import { featureGraph } from '../../coordinator/compile/onnx.ts';
import { parseExpressions } from '../../coordinator/compile/parse.ts';
import { castSql, type FittedValues, loadSql, rawColumns } from '../../coordinator/compile/sql.ts';
import type { FeatureSet } from '../../coordinator/compile/tree.ts';
import { verifyGraph } from '../../coordinator/compile/verify.ts';

export async function openTestDuck(files: readonly string[] = []): Promise<Duck> {
  const tempDir = await mkdtemp(join(tmpdir(), 'gristmill-parity-'));
  return openDuck({ memoryBytes: 512 * 1024 * 1024, tempDir, files });
}

export async function compileFeatures(
  duck: Duck,
  features: Readonly<Record<string, string>>,
  schema: readonly SchemaColumn[],
): Promise<FeatureSet> {
  const names = Object.keys(features);
  const texts = names.map((name) => ({ pointer: `/features/${name}`, sql: features[name]! }));
  const parsed = await parseExpressions(duck, texts);
  return buildFeatures(Object.fromEntries(names.map((name, i) => [name, parsed[i]!])), schema);
}

/** Makes table `part` of `from` as prepare would, with a row number to keep the order. */
export async function makePart(duck: Duck, set: FeatureSet, from: string): Promise<void> {
  const columns = set.columns.map(
    ({ name, fileType }) => `${castSql({ name, type: fileType })} AS ${quoteName(name)}`,
  );
  await duck.run(`CREATE OR REPLACE TEMP TABLE part AS SELECT ${columns.join(', ')} FROM ${from}`);
}

/** Fits all levels over table `part`. */
export async function fitPart(duck: Duck, set: FeatureSet): Promise<FittedValues> {
  let fitted: FittedValues = {};
  for (let level = 0; level < levelCount(set); level++) {
    const values: Record<string, FittedValue> = {};
    for (const statistic of levelStatistics(set, level, fitted)) {
      Object.assign(values, await fitStatistic(duck, statistic));
    }
    fitted = { ...fitted, ...values };
  }
  return fitted;
}

async function fitStatistic(
  duck: Duck,
  statistic: Statistic,
): Promise<Record<string, FittedValue>> {
  const { id, kind, sql } = statistic;
  const moments = new MomentsAccumulator();
  const histogram = new HistogramAccumulator();
  const counts = new Map<string, number>();
  if (kind === 'frequent') {
    await duck.scan(`SELECT ${sql} FROM part`, ['string'], (_, [values]) => {
      for (const v of values as readonly (string | null)[])
        if (v) counts.set(v, (counts.get(v) ?? 0) + 1);
    });
  } else {
    await duck.scan(`SELECT (${sql})::DOUBLE FROM part`, ['float64'], (rows, [values]) => {
      moments.addAll(values as Float64Array, rows);
      histogram.addAll(values as Float64Array, rows);
    });
  }
  const frequent = [...counts].sort(([a], [b]) => compareUtf8(a, b));
  return fittedValues([statistic], {
    moments: { [id]: moments.result() },
    quantiles: { [id]: histogram.result() },
    frequent: { [id]: frequent },
    missing: {},
    counts: null,
  });
}

export type ModelInputs = {
  readonly rows: number;
  /** Row-major. */
  readonly codes: readonly number[];
  readonly numbers: readonly number[];
};

/** Model inputs of table `part` by SQL. */
export async function bySql(
  duck: Duck,
  set: FeatureSet,
  fitted: FittedValues,
): Promise<ModelInputs> {
  const { codes, numbers } = loadSql(set, fitted);
  const all = [...codes, ...numbers];
  const kinds = [...codes.map(() => 'int32' as const), ...numbers.map(() => 'float32' as const)];
  const out = { codes: [] as number[], numbers: [] as number[] };
  const rows = await duck.scan(
    `SELECT ${all.map(({ sql }) => sql).join(', ')} FROM part`,
    kinds,
    (count, columns) => {
      for (let row = 0; row < count; row++) {
        columns.forEach((column, i) => {
          out[i < codes.length ? 'codes' : 'numbers'].push(column[row] as number);
        });
      }
    },
  );
  return { rows, ...out };
}

/** The same of JSON rows by ONNX. */
export async function byOnnx(
  set: FeatureSet,
  fitted: FittedValues,
  rows: readonly Readonly<Record<string, unknown>>[],
): Promise<ModelInputs> {
  const signature = { inputs: rawColumns(set), label: 'binary', codes: [], numbers: [] } as const;
  return runGraph(set, fitted, parseRows(signature, JSON.parse(JSON.stringify(rows)) as unknown[]));
}

export async function runGraph(
  set: FeatureSet,
  fitted: FittedValues,
  batch: ColumnBatch,
): Promise<ModelInputs> {
  const graph = featureGraph(set, fitted);
  verifyGraph(graph, { after: 'compiling features' });
  await using session = await openSession(encodeModel(graph));
  const types = { number: 'double', string: 'string', time: 'int64' } as const;
  const feeds: Record<string, FeedTensor> = {};
  for (const { name, type } of rawColumns(set)) {
    const data = batch.columns[name] as FeedTensor['data'];
    feeds[name] = { type: types[type], dims: [batch.rows], data };
  }
  const out = await session.run(feeds);
  return {
    rows: batch.rows,
    codes: Array.from((out.codes?.data ?? []) as ArrayLike<number | bigint>, Number),
    numbers: Array.from((out.numbers?.data ?? []) as ArrayLike<number>),
  };
}

/** Differences beyond codes equal and floats within 1e-6 · max(1, |b|). */
export function differences(sql: ModelInputs, onnx: ModelInputs): string[] {
  const found: string[] = [];
  if (sql.rows !== onnx.rows) found.push(`${sql.rows} and ${onnx.rows} rows`);
  sql.codes.forEach((code, i) => {
    if (code !== onnx.codes[i]) found.push(`code ${i}: sql ${code}, onnx ${onnx.codes[i]}`);
  });
  sql.numbers.forEach((a, i) => {
    const b = onnx.numbers[i]!;
    if (!(Math.abs(a - b) <= 1e-6 * Math.max(1, Math.abs(b))))
      found.push(`number ${i}: sql ${a}, onnx ${b}`);
  });
  return found;
}

/** Table `raw` of JSON rows. */
export async function makeRaw(
  duck: Duck,
  schema: readonly SchemaColumn[],
  rows: readonly Readonly<Record<string, unknown>>[],
): Promise<void> {
  const columns = schema.map(({ name, type }) => `${quoteName(name)} ${type}`).join(', ');
  await duck.run(`CREATE OR REPLACE TEMP TABLE raw (${columns})`);
  for (let start = 0; start < rows.length; start += 500) {
    const values = rows
      .slice(start, start + 500)
      .map((row) => `(${schema.map(({ name, type }) => literal(row[name], type)).join(', ')})`);
    await duck.run(`INSERT INTO raw VALUES ${values.join(', ')}`);
  }
}

function literal(value: unknown, type: string): string {
  if (value === null || value === undefined) return 'NULL';
  if (typeof value === 'string' && /^TIMESTAMP|^DATE/.test(type)) {
    return `'${value.replace('T', ' ').replace('Z', '')}'::${type}`;
  }
  if (typeof value === 'string') return quoteText(value.toWellFormed());
  return `'${String(value)}'::${type}`;
}
