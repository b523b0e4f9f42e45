// Bad input over HTTP and in the lake, against real processes: each gets a clear error, and nothing is lost.
// In: specs, requests and files that are wrong in one way each. Out: the code, the place in the spec, and words
// that name what was done, the value and what was expected; around them, jobs that must work all the same.
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDuck } from '../../common/engine/duckdb.ts';
import { CODES, type Code } from '../../common/errors.ts';
import type { JobView } from '../../common/wire/view.ts';
import { type Line, startLine, untilAnswers } from '../support/line.ts';
import { freePort } from '../support/ports.ts';
import { tempFolder } from '../support/runner.ts';

const COLUMNS = 'departed, minutes, stop, late, price, at';

/** Half-hourly trips; a null in ten minutes, and a column that is called like a word of SQL. */
const trips = (rows: number, from = 0): string => `
  SELECT TIMESTAMP '2030-01-01' + to_minutes((i * 30)::BIGINT) AS departed,
    CASE WHEN i % 10 = 0 THEN NULL ELSE 5 + (i * 7919) % 40 END::BIGINT AS minutes,
    ['harbour', 'centre', 'hill'][1 + i % 3] AS stop, i % 3 = 0 OR i % 7 = 1 AS late,
    100000 + 1000.0 * (i // 2 % 24) + (i * 7919) % 1001 - 500 AS price, i AS "at"
  FROM range(${from}, ${from + rows}) t(i)`;

const job = {
  specVersion: 1,
  name: 'trips',
  dataset: 'good/*.parquet',
  label: 'late',
  split: { by: 'time', column: 'departed', validation: 0.1, test: 0.2 },
  features: { stop: 'vocabulary(stop, 10)' },
  train: { batchRows: 32, epochs: 1, lanes: 4 },
};

const lake = tempFolder();
let line: Line;

beforeAll(async () => {
  await put('good/1.parquet', trips(1500));
  await put('good/2.parquet', trips(1500, 1500));
  for (let i = 0; i < 60; i++) await put(`many/${i}.parquet`, trips(50, 50 * i));
  const sound = readFileSync(join(lake, 'good/1.parquet'));
  await putBeside('cut-later');
  await putBeside('csv-later');
  for (const name of ['cut-first/1.parquet', 'cut-later/2.parquet'])
    write(name, sound.subarray(0, 3000));
  for (const name of ['csv-first/1.parquet', 'csv-later/2.parquet']) write(name, 'a,b\n1,2\n');
  write('bad-pages/1.parquet', Buffer.from(sound).fill(0xa5, 200, 3000));
  write(
    'bad-footer/1.parquet',
    Buffer.from(sound).fill(0xa5, sound.length - 400, sound.length - 8),
  );
  const otherType = `SELECT * REPLACE (minutes::TEXT AS minutes) FROM (${trips(10)})`;
  await put('types-first/1.parquet', trips(10));
  await put('types-first/2.parquet', otherType);
  await putBeside('types-later');
  await put('types-later/2.parquet', otherType);
  await put('year-2099/1.parquet', trips(500));
  await put(
    'year-2099/2.parquet',
    `SELECT * REPLACE (TIMESTAMP '2099-01-01' AS departed) FROM (${trips(1)})`,
  );
  await put('replaced/1.parquet', trips(500));
  await put('deleted/1.parquet', trips(500));
  const lakeUri = pathToFileURL(lake).href;
  line = await startLine({ workers: 0, months: 1, rows: 10, lakeUri, gateway: true });
});
afterAll(() => line[Symbol.asyncDispose]());

async function put(name: string, sql: string): Promise<void> {
  mkdirSync(dirname(join(lake, name)), { recursive: true });
  const folders = { tempDir: tempFolder(), writeDir: lake };
  await using duck = await openDuck({ memoryBytes: 2 ** 28, files: [], ...folders });
  await duck.run(`COPY (${sql}) TO '${join(lake, name)}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`);
}

/** Sound objects 1, 3 … 9 of a folder: what is put as 2 is not among the few that are looked at when a job is submitted. */
async function putBeside(folder: string): Promise<void> {
  await put(`${folder}/1.parquet`, trips(10));
  const sound = readFileSync(join(lake, `${folder}/1.parquet`));
  for (let i = 3; i < 10; i++) write(`${folder}/${i}.parquet`, sound);
}

function write(name: string, bytes: string | Uint8Array): void {
  mkdirSync(dirname(join(lake, name)), { recursive: true });
  writeFileSync(join(lake, name), bytes);
}

type Problem = {
  readonly status: number;
  readonly code: Code;
  readonly detail: string;
  readonly remedy: string;
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[];
};

async function send(
  url: string,
  { method = 'GET', body, key }: { method?: string; body?: unknown; key?: string } = {},
) {
  const response = await fetch(url, {
    method,
    headers: {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  return {
    status: response.status,
    type: response.headers.get('content-type') ?? '',
    json: (await response.json()) as unknown,
  };
}

const post = (body: unknown, key?: string) =>
  send(`${line.coordinatorUrl}/v1/jobs`, { method: 'POST', body, ...(key ? { key } : {}) });

/** RFC 9457 with our code, its status and its remedy. */
function problemOf({ status, type, json }: Awaited<ReturnType<typeof send>>): Problem {
  const problem = json as Problem;
  expect(type).toContain('application/problem+json');
  expect(problem).toMatchObject({ type: 'about:blank', title: expect.any(String), status });
  const { remedy, status: expected } = CODES[problem.code];
  expect(problem).toMatchObject({ remedy, status: expected });
  expect(problem.detail).toMatch(/^Cannot [a-z]+ .*[^.]$/);
  return problem;
}

async function submit(change: object, key?: string): Promise<string> {
  const { status, json } = await post({ ...job, ...change }, key);
  expect(json).toMatchObject({ state: expect.any(String) });
  expect(status).toBe(202);
  return (json as JobView).id;
}

const viewOf = async (id: string): Promise<JobView> =>
  (await send(`${line.coordinatorUrl}/v1/jobs/${id}`)).json as JobView;

async function until(id: string, seen: (view: JobView) => boolean): Promise<JobView> {
  for (;;) {
    const view = await viewOf(id);
    if (seen(view)) return view;
    await delay(25); // the test's own limit ends a wait for what does not come
  }
}

const hasEnded = ({ state }: JobView): boolean =>
  ['succeeded', 'failed', 'cancelled'].includes(state);

describe('refused at submit', () => {
  const clean = (filter: string) => ({ clean: [{ filter }] });
  const feature = (sql: string) => ({ features: { a: sql } });
  const cases: readonly (readonly [string, object, Code, string, string | RegExp])[] = [
    ['a field', { lable: 'x' }, 'SPEC_INVALID', '/lable', 'did you mean "label"?'],
    ['a field below', { train: { epoch: 3 } }, 'SPEC_INVALID', '/train/epoch', '"epochs"?'],
    [
      'an operation',
      { clean: [{ requier: ['stop'] }] },
      'SPEC_INVALID',
      '/clean/0/requier',
      'did you mean "require"?',
    ],
    ['a model', { model: { kind: 'mpl' } }, 'SPEC_INVALID', '/model/kind', 'did you mean "mlp"?'],
    [
      'a feature function',
      feature('standardise(minutes)'),
      'SQL_REFUSED',
      '/features/a',
      'did you mean standardize?',
    ],
    ['a function', clean('abss(minutes) > 1'), 'SQL_REFUSED', '/clean/0/filter', 'mean abs?'],
    ['a type', { seed: 'x' }, 'SPEC_INVALID', '/seed', 'is "x", expected an integer'],
    ['a deep type', { train: { epochs: '3' } }, 'SPEC_INVALID', '/train/epochs', 'is "3"'],
    ['a name', { name: 'Bad Name' }, 'SPEC_INVALID', '/name', 'expected a name: 1–63 of'],
    [
      'batchRows',
      { train: { batchRows: 33, lanes: 4 } },
      'SPEC_INVALID',
      '/train/batchRows',
      'is 33, expected a multiple of lanes (4), for example 32',
    ],
    [
      'no serving target',
      feature('sin(minutes)'),
      'FEATURE_UNSERVABLE',
      '/features/a',
      'Cannot serve sin in feature a (character 1): it exists in batch only',
    ],
    ['no SQL', { label: 'late and' }, 'SQL_SYNTAX', '/label', 'at end of input (character 9)'],
    ['a keyword', clean('at > 3'), 'SQL_SYNTAX', '/clean/0/filter', 'write it in double quotes'],
    ['a keyword', feature('at + 1'), 'SQL_SYNTAX', '/features/a', 'write it in double quotes'],
    [
      'a missing label column',
      { label: 'lat' },
      'SQL_COLUMN',
      '/label',
      `expected one of ${COLUMNS}; did you mean late?`,
    ],
    ['a missing column', clean('minuts > 1'), 'SQL_COLUMN', '/clean/0/filter', COLUMNS],
    ['a missing column', feature('minuts'), 'SQL_COLUMN', '/features/a', COLUMNS],
    [
      'a missing column',
      { clean: [{ require: ['stop', 'stopp'] }] },
      'SQL_COLUMN',
      '/clean/0/require/1',
      COLUMNS,
    ],
    [
      'a missing split column',
      { split: { ...job.split, column: 'when' } },
      'SQL_COLUMN',
      '/split/column',
      COLUMNS,
    ],
    [
      'a missing hash column',
      { split: { by: 'hash', columns: ['stop', 'id'], validation: 0.1, test: 0.1 } },
      'SQL_COLUMN',
      '/split/columns/1',
      COLUMNS,
    ],
    [
      'a missing slice',
      { evaluate: { slices: ['stopp'] } },
      'SQL_COLUMN',
      '/evaluate/slices/0',
      COLUMNS,
    ],
    [
      'a file read',
      clean("read_text('/etc/passwd') is not null"),
      'SQL_REFUSED',
      '/clean/0/filter',
      'Cannot use the function read_text',
    ],
    [
      'a subquery',
      clean("exists(select 1 from read_text('/etc/passwd'))"),
      'SQL_REFUSED',
      '/clean/0/filter',
      'Cannot use a subquery',
    ],
    ['the environment', { label: "getenv('HOME') = 'x'" }, 'SQL_REFUSED', '/label', 'getenv'],
    [
      'a setting',
      clean("current_setting('threads') > 0"),
      'NON_DETERMINISTIC',
      '/clean/0/filter',
      'Cannot use current_setting',
    ],
    ['chance', { label: 'random() > 0.5' }, 'NON_DETERMINISTIC', '/label', 'Cannot use random'],
    ['the clock', clean('departed < now()'), 'NON_DETERMINISTIC', '/clean/0/filter', 'use now'],
    [
      'the day',
      clean('departed < current_date'),
      'NON_DETERMINISTIC',
      '/clean/0/filter',
      'current_date',
    ],
    ['a text label', { label: 'stop' }, 'SQL_TYPE', '/label', 'label of type VARCHAR'],
    [
      'a filter of numbers',
      clean('minutes + 1'),
      'SQL_TYPE',
      '/clean/0/filter',
      'Cannot filter by "minutes + 1": it is BIGINT, expected BOOLEAN',
    ],
    [
      'a time split by text',
      { split: { ...job.split, column: 'stop' } },
      'SQL_TYPE',
      '/split/column',
      'it is a string, expected a date or timestamp',
    ],
    ['an empty prefix', { dataset: 'none/*' }, 'INPUT_EMPTY', '/dataset', 'matched 0 objects'],
    ['a path upwards', { dataset: '../x/*' }, 'INPUT_OUTSIDE', '/dataset', 'outside the lake'],
    ['another root', { dataset: 'file:///etc/*' }, 'INPUT_OUTSIDE', '/dataset', 'outside the lake'],
    ['another store', { dataset: 's3://b/x/*' }, 'INPUT_OUTSIDE', '/dataset', 'outside the lake'],
    [
      'a cut file',
      { dataset: 'cut-first/*' },
      'SHARD_UNREADABLE',
      '/dataset',
      /cut-first\/1\.parquet as Parquet: its last bytes are ".*", expected "PAR1"/,
    ],
    ['text', { dataset: 'csv-first/*' }, 'SHARD_UNREADABLE', '/dataset', 'csv-first/1.parquet'],
    [
      'a bad footer',
      { dataset: 'bad-footer/*' },
      'SHARD_UNREADABLE',
      '/dataset',
      'Cannot read bad-footer/1.parquet as Parquet: its footer is not sound',
    ],
    [
      'types that differ',
      { dataset: 'types-first/*', features: { minutes: 'impute(minutes, 0)' } },
      'SCHEMA_DRIFT',
      '/features/minutes',
      'types-first/2.parquet',
    ],
  ];

  test.each(cases)('%s: %o', async (_what, change, code, pointer, words) => {
    const problem = problemOf(await post({ ...job, ...change }));
    expect(problem).toMatchObject({ code, errors: [{ pointer }] });
    expect(`${problem.detail}\n${problem.errors![0]!.detail}`).toMatch(words);
  });

  test.each([
    ['half an object', '{"specVersion": 1,', 'BAD_JSON', 'line 1, column 19: found the end'],
    ['a key twice', '{"seed": 1, "seed": 2}', 'BAD_JSON', 'the key "seed" stands twice'],
    ['no object', '[]', 'SPEC_INVALID', 'it is an array of 0, expected an object'],
    [
      '1 MB',
      JSON.stringify({ ...job, label: 'x'.repeat(1_000_000) }),
      'BODY_TOO_LARGE',
      '1000000 bytes',
    ],
  ])('a body of %s', async (_what, body, code, words) => {
    const problem = problemOf(await post(body));
    expect(problem.code).toBe(code);
    expect(problem.detail).toContain(words);
  });

  test('nothing of all that became a job', async () => {
    expect((await send(`${line.coordinatorUrl}/v1/jobs`)).json).toEqual({
      jobs: [],
      next: null,
      previous: null,
    });
  });
});

test('a gateway without any model is alive and not ready, and says why', async () => {
  expect((await send(`${line.gatewayUrl}/healthz`)).status).toBe(200);
  const { status, json } = await send(`${line.gatewayUrl}/readyz`);
  expect(status).toBe(503);
  expect(JSON.stringify(json)).toMatch(/model/);
});

test('a port that is taken ends a process with exit code 1 and the name of the setting', async () => {
  for (const role of ['coordinator', 'gateway'] as const) {
    const second = line.start(`second-${role}`, role);
    let output = '';
    second.stderr!.on('data', (bytes: Buffer) => {
      output += bytes.toString();
    });
    expect(await new Promise((resolve) => second.once('exit', resolve))).toBe(1);
    expect(output).toMatch(
      /"PORT_TAKEN".*the port is taken, expected a free one \(GRISTMILL_PORT\)/,
    );
  }
});

test.each([
  [
    { GRISTMILL_NATS: 'nats://127.0.0.1:1' },
    'QUEUE_UNAVAILABLE',
    'start "nats-server -js", or set',
  ],
  [{ GRISTMILL_LAKE: 'file:///no/such' }, 'STORE_UNAVAILABLE', 'file:///no/such'],
  [
    { GRISTMILL_STORE: 's3://bucket/x', AWS_ENDPOINT_URL: 'http://127.0.0.1:1' },
    'STORE_UNAVAILABLE',
    'http://127.0.0.1:1 (from AWS_ENDPOINT_URL) says connect ECONNREFUSED',
  ],
])('with %o coordinator and worker go on and say what they wait for', async (env, code, words) => {
  for (const role of ['coordinator', 'worker'] as const) {
    const port = String(await freePort());
    const waits = await lineThat(
      line.start(`early-${role}`, role, { ...env, GRISTMILL_PORT: port }),
      {
        has: 'waits for',
      },
    );
    expect(waits).toMatchObject({ level: 'warn', code });
    expect(waits.error).toMatch(/^Cannot .*expected/);
    expect(waits.error).toContain(words);
    await line.kill(`early-${role}`);
  }
});

test('with a wrong setting coordinator and worker end with exit code 2 and say what to do', async () => {
  for (const role of ['coordinator', 'worker'] as const) {
    const { exitCode, last } = await endOf(
      line.start(`wrong-${role}`, role, { GRISTMILL_STOER: 'x' }),
    );
    expect(exitCode).toBe(2);
    const { remedy } = CODES.CONFIG_INVALID;
    expect(last).toMatchObject({
      level: 'error',
      message: 'cannot run',
      code: 'CONFIG_INVALID',
      remedy,
    });
    expect(last.error).toMatch(/^Cannot .*expected GRISTMILL_STORE/);
  }
});

test('a gateway without store and NATS goes on, is not ready, and says what it lacks', async () => {
  const port = await freePort();
  const gateway = line.start('lonely-gateway', 'gateway', {
    GRISTMILL_NATS: 'nats://127.0.0.1:1',
    GRISTMILL_STORE: 'file:///no/such',
    GRISTMILL_PORT: String(port),
  });
  let output = '';
  gateway.stderr!.on('data', (bytes: Buffer) => {
    output += bytes.toString();
  });
  await untilAnswers(`http://127.0.0.1:${port}/healthz`);
  expect((await send(`http://127.0.0.1:${port}/readyz`)).status).toBe(503);
  while (!/file:\/\/\/no\/such/.test(output) || !/127\.0\.0\.1:1 /.test(output)) await delay(50);
  await line.kill('lonely-gateway');
});

/** The first line of its log that has these words in its message. */
function lineThat(
  started: ChildProcess,
  { has }: { readonly has: string },
): Promise<Record<string, string>> {
  return new Promise((resolve) => {
    let output = '';
    started.stderr!.on('data', (bytes: Buffer) => {
      output += bytes.toString();
      const lines = output.split('\n').slice(0, -1);
      const found = lines
        .map((text) => JSON.parse(text))
        .find(({ message }) => message.includes(has));
      if (found) resolve(found);
    });
  });
}

/** How a process ended and the last line of its log. */
async function endOf(started: ChildProcess): Promise<{
  exitCode: unknown;
  last: Record<string, string>;
}> {
  let output = '';
  started.stderr!.on('data', (bytes: Buffer) => {
    output += bytes.toString();
  });
  const exitCode = await new Promise((resolve) => started.once('close', resolve));
  return { exitCode, last: JSON.parse(output.trim().split('\n').at(-1)!) };
}

test('one Idempotency-Key is one job, also for requests at once; another body is refused', async () => {
  const spec = { specVersion: 1, name: 'keyed', dataset: 'good/*.parquet' };
  const answers = await Promise.all(Array.from({ length: 8 }, () => post(spec, 'k-1')));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([202]));
  expect(new Set(answers.map(({ json }) => (json as JobView).id)).size).toBe(1);
  expect((await post(spec, 'k-1')).json).toMatchObject({ name: 'keyed' });
  const problem = problemOf(await post({ ...spec, name: 'other' }, 'k-1'));
  expect(problem).toMatchObject({ code: 'IDEMPOTENCY_MISMATCH', status: 422 });
  const rivals = ['a', 'b', 'c', 'd'].map((name) => post({ ...spec, name }, 'k-2'));
  const statuses = (await Promise.all(rivals)).map(({ status }) => status);
  expect(statuses.toSorted()).toEqual([202, 422, 422, 422]);
  const { jobs } = (await send(`${line.coordinatorUrl}/v1/jobs`)).json as { jobs: JobView[] };
  expect(jobs).toHaveLength(2);
});

test('without a worker a job waits and says so; objects that change meanwhile end it by name', async () => {
  const replaced = await submit({ dataset: 'replaced/*' });
  const deleted = await submit({ dataset: 'deleted/*' });
  for (const id of [replaced, deleted])
    await until(id, ({ waiting }) => waiting === 'no worker is alive');
  await put('replaced/1.parquet', trips(501));
  rmSync(join(lake, 'deleted/1.parquet'));
  line.start('worker1', 'worker');
  await until(replaced, hasEnded);
  expect(await viewOf(replaced)).toMatchObject({
    state: 'failed',
    waiting: null,
    error: {
      code: 'INPUT_CHANGED',
      message: expect.stringMatching(
        /replaced\/1\.parquet: found etag .*, expected .*; it was replaced after the job took its snapshot/,
      ),
      remedy: 'Submit again: the job takes a new snapshot',
    },
  });
  expect((await until(deleted, hasEnded)).error).toMatchObject({
    code: 'INPUT_MISSING',
    message: expect.stringMatching(/deleted\/1\.parquet: .*; it was deleted after the job took/),
  });
});

describe('jobs that fail say what was done, the value, and what was expected', () => {
  const hugeLabel = { label: '1e12 + minutes' };
  const cases: Record<string, readonly [change: object, code: Code, words: string | RegExp]> = {
    'a later object that is cut': [
      { dataset: 'cut-later/*' },
      'SHARD_UNREADABLE',
      /Cannot read cut-later\/2\.parquet as Parquet: its last bytes are .*, expected "PAR1"/,
    ],
    'a later object of text': [
      { dataset: 'csv-later/*' },
      'SHARD_UNREADABLE',
      'Cannot read csv-later/2.parquet as Parquet: it has 8 bytes, expected at least 12',
    ],
    'pages that are not sound': [
      { dataset: 'bad-pages/*' },
      'SHARD_UNREADABLE',
      'Cannot read bad-pages/1.parquet as Parquet: the pages of its rows 0 to 1500 are not sound',
    ],
    'types that differ': [
      { dataset: 'types-later/*', features: { minutes: 'impute(minutes, 0)' } },
      'SCHEMA_DRIFT',
      'it is BIGINT in types-later/1.parquet and VARCHAR in types-later/2.parquet, expected types of which one holds',
    ],
    'one row of 2099': [
      { dataset: 'year-2099/*', split: { ...job.split, validation: '3d', test: '80w' } },
      'SPLIT_EMPTY',
      /leaves 0 rows for validation \(train 500, validation 0, test 1; .*up to the newest row, 2099-01-01T00:00:00.000Z\)/,
    ],
    'a split longer than the data': [
      { split: { ...job.split, validation: '300d', test: '300d' } },
      'SPLIT_EMPTY',
      'leaves 0 rows for train (train 0, validation 0, test 3000',
    ],
    'no row left': [
      { clean: [{ require: ['stop'] }, { filter: 'minutes > 1000' }] },
      'ROWS_NONE',
      'Cannot go on with 0 rows of 3000: require(stop) 0, filter(minutes > 1000) 3000',
    ],
    'one class': [
      { label: "stop <> 'x'" },
      'LABEL_CONSTANT',
      /the label is true in all \d+ training rows, expected both classes/,
    ],
    'one value': [{ label: '5' }, 'LABEL_CONSTANT', /the label is 5 in all \d+ training rows/],
    'a label beyond float32': [hugeLabel, 'LABEL_RANGE', 'models compute in float32'],
    'a feature with nulls': [
      { features: { minutes: 'minutes' } },
      'FEATURE_MISSING',
      /minutes in 210 of 2094 training rows, expected 0; wrap them in impute\(…, 'median'\) or coalesce/,
    ],
    'a cast that fails': [
      { clean: [{ filter: 'cast(stop as integer) > 0' }] },
      'SQL_RUNTIME',
      'Cannot compute filter(cast(stop as integer) > 0) for rows 0 to 1500 of good/',
    ],
    'a learning rate that is too high': [
      {
        label: 'price',
        features: { price: 'price' },
        train: { ...job.train, learningRate: 100, optimizer: 'sgd' },
      },
      'NONFINITE_LOSS',
      /Cannot apply step \d+: loss .*, expected finite numbers/,
    ],
  };
  const ids: Record<string, string> = {};

  beforeAll(async () => {
    for (const [name, [change]] of Object.entries(cases)) ids[name] = await submit(change);
  });

  test.each(Object.keys(cases))('%s', async (name) => {
    const [, code, words] = cases[name]!;
    const { state, error } = await until(ids[name]!, hasEnded);
    expect(state).toBe('failed');
    expect(error).toMatchObject({ code, remedy: CODES[code].remedy });
    expect(error!.message).toMatch(words);
  });
});

describe('jobs of every shape succeed beside them', () => {
  const succeeded = async (change: object): Promise<JobView> => {
    const view = await until(await submit(change), hasEnded);
    expect(view).toMatchObject({ state: 'succeeded', error: null });
    return view;
  };

  test('clean alone counts rows by rule', async () => {
    const { json } = await post({
      specVersion: 1,
      name: 'counts',
      dataset: 'good/*',
      clean: [{ require: ['minutes'] }, { filter: "stop <> 'hill'" }],
    });
    const view = await until((json as JobView).id, hasEnded);
    expect(view).toMatchObject({ state: 'succeeded', evaluation: null, published: null });
    expect(view.rows).toEqual({
      rowsIn: 3000,
      rowsOut: 1800,
      dropped: { 'require(minutes)': 300, "filter(stop <> 'hill')": 900 },
    });
  });

  test('without publish: an evaluation and no version; fractions of time with a gap', async () => {
    const view = await succeeded({ split: { ...job.split, gap: '1d' } });
    expect(view).toMatchObject({ published: null, gate: null, decision: 'none' });
    expect(view.evaluation!.metrics.logLoss).toBeLessThan(view.evaluation!.baseline.logLoss!);
    const { train, validation, test: tested, edges } = view.split!;
    expect(train + validation + tested).toBe(3000 - 2 * 48); // a day left out twice
    expect(Date.parse(edges.validationAfter as string) - 86_400_000).toBe(
      Date.parse(edges.trainUpTo as string),
    );
  });

  test('a hash split, sgd with momentum and slices', async () => {
    const view = await succeeded({
      split: { by: 'hash', columns: ['at', 'stop'], validation: 0.2, test: 0.2 },
      train: { ...job.train, optimizer: 'sgd', learningRate: 0.1, momentum: 0.8, epochs: 2 },
      evaluate: { slices: ['stop'] },
    });
    const { train, validation, test: tested } = view.split!;
    expect(train + validation + tested).toBe(3000);
    expect(Math.abs(tested - 600)).toBeLessThan(100);
    expect(view.evaluation!.metrics.auc).toBeGreaterThan(0.8);
    expect(view.evaluation!.slices.stop!.map(({ value }) => value).sort()).toEqual([
      'centre',
      'harbour',
      'hill',
    ]);
  });

  test('a regression of large labels with a linear model, published; losses in squared label units', async () => {
    const view = await succeeded({
      label: 'price',
      features: { hour: 'category(hour(departed))' },
      model: { kind: 'linear' },
      train: { ...job.train, learningRate: 0.05, epochs: 8 },
      publish: { model: 'price' },
    });
    expect(view.evaluation!.metrics.r2).toBeGreaterThan(0.99);
    const last = view.epochs.at(-1)!;
    const { mse } = view.evaluation!.metrics;
    for (const loss of [last.loss, last.validationLoss!]) {
      expect(loss / mse!).toBeGreaterThan(0.2);
      expect(loss / mse!).toBeLessThan(5);
    }
    expect(view).toMatchObject({ decision: 'accepted', published: { version: 1 } });
  });
});

test('names that are not there are answered by those that are', async () => {
  const readyz = `${line.gatewayUrl}/readyz`;
  while ((await send(readyz)).status !== 200) await delay(50);
  const { id } = ((await send(`${line.coordinatorUrl}/v1/jobs`)).json as { jobs: JobView[] })
    .jobs[0]!;
  const body = { instances: [{ departed: '2030-01-01T07:00:00Z' }] };
  for (const [url, method, code, words] of [
    ['/v1/jobs/j-none', 'GET', 'NOT_FOUND', id],
    ['/v1/jobs/j-none/cancel', 'POST', 'NOT_FOUND', id],
    ['/v1/models/prize', 'GET', 'NOT_FOUND', 'expected one of price'],
    ['/v1/models/price/versions/9', 'GET', 'NOT_FOUND', 'it has version 1'],
    ['/v1/models/price/versions/x', 'GET', 'NOT_FOUND', 'expected a number from 1'],
    [
      '/v1/models/price/environments/dev/aliases/best',
      'GET',
      'NOT_FOUND',
      'it has champion in dev',
    ],
    ['/v1/models/price/environments/prod/aliases/champion', 'GET', 'NOT_FOUND', 'champion in dev'],
    ['/v1/models/Bad_Name', 'GET', 'BAD_NAME', '"Bad_Name" as a model name'],
  ] as const) {
    const problem = problemOf(await send(`${line.coordinatorUrl}${url}`, { method }));
    expect(problem.code, url).toBe(code);
    expect(problem.detail).toContain(words);
  }
  for (const [path, words] of [
    ['prize:predict', 'expected one of price'],
    ['price/versions/9:predict', 'expected one of 1'],
    ['price/aliases/best:predict', 'expected one of champion'],
  ] as const) {
    const answer = await send(`${line.gatewayUrl}/v1/models/${path}`, { method: 'POST', body });
    const detail = expect.stringMatching(`^Cannot find .*: ${words}$`);
    expect(problemOf(answer)).toMatchObject({ code: 'NOT_FOUND', status: 404, detail });
  }
  const served = await send(`${line.gatewayUrl}/v1/models/price:predict`, { method: 'POST', body });
  const { predictions } = served.json as { predictions: number[] };
  expect(Math.abs(predictions[0]! - 107_000)).toBeLessThan(1000);
});

test.each([
  ['prepare', { dataset: 'many/*' }],
  ['train', { train: { ...job.train, epochs: 1000 } }],
] as const)(
  'a job cancelled in mid-%s ends so, and its worker takes the next one',
  async (stage, change) => {
    const id = await submit(change);
    await until(id, ({ stages, training }) =>
      stage === 'train'
        ? (training?.round ?? 0) > 0
        : stages.some(({ tasks }) => tasks.done > 0 && tasks.done < tasks.total),
    );
    const url = `${line.coordinatorUrl}/v1/jobs/${id}/cancel`;
    const { status, json } = await send(url, { method: 'POST' });
    expect(status).toBe(202);
    expect((json as JobView).state).toMatch(/^cancell(ing|ed)$/);
    const cancelled = await until(id, hasEnded);
    expect(cancelled).toMatchObject({ state: 'cancelled', error: null });
    const again = problemOf(await send(url, { method: 'POST' }));
    expect(again).toMatchObject({ code: 'CONFLICT', status: 409 });

    const next = await until(await submit({ seed: stage.length }), hasEnded);
    expect(next).toMatchObject({ state: 'succeeded' });
    for (;;) {
      const { workers } = (await send(`${line.coordinatorUrl}/v1/workers`)).json as {
        workers: readonly { tasks: readonly string[]; runs: readonly unknown[] }[];
      };
      if (workers.every(({ tasks, runs }) => tasks.length === 0 && runs.length === 0)) break;
      await delay(50);
    }
    const { done, total } = cancelled.stages.find((each) => each.stage === stage)!.tasks;
    expect(done).toBeLessThan(total);
  },
);
