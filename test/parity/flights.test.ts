// The example job's features on real flights, in both targets, and a hand-made check of what they mean.
// In: every 100th row of flights-3m.parquet. Out: no difference. Why real rows: they hold what nobody invents.
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { columnsFromScan, rowToJson, scanColumns } from '../../common/predict/scan.ts';
import { quoteText } from '../../common/sql.ts';
import { describeFitted, levelCount, missingStatistics } from '../../coordinator/compile/levels.ts';
import { loadSql, rawColumns } from '../../coordinator/compile/sql.ts';
import {
  byOnnx,
  bySql,
  compileFeatures,
  differences,
  fitPart,
  makePart,
  openTestDuck,
  runGraph,
} from './both.ts';

const flights = fileURLToPath(
  new URL('../../node_modules/vega-datasets/data/flights-3m.parquet', import.meta.url),
);

const FEATURES = {
  distance: `standardize(log1p(impute(distance, 'median')))`,
  hour: 'category(hour(date))',
  weekday: 'category(weekday(date))',
  origin: 'vocabulary(origin, 500)',
  destination: 'vocabulary(destination, 500)',
  season: 'dayofyear(date)',
  long: 'category(distance > 1000 and month(date) in (6, 7, 8))',
};

test('the features of the example job are the same by SQL and by ONNX', {
  timeout: 60_000,
}, async () => {
  await using duck = await openTestDuck([flights]);
  const schema = await duck.describe(`SELECT * FROM read_parquet(${quoteText(flights)})`);
  const set = await compileFeatures(duck, FEATURES, schema);
  expect(rawColumns(set)).toEqual([
    { name: 'date', type: 'time' },
    { name: 'distance', type: 'number' },
    { name: 'origin', type: 'string' },
    { name: 'destination', type: 'string' },
  ]);
  await makePart(
    duck,
    set,
    `read_parquet(${quoteText(flights)}, file_row_number = true) WHERE file_row_number % 100 = 7`,
  );
  expect(levelCount(set)).toBe(2);
  const fitted = await fitPart(duck, set);
  const load = loadSql(set, fitted);
  expect(load.codes.map(({ feature, size }) => [feature, size > 200 ? 'many' : size])).toEqual([
    ['hour', 26],
    ['weekday', 9],
    ['origin', 'many'],
    ['destination', 'many'],
    ['long', 4],
  ]);
  const sql = await bySql(duck, set, fitted);
  expect(sql.rows).toBeGreaterThan(20_000);

  const { sql: select, kinds } = scanColumns(rawColumns(set));
  const json: Record<string, unknown>[] = [];
  const scanned: number[] = [];
  await duck.scan(`SELECT ${select.join(', ')} FROM part`, kinds, async (rows, columns) => {
    for (let row = 0; row < rows; row++) json.push(rowToJson(rawColumns(set), columns, row));
    const batch = columnsFromScan(rawColumns(set), columns, rows);
    scanned.push(...(await runGraph(set, fitted, batch)).codes);
  });
  const onnx = await byOnnx(set, fitted, json);
  expect(differences(sql, onnx)).toEqual([]);
  expect(scanned).toEqual(onnx.codes);

  const hours = sql.codes.filter((_, i) => i % 5 === 0);
  expect(hours.slice(0, 50)).toEqual(
    json.slice(0, 50).map((row) => 2 + Number(String(row.date).slice(11, 13))),
  );
  const mean = sql.numbers.filter((_, i) => i % 2 === 0).reduce((sum, x) => sum + x, 0) / sql.rows;
  expect(mean).toBeCloseTo(0, 3);
  for (const { sql: missing } of missingStatistics(set, fitted)) {
    expect(await duck.rows(`SELECT count(*) AS n FROM part WHERE ${missing}`)).toEqual([{ n: 0 }]);
  }
  expect(describeFitted(set, fitted).find(({ name }) => name === 'distance')).toMatchObject({
    expression: FEATURES.distance,
    fitted: expect.stringMatching(/^median \d+, mean 6\.\d+, std 0\.\d+$/),
  });
});
