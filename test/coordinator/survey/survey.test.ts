// A dataset looked at in one process: an API's question, a queue, a worker with real engines, an answer.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Clock, systemClock } from '../../../common/clock.ts';
import { openDuck } from '../../../common/engine/duckdb.ts';
import { readNumerics } from '../../../common/engine/numerics.ts';
import { LIMITS } from '../../../common/limits.ts';
import { silentLog as log } from '../../../common/log.ts';
import { createMemoryQueue } from '../../../common/queue/memory.ts';
import type { Queue } from '../../../common/queue/queue.ts';
import { type MemoryStore, memoryStore } from '../../../common/store/memory.ts';
import { watchWorkers } from '../../../coordinator/dispatch/workers.ts';
import { readFooter } from '../../../coordinator/snapshot/footer.ts';
import { RowGroups } from '../../../coordinator/snapshot/row-groups.ts';
import { cachedFooters, type FooterReader } from '../../../coordinator/snapshot/snapshot.ts';
import type { Machinery } from '../../../coordinator/stage/context.ts';
import { lookAt, makeSurveyor, type SurveyDataset } from '../../../coordinator/survey/survey.ts';
import coordinatorThread from '../../../coordinator/thread.ts';
import { makeExecute } from '../../../worker/execute.ts';
import { Fetcher } from '../../../worker/fetch.ts';
import { startWorker, type Worker } from '../../../worker/supervisor.ts';
import workerThread from '../../../worker/thread.ts';
import { createTestClock } from '../../support/clock.ts';
import { inlineChild } from '../../support/inline-child.ts';
import { tempFolder } from '../../support/runner.ts';

const scratch = tempFolder();
const lake = memoryStore();
const signal = new AbortController().signal;

type World = {
  readonly look: SurveyDataset;
  readonly store: MemoryStore;
  readonly worker: Worker;
};
let world: World;

beforeAll(async () => {
  const trips = (day: number): string => `SELECT r + ${day} * 1000 AS id,
    TIMESTAMP '2001-01-01' + to_minutes((r + ${day} * 1000)::BIGINT) AS departed,
    CASE WHEN r % 10 = 0 THEN NULL ELSE r % 7 END AS minutes, ['hill', 'mill'][1 + r % 2] AS stop,
    'same' AS line, r % 4 = 0 AS late, [r] AS list, r AS __index, 'x' AS codes FROM range(1000) t(r)`;
  for (let day = 0; day < 6; day++) await put(`trips/${day}.parquet`, trips(day));
  await put('none/a.parquet', 'SELECT 1 AS x WHERE false');
  await put('drift/a.parquet', 'SELECT 1 AS x');
  await put('drift/b.parquet', "SELECT 'a' AS x");
  await put(
    'text/a.parquet',
    "SELECT CASE WHEN r = 7 THEN 'x' ELSE '1' END AS word FROM range(10) t(r)",
  );
  await put('own/a.parquet', 'SELECT 1 AS file_row_number');
  world = startWorld({ clock: systemClock, withWorker: true });
});
afterAll(() => world.worker.stop(0));

function startWorld(of: { clock: Clock; withWorker: boolean; queue?: Queue }): World {
  const { clock, queue = createMemoryQueue(clock) } = of;
  const store = memoryStore();
  const child = inlineChild(coordinatorThread);
  const machinery: Machinery = {
    ...{ store, lake, queue, clock, log, child, workers: watchWorkers(queue, clock) },
    scratch,
    readFooter: cachedFooters((object) => readFooter(lake, object, { child, scratch })),
  };
  const engines = inlineChild(workerThread);
  const worker = of.withWorker
    ? startWorker({
        ...{ queue, store, clock, log, numerics: readNumerics(), threads: 2, memoryBytes: 4e9 },
        execute: makeExecute(engines, new Fetcher({ store, lake, scratch }), clock),
      })
    : ({ stop: async () => {} } as Worker);
  return { look: makeSurveyor(machinery), store, worker };
}

async function put(key: string, select: string): Promise<void> {
  const path = join(scratch, `${key.replaceAll('/', '-')}`);
  await using duck = await openDuck({
    memoryBytes: 2 ** 28,
    tempDir: tempFolder(),
    files: [],
    writeDir: scratch,
  });
  await duck.run(`COPY (${select}) TO '${path}' (FORMAT parquet)`);
  await lake.create(key, await readFile(path));
}

test('surveyDataset() tells what there is, and how a label behaves on it', async () => {
  const view = await world.look({
    uri: 'trips/*.parquet',
    label: 'minutes > 3 and not late',
    signal,
  });
  expect(view).toMatchObject({
    uri: 'trips/*.parquet',
    objects: 6,
    footers: 6,
    rowGroups: 6,
    rows: 6000,
    sampledRows: 6000,
    label: {
      expression: 'minutes > 3 and not late',
      kind: 'binary',
      columns: ['minutes', 'late'],
      missing: 300,
      min: 0,
      max: 1,
    },
  });
  const by = Object.fromEntries(view.columns.map((column) => [column.name, column]));
  expect(view.columns.map(({ name, type, kind }) => [name, type, kind])).toEqual([
    ['id', 'BIGINT', 'number'],
    ['departed', 'TIMESTAMP', 'time'],
    ['minutes', 'BIGINT', 'number'],
    ['stop', 'VARCHAR', 'text'],
    ['line', 'VARCHAR', 'text'],
    ['late', 'BOOLEAN', 'boolean'],
    ['list', 'BIGINT[]', null],
    ['__index', 'BIGINT', null],
    ['codes', 'VARCHAR', 'text'],
  ]);
  expect(by.id).toMatchObject({ distinct: 6000, nulls: 0, min: 0, max: 5999, mean: 2999.5 });
  expect(by.departed).toMatchObject({ min: '2001-01-01T00:00:00Z', max: '2001-01-05T03:59:00Z' });
  expect(by.minutes).toMatchObject({ nulls: 600, distinct: 7, min: 0, max: 6 });
  expect(by.stop).toMatchObject({ distinct: 2, lengthMean: 4 });
  expect(by.stop!.top).toEqual([
    { value: 'hill', count: 3000 },
    { value: 'mill', count: 3000 },
  ]);
  expect(by.line).toMatchObject({ distinct: 1, top: [{ value: 'same', count: 6000 }] });
  expect(by.late).toMatchObject({ distinct: 2, mean: 0.25 });
  expect(by.minutes!.labelCorrelation).toBeGreaterThan(0.5);
  expect(by.stop!.labelCorrelation).toBeNull();
  expect(view.sample).toHaveLength(3);
  expect(view.sample[0]).toEqual({
    id: 0,
    departed: '2001-01-01T00:00:00Z',
    minutes: null,
    stop: 'hill',
    line: 'same',
    late: true,
    codes: 'x',
  });
});

test('surveyDataset() asked twice writes nothing, and answers the same', async () => {
  const request = { uri: 'trips/*.parquet', label: 'late', signal };
  const first = await world.look(request);
  const before = await keysOf(world.store);
  expect(await world.look(request)).toEqual(first);
  expect(await keysOf(world.store)).toEqual(before);
  expect(before.filter((key) => key.startsWith('snapshots/') || key.endsWith('.parquet'))).toEqual(
    [],
  );
});

async function keysOf(store: MemoryStore): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('')) keys.push(key);
  return keys;
}

test('surveyDataset() of no rows needs no worker', async () => {
  const { look } = startWorld({ clock: createTestClock(), withWorker: false });
  expect(await look({ uri: 'none/*.parquet', label: 'x > 1', signal })).toMatchObject({
    rows: 0,
    sampledRows: 0,
    columns: [{ name: 'x', kind: 'number', nulls: 0, distinct: 0, min: null, mean: null, top: [] }],
    label: { missing: 0, mean: null, std: null },
    sample: [],
  });
});

test.each([
  ['nowhere/*.parquet', null, 'INPUT_EMPTY', '/uri'],
  ['../*.parquet', null, 'INPUT_OUTSIDE', '/uri'],
  ['drift/*', 'x > 1', 'SCHEMA_DRIFT', '/label'],
  ['own/*', null, 'SQL_COLUMN', '/uri'],
  ['trips/*', 'late >', 'SQL_SYNTAX', '/label'],
  ['trips/*', '__index > 1', 'SQL_COLUMN', '/label'],
  ['trips/*', 'lat', 'SQL_COLUMN', '/label'],
  ['trips/*', 'random() > 0.5', 'NON_DETERMINISTIC', '/label'],
  ['trips/*', "getenv('HOME') = ''", 'SQL_REFUSED', '/label'],
  ['trips/*', 'stop', 'SQL_TYPE', '/label'],
  ['text/*', 'cast(word as integer)', 'SQL_RUNTIME', '/label'],
] as const)('surveyDataset() of %s with the label %s is %s', async (uri, label, code, pointer) => {
  const error = await world.look({ uri, label, signal }).catch((e: unknown) => e);
  expect(error).toMatchObject({ code, errors: [{ pointer }] });
});

test('surveyDataset() says so where nobody works, and ends with its client', async () => {
  const clock = createTestClock();
  const { look } = startWorld({ clock, withWorker: false });
  const client = new AbortController();
  const [alone, left] = [signal, client.signal].map((one) =>
    look({ uri: 'trips/*', label: null, signal: one }).catch((error: unknown) => error),
  );
  client.abort(new Error('hung up'));
  expect(await Promise.race([left, passing(clock)])).toMatchObject({ message: 'hung up' });
  expect(await Promise.race([alone, passing(clock)])).toMatchObject({
    code: 'WORKERS_NONE',
    message:
      'Cannot look into dataset "trips/*": no worker is alive after 30 s, expected at least 1',
  });
});

test('surveyDataset() names a queue that does not answer, and not workers that nobody can hear', async () => {
  const clock = createTestClock();
  const queue = { ...createMemoryQueue(clock), uri: 'nats://q:4222', isConnected: () => false };
  const { look } = startWorld({ clock, withWorker: false, queue });
  const failed = look({ uri: 'trips/*', label: null, signal }).catch((error: unknown) => error);
  expect(await Promise.race([failed, passing(clock)])).toMatchObject({
    code: 'QUEUE_UNAVAILABLE',
    message:
      'Cannot look into dataset "trips/*": the queue at nats://q:4222 does not answer, expected workers to be reached through it',
  });
});

test('lookAt() of very many objects reads some footers, and estimates the rest by bytes', async () => {
  const [many, read] = [memoryStore(), [] as string[]];
  for (let i = 0; i < 1000; i++) {
    await many.create(`${String(i).padStart(4, '0')}.parquet`, new Uint8Array(i < 500 ? 100 : 300));
  }
  const readFooter: FooterReader = async ({ key, bytes }) => {
    read.push(key);
    const rowGroups = new RowGroups([{ rows: bytes * 10, bytes, chunks: [[4, bytes - 4]] }]);
    const schema = [{ name: 'x', type: 'DOUBLE' }];
    return { schema, rowGroups, rows: bytes * 10, footerBytes: 4 };
  };
  const { size } = await lookAt(
    { lake: many, readFooter, clock: systemClock },
    { uri: '*.parquet', signal },
  );
  expect(size).toMatchObject({ objects: 1000, footers: LIMITS.surveyFootersMax, bytes: 200_000 });
  expect(size.rows).toBe(2_000_000);
  expect(size.rowGroups / 1000).toBeCloseTo(1, 1);
  expect(read.sort()).toHaveLength(LIMITS.surveyFootersMax);
  expect([read[0], read.at(-1)]).toEqual(['0000.parquet', '0999.parquet']);

  const gone = AbortSignal.abort(new Error('hung up'));
  const left = lookAt(
    { lake: many, readFooter, clock: systemClock },
    { uri: '*.parquet', signal: gone },
  );
  await expect(left).rejects.toThrow('hung up');
});

/** Lets a minute pass: footers are read meanwhile, in real time. */
async function passing(clock: ReturnType<typeof createTestClock>): Promise<'a minute'> {
  for (let i = 0; i < 120; i++) {
    await clock.advance(500);
    await systemClock.sleep(5);
  }
  return 'a minute';
}
