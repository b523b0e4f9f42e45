import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bucketSalt, rowBucket } from '../../../common/algorithm/bucket.ts';
import { openDuck } from '../../../common/engine/duckdb.ts';
import type { PrepareProgram, PrepareResult } from '../../../common/stage/prepare.ts';
import { runPrepare } from '../../../worker/stage/prepare.ts';
import { runTask, tempFolder, wholeFile } from '../../support/runner.ts';

const MEMORY = 512 * 1024 * 1024;

async function writeParquet(select: string): Promise<string> {
  const folder = tempFolder();
  const path = join(folder, 'data.parquet');
  await using duck = await openDuck({
    memoryBytes: MEMORY,
    tempDir: join(folder, 'spill'),
    files: [],
    writeDir: folder,
  });
  await duck.run(`COPY (${select}) TO '${path}' (FORMAT parquet)`);
  return path;
}

async function readParquet(path: string, sql: string): Promise<Record<string, unknown>[]> {
  await using duck = await openDuck({ memoryBytes: MEMORY, tempDir: tempFolder(), files: [path] });
  return await duck.rows(sql.replace('part', `read_parquet('${path}')`));
}

const program: PrepareProgram = {
  formatVersion: 1,
  kind: 'prepare',
  columns: [
    { name: 'x', type: 'number', sql: 'x::DOUBLE' },
    { name: 'word', type: 'string', sql: 'word' },
  ],
  reads: ['x', 'word', 'at'],
  rules: [
    { name: 'require(x)', sql: 'x IS NOT NULL' },
    { name: 'filter(x > 10)', sql: 'x > 10' },
    { name: 'filter(x <> 11)', sql: 'x <> 11' },
  ],
  label: { sql: 'x > 500', kind: 'binary' },
  split: { sql: 'epoch_us("at")', by: 'time' },
  buckets: 64,
};
const SOURCE = `SELECT CASE WHEN r % 100 = 0 THEN NULL ELSE r END::BIGINT AS x, 'w' || (r % 7) AS word,
  CASE WHEN r = 999 THEN NULL ELSE TIMESTAMP '2001-01-01' + to_hours(r::BIGINT) END AS "at" FROM range(1000) t(r)`;

test('runPrepare() counts each row for the first rule it fails, and loses none', async () => {
  const file = await writeParquet(SOURCE);
  const { result } = await runTask(runPrepare, {
    program,
    input: { kind: 'shard', shard: wholeFile('a.parquet', 1000) },
    files: { 'a.parquet': file },
  });
  const { rowsIn, rowsOut, dropped, labels } = result as PrepareResult;
  expect(dropped).toEqual({
    'require(x)': 10,
    'filter(x > 10)': 10,
    'filter(x <> 11)': 1,
    'label is missing': 0,
    'split key is missing': 1,
  });
  expect(rowsIn).toBe(1000);
  expect(rowsOut).toBe(978);
  expect(labels![0] + labels![1]).toBe(978);
});

test('runPrepare() orders a part by bucket and row, and says where each bucket lies', async () => {
  const file = await writeParquet(SOURCE);
  const { result, blobs } = await runTask(runPrepare, {
    program,
    input: { kind: 'shard', shard: wholeFile('a.parquet', 1000) },
    files: { 'a.parquet': file },
  });
  const { part } = result as PrepareResult;
  const rows = await readParquet(blobs[0]!.path, 'SELECT __row AS row FROM part');
  const salt = bucketSalt('a.parquet');
  const buckets = rows.map(({ row }) => rowBucket(salt, row as number));
  expect(buckets).toEqual([...buckets].sort((a, b) => a - b));
  part!.bucketOffsets.slice(0, 64).forEach((start, bucket) => {
    expect(new Set(buckets.slice(start, part!.bucketOffsets[bucket + 1]))).toEqual(
      new Set(start === part!.bucketOffsets[bucket + 1] ? [] : [bucket]),
    );
  });
  expect(part!.bucketOffsets.at(-1)).toBe(978);
});

test('runPrepare() writes the same bytes every time, and other shards other rows', async () => {
  const file = await writeParquet(SOURCE);
  const of = (shard: ReturnType<typeof wholeFile>) =>
    runTask(runPrepare, { program, input: { kind: 'shard', shard }, files: { 'a.parquet': file } });
  const whole = wholeFile('a.parquet', 1000);
  const [first, second] = [await of(whole), await of(whole)];
  expect(first.result).toEqual(second.result);
  const halves = [await of({ ...whole, rowEnd: 500 }), await of({ ...whole, rowStart: 500 })];
  const rowsOut = halves.map(({ result }) => (result as PrepareResult).rowsOut);
  expect(rowsOut[0]! + rowsOut[1]!).toBe(978);
});

test('runPrepare() without a row left has no part and still accounts for every row', async () => {
  const file = await writeParquet(SOURCE);
  const none = { ...program, rules: [{ name: 'filter(false)', sql: 'false' }] };
  const { result, blobs } = await runTask(runPrepare, {
    program: none,
    input: { kind: 'shard', shard: wholeFile('a.parquet', 1000) },
    files: { 'a.parquet': file },
  });
  expect(blobs).toEqual([]);
  expect(result).toMatchObject({
    rowsIn: 1000,
    rowsOut: 0,
    part: null,
    dropped: { 'filter(false)': 1000 },
  });
});

test('runPrepare() names the expression that cannot be computed, with its rows and object', async () => {
  const file = await writeParquet(SOURCE);
  const run = (change: Partial<PrepareProgram>) =>
    runTask(runPrepare, {
      program: { ...program, ...change },
      input: { kind: 'shard', shard: wholeFile('a.parquet', 1000) },
      files: { 'a.parquet': file },
    });
  const bad = { name: 'filter(word::integer > 1)', sql: 'CAST(word AS INTEGER) > 1' };
  await expect(run({ rules: [program.rules[0]!, bad] })).rejects.toMatchObject({
    code: 'SQL_RUNTIME',
    message:
      'Cannot compute filter(word::integer > 1) for rows 0 to 1000 of a.parquet: a value cannot be converted or is out of range (as INT32)',
  });
  await expect(
    run({ label: { sql: 'CAST(word AS INTEGER)', kind: 'regression' } }),
  ).rejects.toThrow('Cannot compute the label for rows 0 to 1000 of a.parquet');
});

test('runPrepare() names the object whose pages are not sound', async () => {
  const file = await writeParquet(SOURCE);
  const bytes = await readFile(file);
  await writeFile(file, bytes.fill(0xa5, 4, 2000));
  const run = runTask(runPrepare, {
    program,
    input: { kind: 'shard', shard: wholeFile('a.parquet', 1000) },
    files: { 'a.parquet': file },
  });
  await expect(run).rejects.toMatchObject({
    code: 'SHARD_UNREADABLE',
    message: 'Cannot read a.parquet as Parquet: the pages of its rows 0 to 1000 are not sound',
  });
});

/** Object i holds rows i·100 … of the source; the second lacks `word`, the third has `x` narrower. */
async function writePack() {
  const rows = (from: number, columns: string) =>
    writeParquet(
      `SELECT ${columns} FROM (${SOURCE}) WHERE coalesce(x, 0) >= 0 LIMIT 100 OFFSET ${from}`,
    );
  const files = {
    'd=1/a.parquet': await rows(0, '*'),
    'd=2/b.parquet': await rows(100, '* EXCLUDE (word)'),
    'd=2/c.parquet': await rows(200, '* REPLACE (x::SMALLINT AS x)'),
    'd=3/d.parquet': await rows(300, '*'),
  };
  const types = [undefined, { word: null }, { x: 'SMALLINT' }, undefined];
  const shards = Object.keys(files).map((key, i) => ({
    ...wholeFile(key, 100),
    ...(types[i] ? { types: types[i] } : {}),
  }));
  return { files, shards };
}
const packProgram: PrepareProgram = {
  ...program,
  columns: [...program.columns, { name: 'd', type: 'string', sql: 'd' }],
  source: [
    { name: 'x', type: 'BIGINT' },
    { name: 'word', type: 'VARCHAR' },
    { name: 'at', type: 'TIMESTAMP' },
    { name: 'd', type: 'VARCHAR', from: 'folder' },
  ],
};

test('runPrepare() of a pack gives the rows of its objects, each in its own bucket, numbered through', async () => {
  const { files, shards } = await writePack();
  const packed = await runTask(runPrepare, {
    ...{ program: packProgram, input: { kind: 'pack', shards }, files },
  });
  const whole = packed.result as PrepareResult;
  const alone = await Promise.all(
    shards.map((shard) =>
      runTask(runPrepare, { program: packProgram, input: { kind: 'shard', shard }, files }),
    ),
  );
  const rowsOf = async (path: string, add: number) =>
    readParquet(path, `SELECT * REPLACE (__row + ${add} AS __row) FROM part ORDER BY __row`);
  const expected = await Promise.all(alone.map(({ blobs }, i) => rowsOf(blobs[0]!.path, 100 * i)));
  expect(await rowsOf(packed.blobs[0]!.path, 0)).toEqual(expected.flat());
  const results = alone.map(({ result }) => result as PrepareResult);
  expect(whole).toMatchObject({ rowsIn: 400, rowsOut: expected.flat().length });
  expect(whole.part!.bucketOffsets).toEqual(
    whole.part!.bucketOffsets.map((_, b) =>
      results.reduce((sum, { part }) => sum + part!.bucketOffsets[b]!, 0),
    ),
  );
  expect(whole.part!.source).toEqual({ key: 'd=1/a.parquet', rowStart: 0 });
  const order = await readParquet(packed.blobs[0]!.path, 'SELECT __row AS r FROM part');
  const buckets = order.map(({ r }) => {
    const row = Number(r);
    return rowBucket(bucketSalt(shards[Math.floor(row / 100)]!.key), row % 100);
  });
  expect(buckets).toEqual(buckets.toSorted((a, b) => a - b));
});

test('runPrepare() of a pack names the object that is bad, and the rule that fails in it', async () => {
  const { files, shards } = await writePack();
  const attempt = (change: Partial<PrepareProgram>) =>
    runTask(runPrepare, {
      program: { ...packProgram, ...change },
      ...{ input: { kind: 'pack', shards }, files },
    });
  const raised = {
    name: 'filter(bad)',
    sql: 'CASE WHEN x = 250 THEN word::INTEGER ELSE 1 END > 0',
  };
  await expect(attempt({ rules: [raised] })).rejects.toMatchObject({
    code: 'SQL_RUNTIME',
    message: expect.stringMatching(
      /^Cannot compute filter\(bad\) for rows 0 to 100 of d=2\/c\.parquet: /,
    ),
  });
  const bytes = await readFile(files['d=2/b.parquet']);
  await writeFile(files['d=2/b.parquet'], bytes.fill(0xa5, 10, 200));
  await expect(attempt({})).rejects.toMatchObject({
    code: 'SHARD_UNREADABLE',
    message: 'Cannot read d=2/b.parquet as Parquet: the pages of its rows 0 to 100 are not sound',
  });
});

test('runPrepare() for a program that says no types reads no object that has a column otherwise', async () => {
  const { files, shards } = await writePack();
  await expect(
    runTask(runPrepare, { program, input: { kind: 'shard', shard: shards[1]! }, files }),
  ).rejects.toMatchObject({
    code: 'SCHEMA_DRIFT',
    message: expect.stringMatching(
      /^Cannot read rows 0 to 100 of d=2\/b\.parquet: .*column "word" is not in it, /,
    ),
  });
});
