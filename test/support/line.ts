// The whole line as real processes, with levers: each can be killed, paused and started again by name.
// In: how many workers, which store. Out: jobs that end, and a fingerprint of everything they computed.
// Why a fingerprint: after any fault, every result must have the bytes of an undisturbed run.
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { openDuck } from '../../common/engine/duckdb.ts';
import { digestOf } from '../../common/ids.ts';
import { openStore } from '../../common/store/open.ts';
import type { Store } from '../../common/store/store.ts';
import { readStored } from '../../common/stored/stored.ts';
import type { Manifest } from '../../common/wire/model.ts';
import { commitKey, type Descriptor } from '../../common/wire/task.ts';
import type { JobView } from '../../common/wire/view.ts';
import { getJson } from './json.ts';
import { type Nats, startNats } from './nats.ts';
import { freePort } from './ports.ts';
import { tempFolder } from './runner.ts';

type Role = 'coordinator' | 'worker' | 'gateway';
type Env = Readonly<Record<string, string>>;

export type Line = AsyncDisposable & {
  readonly nats: Nats;
  readonly store: Store;
  readonly coordinatorUrl: string;
  readonly gatewayUrl: string;
  start(name: string, role: Role, env?: Env): ChildProcess;
  process(name: string): ChildProcess;
  /** SIGKILL, and gone when it resolves. */
  kill(name: string): Promise<void>;
  /** Pids of the engines' children below a process. */
  childrenOf(name: string): number[];
  addObject(month: number): Promise<void>;
  submit(change?: object): Promise<string>;
  /** Resolves when the job has ended; the coordinator may be away meanwhile. */
  finish(job: string): Promise<JobView>;
  /** Resolves as soon as `seen` says so of the job's view. */
  until(job: string, seen: (view: JobView) => boolean | Promise<boolean>): Promise<JobView>;
  /** Resolves as soon as the job's training has saved a state: round 200, in the middle of an epoch. */
  untilSaved(job: string): Promise<JobView>;
};

const ROWS = 6_000;

/** One object a month; a few rows break a rule in each. */
const tripsOf = (month: number, rows: number): string => `
  SELECT TIMESTAMP '2030-01-01' + to_days(${(month - 1) * 30}) + to_minutes((i * 7)::BIGINT) AS departed,
    CASE WHEN i % 50 = 0 THEN NULL WHEN i % 97 = 0 THEN -1 ELSE 5 + (i * 7919) % 40 END::BIGINT AS minutes,
    ['harbour', 'centre', 'hill', 'mill'][1 + (i * 31) % 4] AS stop,
    ((i * 7 // 60) % 24 BETWEEN 7 AND 9 OR (i * 31) % 4 = 0) AND (i * 13) % 7 <> ${month} AS late
  FROM range(${rows}) t(i)`;

export const tripsJob = {
  specVersion: 1,
  name: 'trips',
  seed: 1,
  dataset: 'trips/*.parquet',
  clean: [{ require: ['stop'] }, { filter: 'minutes is null or minutes > 0' }],
  label: 'late',
  split: { by: 'time', column: 'departed', validation: '10d', test: '15d' },
  features: {
    minutes: "standardize(impute(minutes, 'median'))",
    hour: 'category(hour(departed))',
    stop: 'vocabulary(stop, 10)',
  },
  model: { kind: 'mlp', hidden: [32, 16] },
  train: { optimizer: 'adam', learningRate: 0.01, batchRows: 128, epochs: 6, lanes: 8 },
  publish: { model: 'trips' },
};

export async function startLine(
  options: {
    workers?: number;
    months?: number;
    /** Rows of each month's object. */
    rows?: number;
    storeUri?: string;
    /** s3://…: the objects are copied there. */
    lakeUri?: string;
    env?: Env;
    gateway?: boolean;
    workerEnv?: Env;
  } = {},
): Promise<Line> {
  const folder = tempFolder();
  const nats = await startNats();
  const storeUri = options.storeUri ?? pathToFileURL(join(folder, 'store')).href;
  const rows = options.rows ?? ROWS;
  const lakeFolder = await lakeOf(options.months ?? 6, rows);
  const [coordinatorPort, gatewayPort] = [await freePort(), await freePort()];
  const shared: Env = { ...options.env, GRISTMILL_STORE: storeUri, GRISTMILL_NATS: nats.url };
  const lake = { GRISTMILL_LAKE: options.lakeUri ?? pathToFileURL(lakeFolder).href };
  if (options.lakeUri) await copyLake(lakeFolder, options.lakeUri, options.env ?? {});
  const roles: Record<Role, Env> = {
    coordinator: { ...shared, ...lake, GRISTMILL_PORT: String(coordinatorPort) },
    worker: { ...shared, ...lake, GRISTMILL_THREADS: '1', GRISTMILL_MEMORY: '2048' },
    gateway: { ...shared, GRISTMILL_PORT: String(gatewayPort), GRISTMILL_THREADS: '1' },
  };
  const processes = new Map<string, ChildProcess>();
  const coordinatorUrl = `http://127.0.0.1:${coordinatorPort}`;
  const store = await openStore(storeUri, { ...process.env, ...options.env }, { create: true });

  const line: Line = {
    nats,
    store,
    coordinatorUrl,
    gatewayUrl: `http://127.0.0.1:${gatewayPort}`,
    start(name, role, env = {}) {
      const scratch = { GRISTMILL_SCRATCH: join(folder, 'scratch', name) };
      const started = spawn(
        process.execPath,
        [join(import.meta.dirname, '../..', role, 'main.ts')],
        {
          env: {
            ...cleanEnv(),
            ...roles[role],
            ...scratch,
            ...(role === 'worker' ? options.workerEnv : {}),
            ...env,
          },
          stdio: ['ignore', 'ignore', 'pipe'],
        },
      );
      started.stderr!.pipe(createWriteStream(join(folder, `${name}.log`), { flags: 'a' }));
      processes.set(name, started);
      return started;
    },
    process: (name) => processes.get(name)!,
    async kill(name) {
      const found = processes.get(name);
      if (!found || found.exitCode !== null || found.signalCode !== null) return;
      const gone = new Promise((resolve) => found.once('exit', resolve));
      found.kill('SIGKILL');
      await gone;
    },
    childrenOf(name) {
      const pid = processes.get(name)!.pid!;
      return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
        .trim()
        .split(' ')
        .filter(Boolean)
        .map(Number);
    },
    addObject: (month) => writeTrips(lakeFolder, month, rows),
    async submit(change = {}) {
      const { id } = await answer<{ id: string }>(`${coordinatorUrl}/v1/jobs`, {
        ...tripsJob,
        ...change,
      });
      return id;
    },
    finish: (job) => line.until(job, hasEnded),
    async until(job, seen) {
      const deadline = performance.now() + 120_000;
      let last: JobView | undefined;
      while (performance.now() < deadline) {
        last =
          (await answer<JobView>(`${coordinatorUrl}/v1/jobs/${job}`).catch(() => undefined)) ??
          last;
        if (last && (await seen(last))) return last;
        if (last && hasEnded(last)) throw new Error(`Job ${job} ended before: ${endOf(last)}`);
        await delay(50);
      }
      throw new Error(
        `Job ${job} was not seen so within 120 s: ${JSON.stringify(last).slice(0, 1500)}; logs in ${folder}`,
      );
    },
    async untilSaved(job) {
      const before = new Set(await checkpointsIn(store));
      return line.until(job, async () =>
        (await checkpointsIn(store)).some((key) => !before.has(key)),
      );
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...processes.keys()].map((name) => line.kill(name)));
      await nats[Symbol.asyncDispose]();
      await store.close();
    },
  };
  line.start('coordinator', 'coordinator');
  for (let i = 1; i <= (options.workers ?? 1); i++) line.start(`worker${i}`, 'worker');
  if (options.gateway) line.start('gateway', 'gateway');
  await untilAnswers(`${coordinatorUrl}/readyz`);
  return line;
}

async function checkpointsIn(store: Store): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list('checkpoints/'))
    if (/\/\d+\.json$/.test(key) && !key.includes('/generations/')) keys.push(key);
  return keys;
}

const hasEnded = ({ state }: JobView): boolean =>
  ['succeeded', 'failed', 'cancelled'].includes(state);
const endOf = ({ state, error }: JobView): string =>
  error ? `${state}, ${error.code} ${error.message}` : state;

/** One lake a number of months and test file: tasks are named by etags, so runs to compare share theirs. */
const lakes = new Map<string, Promise<string>>();

export function lakeOf(months: number, rows: number): Promise<string> {
  const made = lakes.get(`${months} ${rows}`) ?? makeLake(months, rows);
  lakes.set(`${months} ${rows}`, made);
  return made;
}

async function makeLake(months: number, rows: number): Promise<string> {
  const folder = tempFolder();
  mkdirSync(join(folder, 'trips'));
  for (let month = 1; month <= months; month++) await writeTrips(folder, month, rows);
  return folder;
}

export async function copyLake(folder: string, uri: string, env: Env): Promise<void> {
  const lake = await openStore(uri, { ...process.env, ...env }, { create: true });
  for (const name of readdirSync(join(folder, 'trips')))
    await lake.createFromFile(`trips/${name}`, join(folder, 'trips', name));
  await lake.close();
}

async function writeTrips(lake: string, month: number, rows: number): Promise<void> {
  await using duck = await openDuck({
    memoryBytes: 2 ** 28,
    tempDir: tempFolder(),
    files: [],
    writeDir: lake,
  });
  const path = join(lake, 'trips', `${month}.parquet`);
  await duck.run(
    `COPY (${tripsOf(month, rows)}) TO '${path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`,
  );
}

/** Settings of this shell must not reach the processes under test. */
function cleanEnv(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(GRISTMILL|AWS|VITEST)_?/.test(name)),
  );
}

export async function answer<T>(url: string, body?: unknown): Promise<T> {
  const response = await fetch(
    url,
    body === undefined
      ? { signal: AbortSignal.timeout(5_000) }
      : {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(body),
          signal: AbortSignal.timeout(30_000),
        },
  );
  const parsed = (await response.json()) as T;
  if (!response.ok)
    throw new Error(`${url} answered ${response.status}: ${JSON.stringify(parsed)}`);
  return parsed;
}

export async function untilAnswers(url: string): Promise<void> {
  for (const deadline = performance.now() + 60_000; performance.now() < deadline; await delay(50)) {
    if (
      await answer(url).then(
        () => true,
        () => false,
      )
    )
      return;
  }
  throw new Error(`${url} did not answer within 60 s`);
}

/**
 * Everything a job computed, as digests: the model's bytes, its rows, its figures, and the result of each
 * task in the store. Attempts, times and hosts are left out: those may differ.
 */
export async function fingerprint(store: Store, view: JobView): Promise<Record<string, unknown>> {
  const { model, version } = view.published!;
  const manifest = (await getJson<Manifest>(
    store,
    `models/${model}/versions/${String(version).padStart(12, '0')}.json`,
  ))!;
  const results: Record<string, string> = {};
  for await (const { key } of store.list('parts/')) {
    const [, stage, task] = key.split('/');
    if (task === 'groups') {
      const group = (await readStored(store, key, 'group'))!;
      for (const one of group.descriptors) results[`${stage}/${one.task}`] = digestOf(one.result);
    }
    if (!key.endsWith('/1.json')) continue;
    const descriptor = (await getJson<Descriptor>(
      store,
      commitKey(stage as never, task as never, 1),
    ))!;
    results[`${stage}/${task}`] = digestOf(descriptor.result);
  }
  return {
    onnx: manifest.onnx.sha256,
    rows: view.rows,
    split: view.split,
    metrics: view.evaluation!.metrics,
    epochs: view.epochs,
    results,
  };
}
