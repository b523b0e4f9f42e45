import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDuck } from '../../../common/engine/duckdb.ts';
import { LIMITS } from '../../../common/limits.ts';
import { parseRows } from '../../../common/predict/rows.ts';
import type { SurveyColumn, SurveyProgram, SurveyResult } from '../../../common/stage/survey.ts';
import type { SchemaColumn } from '../../../common/wire/plan.ts';
import { columnTypeOf } from '../../../coordinator/compile/features.ts';
import { kindOf, programOf } from '../../../coordinator/survey/survey.ts';
import { runSurvey } from '../../../worker/stage/survey.ts';
import { runTask, tempFolder, wholeFile } from '../../support/runner.ts';

const MEMORY = 512 * 1024 * 1024;

type Written = { path: string; schema: readonly SchemaColumn[]; rows: number };

async function writeParquet(select: string): Promise<Written> {
  const folder = tempFolder();
  const path = join(folder, 'data.parquet');
  await using duck = await openDuck({
    memoryBytes: MEMORY,
    tempDir: join(folder, 'spill'),
    files: [path],
    writeDir: folder,
  });
  await duck.run(`COPY (${select}) TO '${path}' (FORMAT parquet)`);
  const [row] = await duck.rows(`SELECT count(*) AS n FROM read_parquet('${path}')`);
  const schema = await duck.describe(`SELECT * FROM read_parquet('${path}')`);
  return { path, schema, rows: row!.n as number };
}

/** The figures by column name. */
async function survey(
  select: string,
  change: Partial<SurveyProgram> = {},
): Promise<{ result: SurveyResult; by: Record<string, SurveyColumn>; written: Written }> {
  const written = await writeParquet(select);
  const columns = written.schema.map((column) => ({ ...column, kind: kindOf(column) }));
  const { result } = await runTask(runSurvey, {
    stage: 'survey',
    program: { ...programOf(columns, null), ...change },
    input: { kind: 'shard', shard: wholeFile('a.parquet', written.rows) },
    files: { 'a.parquet': written.path },
  });
  const figures = result as SurveyResult;
  const by = Object.fromEntries(written.schema.map(({ name }, i) => [name, figures.columns[i]!]));
  return { result: figures, by, written };
}

test('runSurvey() leaves out of its figures what is missing to a feature', async () => {
  const { by } = await survey(`SELECT * FROM (VALUES
    (1.5::DOUBLE, 7::BIGINT, 'a', true, 1.25::DECIMAL(9,2)), (NULL, NULL, NULL, NULL, NULL),
    ('nan', 7, '', false, 2.5), ('inf', 8, 'a', true, 2.5), ('-inf', 9, 'ä', NULL, 2.5), (2.5, 9, 'zz', true, 2.5)
  ) t(x, n, word, flag, price)`);
  expect(by.x).toMatchObject({
    missing: 4,
    distinct: 2,
    min: 1.5,
    max: 2.5,
    moments: [2, 2, 0.5],
    top: [
      { value: 1.5, count: 1 },
      { value: 2.5, count: 1 },
    ],
  });
  expect(by.n).toMatchObject({ missing: 1, distinct: 3, min: 7, max: 9, moments: [5, 8, 4] });
  expect(by.word).toMatchObject({ missing: 1, distinct: 4, min: null, moments: [5, 1, 0] });
  expect(by.word!.top.map(({ value, count }) => [value, count])).toEqual([
    ['a', 2],
    ['', 1],
    ['zz', 1],
    ['ä', 1],
  ]);
  expect(by.flag).toMatchObject({
    missing: 2,
    distinct: 2,
    min: 0,
    max: 1,
    moments: [4, 0.75, 0.75],
  });
  expect(by.flag!.top.map(({ value }) => value)).toEqual([true, false]);
  expect(by.price).toMatchObject({ missing: 1, distinct: 2, min: 1.25, max: 2.5 });
});

test('runSurvey() tells times as ISO text, of any type, zone and century', async () => {
  const { by, result } = await survey(`SELECT * FROM (VALUES
    (TIMESTAMP '1905-02-03 04:05:06.5', DATE '1969-12-31', TIMESTAMPTZ '2001-01-01 00:00:00+02', TIMESTAMP '0044-03-15 (BC) 00:00:00', TIME '10:00:00', TIMESTAMP_NS '2001-01-01 00:00:00.123456789'),
    (TIMESTAMP '2001-01-01 00:00:00', DATE '2001-01-01', NULL, TIMESTAMP 'infinity', TIME '11:00:00', NULL)
  ) t("at", "day", zoned, "old", clock, fine)`);
  expect(by.at).toMatchObject({ min: '1905-02-03T04:05:06.500000Z', max: '2001-01-01T00:00:00Z' });
  expect(by.at!.moments).toBeNull();
  expect(by.day).toMatchObject({ min: '1969-12-31T00:00:00Z', max: '2001-01-01T00:00:00Z' });
  expect(by.zoned).toMatchObject({ missing: 1, distinct: 1, min: '2000-12-31T22:00:00Z' });
  expect(by.old).toMatchObject({ missing: 2, distinct: 0, min: null, max: null, top: [] });
  expect(by.fine).toMatchObject({ missing: 1, min: '2001-01-01T00:00:00.123456Z' });
  expect(by.clock).toMatchObject({ missing: 0, distinct: 0, top: [] }); // no feature reads a TIME
  expect(result.sample[0]).not.toHaveProperty('clock');
});

test('runSurvey() tells whole numbers apart that are one DOUBLE', async () => {
  const { by, result } = await survey(
    `SELECT 9007199254740993 + r AS id, r::HUGEINT * 1e20::HUGEINT AS huge, r::UTINYINT AS small FROM range(200) t(r)`,
  );
  expect(by.id).toMatchObject({ distinct: 200, missing: 0 });
  expect(by.huge).toMatchObject({ distinct: 200, min: 0, max: 199e20 });
  expect(by.small).toMatchObject({ distinct: 200, max: 199 });
  expect(result.sample[1]).toEqual({ id: null, huge: null, small: 100 }); // strict JSON has no such integers
});

test('runSurvey() counts the NULLs alone of columns that no feature reads', async () => {
  const { by, result } = await survey(`SELECT CASE WHEN r > 1 THEN {'a': r, 'b': [r]} END AS pair,
    CASE WHEN r > 2 THEN [r] END AS list, MAP {'k': r} AS map, r AS __index
    FROM range(5) t(r)`);
  const missing = Object.entries(by).map(([name, figures]) => [name, figures.missing]);
  expect(Object.fromEntries(missing)).toEqual({
    pair: 2,
    list: 3,
    map: 0,
    __index: 0,
  });
  expect(Object.values(by).every(({ distinct, top }) => distinct === 0 && top.length === 0)).toBe(
    true,
  );
  expect(result.sample).toEqual([]);
});

test('runSurvey() takes any name of a column for a name', async () => {
  const names = [
    'sampled',
    'rowid',
    'v',
    's',
    'n',
    'h',
    'cells',
    'input',
    '__label',
    '___LABEL',
    'a"b',
    `it's; DROP TABLE x --`,
    'ünï 💥',
    'select',
    ' ',
    'distinct',
  ];
  const columns = names.map((name, i) => `r + ${i} AS "${name.replaceAll('"', '""')}"`);
  const { by, result } = await survey(`SELECT ${columns.join(', ')} FROM range(10) t(r)`, {
    label: { sql: '("rowid" > 3)', kind: 'binary' },
  });
  for (const [i, name] of names.entries()) {
    if (name.startsWith('__')) continue;
    expect(by[name], name).toMatchObject({ min: i, max: i + 9, distinct: 10 });
    expect(result.sample[0]![name]).toBe(i);
  }
  expect(result.label).toMatchObject({ missing: 0, moments: [10, 0.7, expect.closeTo(2.1)] });
});

test('runSurvey() takes rows evenly apart, and the same each time', async () => {
  const select = 'SELECT r FROM range(100_003) t(r)';
  const [one, two] = [await survey(select), await survey(select)];
  expect(one.result).toEqual(two.result);
  expect(one.result.rows).toBe(LIMITS.surveyRowsMax);
  const { moments, min, max, distinct, hashes } = one.by.r!;
  expect(distinct).toBe(LIMITS.surveyRowsMax);
  expect(hashes).toHaveLength(LIMITS.surveyHashesMax);
  expect(min).toBe(0);
  expect(max).toBeGreaterThan(99_990);
  expect(Math.abs(moments![1] - 50_001)).toBeLessThan(10);
});

test('runSurvey() reads only the rows of its shard', async () => {
  const written = await writeParquet('SELECT r FROM range(1000) t(r)');
  const { result } = await runTask(runSurvey, {
    program: programOf([{ name: 'r', type: 'BIGINT', kind: 'number' }], null),
    input: { kind: 'shard', shard: { ...wholeFile('a', 1000), rowStart: 200, rowEnd: 300 } },
    files: { a: written.path },
  });
  expect(result as SurveyResult).toMatchObject({ rows: 100, columns: [{ min: 200, max: 299 }] });
});

test('runSurvey() correlates columns with the label over rows that have both', async () => {
  const { by, result } = await survey(
    `SELECT r AS x, -r AS minus, CASE WHEN r % 2 = 0 THEN r END AS half, 5 AS same, to_timestamp(r) AS "at",
      (r % 3)::VARCHAR AS word, CASE WHEN r < 10 THEN NULL WHEN r = 11 THEN 'nan'::DOUBLE ELSE 3.0::DOUBLE * r + 1 END AS y FROM range(100) t(r)`,
    { label: { sql: '"y"', kind: 'regression' } },
  );
  expect(result.label).toMatchObject({ missing: 11, min: 31, max: 298 });
  const r = (name: string): number | null => {
    const pairs = by[name]!.pairs;
    return pairs && pairs.xy / Math.sqrt(pairs.xx * pairs.yy);
  };
  expect(r('x')).toBeCloseTo(1, 12);
  expect(r('minus')).toBeCloseTo(-1, 12);
  expect(r('half')).toBeCloseTo(1, 12);
  expect(r('at')).toBeCloseTo(1, 12);
  expect(by.half!.pairs!.n).toBe(45);
  expect(by.same!.pairs!.xx).toBe(0);
  expect(by.word!.pairs).toBeNull();
});

test('runSurvey() shows rows that the gateway takes', async () => {
  const { result, written } =
    await survey(`SELECT r / 3 AS x, 9e18::BIGINT + r AS big, 'a' || chr(0) || r AS word,
    TIMESTAMP '1969-12-31 23:59:59.25' + to_days(r::INTEGER) AS "at", DATE '2001-01-01' AS "day", r = 1 AS flag,
    CASE WHEN r = 0 THEN 'inf'::FLOAT END AS gone, repeat('€', 5000) AS long FROM range(9) t(r)`);
  const inputs = written.schema.map(({ name, type }) => ({ name, type: columnTypeOf(type)! }));
  const rows = JSON.parse(JSON.stringify(result.sample)) as Record<string, unknown>[];
  const parsed = parseRows({ inputs, label: 'binary', codes: [], numbers: [] }, rows);
  expect(parsed.rows).toBe(3);
  expect(rows[0]).toMatchObject({
    x: 0,
    big: null,
    gone: null,
    flag: false,
    at: '1969-12-31T23:59:59.250000Z',
  });
  expect([...(rows[0]!.long as string)]).toHaveLength(LIMITS.surveyTextMax);
});

test('runSurvey() says which rows have no label that can be computed', async () => {
  const bad = survey(`SELECT CASE WHEN r = 7 THEN 'x' ELSE '1' END AS word FROM range(10) t(r)`, {
    label: { sql: 'CAST("word" AS INTEGER)', kind: 'regression' },
  });
  await expect(bad).rejects.toMatchObject({
    code: 'SQL_RUNTIME',
    message: expect.stringMatching(/^Cannot compute the label for rows 0 to 10 of a\.parquet: /),
  });
});

test('runSurvey() survives numbers whose squares are none', async () => {
  const { by, result } = await survey(`SELECT unnest([1e308, -1e308, 1e308]) AS x`, {
    label: { sql: '"x"', kind: 'regression' },
  });
  expect(by.x).toMatchObject({ moments: null, pairs: null, min: -1e308, max: 1e308 });
  expect(result.label).toMatchObject({ missing: 0, moments: null });
});

test('runSurvey() takes many columns a few at a time, and puts their rows together', async () => {
  const columns = Array.from({ length: 150 }, (_, i) => `r + ${i} AS c${i}`);
  const { result } = await survey(`SELECT ${columns.join(', ')} FROM range(5) t(r)`, {
    label: { sql: '("c0" + "c149")', kind: 'regression' },
  });
  expect(result.columns.map(({ min }) => min)).toEqual(columns.map((_, i) => i));
  expect(result.label).toMatchObject({ min: 149, max: 157 });
  expect(result.sample.map((row) => [row.c0, row.c149])).toEqual([
    [0, 149],
    [2, 151],
    [4, 153],
  ]);
});

test('runSurvey() says which object has other rows than its footer claims', async () => {
  const written = await writeParquet('SELECT r FROM range(100) t(r)');
  const task = runTask(runSurvey, {
    program: programOf([{ name: 'r', type: 'BIGINT', kind: 'number' }], null),
    input: { kind: 'shard', shard: wholeFile('a', 1000) },
    files: { a: written.path },
  });
  await expect(task).rejects.toMatchObject({
    code: 'SHARD_UNREADABLE',
    message: 'Cannot survey rows 0 to 1000 of a: found 100 rows, expected 1000',
  });
});
