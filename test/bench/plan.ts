// What a plan of many tasks costs the coordinator: a data job of 1 k … 1 M shards, through listing, made-up footers, snapshot,
// plan, tasks and dispatch, with results that come as fast as they are offered; its API is asked meanwhile.
// In: --tasks N,N,…; --jobs N. Out: CPU seconds, memory, the longest stall of the loop and the slowest answer by size, the
// growth of cost a task, and what a start over ended jobs costs. Why a process each: memory of one must not show in the next.
import { fork } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { parseArgs } from 'node:util';
import { systemClock } from '../../common/clock.ts';
import { digestOf } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import { silentLog } from '../../common/log.ts';
import type { Channel } from '../../common/queue/bus.ts';
import { CHANNELS } from '../../common/queue/channels.ts';
import type { Queue } from '../../common/queue/queue.ts';
import { entryKey } from '../../common/store/journal.ts';
import { memoryStore } from '../../common/store/memory.ts';
import { jsonBytes, type ObjectInfo, type Store } from '../../common/store/store.ts';
import type { Heartbeat } from '../../common/wire/event.ts';
import { commitKey, type Task } from '../../common/wire/task.ts';
import type { IndexCheckpoint, JobView } from '../../common/wire/view.ts';
import { buildServer } from '../../coordinator/api/server.ts';
import { CHECKPOINT_PREFIX, Directory } from '../../coordinator/job/directory.ts';
import { JobService } from '../../coordinator/job/service.ts';
import { INDEX_PREFIX } from '../../coordinator/job/submit.ts';
import type { ReadFooter } from '../../coordinator/snapshot/footer.ts';
import { RowGroups } from '../../coordinator/snapshot/row-groups.ts';
import { cachedFooters } from '../../coordinator/snapshot/snapshot.ts';
import type { Machinery } from '../../coordinator/stage/context.ts';
import { TriggerService } from '../../coordinator/trigger/service.ts';
import type { Bench } from './bench.ts';

type Cost = {
  readonly tasks: number;
  readonly cpuSeconds: number;
  readonly rssMiB: number;
  /** The longest that the loop served nobody. */
  readonly stallMs: number;
  /** The same without what others on the machine took. */
  readonly stallCpuMs: number;
  /** The longest that a job or the list of jobs was waited for. */
  readonly answerMs: number;
  /** Of JSON, written once. */
  readonly snapshotMiB: number;
};

export const runBench: Bench = async ({ say, args }) => {
  const { values } = parseArgs({
    args: [...args],
    strict: false,
    options: {
      tasks: { type: 'string', default: '1000,10000,100000,1000000' },
      jobs: { type: 'string', default: '10000' },
    },
  });
  const costs: Cost[] = [];
  for (const tasks of String(values.tasks).split(',').map(Number)) {
    const cost = await inProcess(tasks);
    costs.push(cost);
    say(
      `${tasks} tasks: ${cost.cpuSeconds.toFixed(2)} CPU s, ${((1e6 * cost.cpuSeconds) / tasks).toFixed(1)} µs a task, ` +
        `${cost.rssMiB.toFixed(0)} MiB, longest stall ${cost.stallMs.toFixed(1)} ms (${cost.stallCpuMs.toFixed(1)} computing), ` +
        `slowest answer ${cost.answerMs.toFixed(1)} ms, snapshot ${cost.snapshotMiB.toFixed(0)} MiB`,
    );
  }
  const start = await startOver(Number(values.jobs));
  say(
    `start over ${values.jobs} ended jobs: ${start.calls} calls of the store, ${start.ms.toFixed(1)} ms`,
  );
  const byTasks = <T>(of: (cost: Cost) => T): Record<string, T> =>
    Object.fromEntries(costs.map((cost) => [cost.tasks, of(cost)]));
  return {
    figures: {
      cpuSeconds: byTasks(({ cpuSeconds }) => cpuSeconds),
      rssMiB: byTasks(({ rssMiB }) => rssMiB),
      stallMs: byTasks(({ stallMs }) => stallMs),
      stallCpuMs: byTasks(({ stallCpuMs }) => stallCpuMs),
      answerMs: byTasks(({ answerMs }) => answerMs),
      snapshotMiB: byTasks(({ snapshotMiB }) => snapshotMiB),
      startCalls: start.calls,
      startMs: start.ms,
    },
    ratios: { growth: growthOf(costs) },
  };
};

/** Cost a task of the largest against that of the one before it: both are past what a start costs. */
function growthOf(costs: readonly Cost[]): number | null {
  const [before, last] = costs.slice(-2);
  if (!before || !last) return null;
  return last.cpuSeconds / last.tasks / (before.cpuSeconds / before.tasks);
}

/** A coordinator's start over jobs that are all over. */
async function startOver(jobs: number): Promise<{ readonly calls: number; readonly ms: number }> {
  const store = memoryStore();
  for (let n = 1; n <= jobs; n++)
    await store.create(entryKey(INDEX_PREFIX, n), jsonBytes({ formatVersion: 1 }));
  const checkpoint: IndexCheckpoint = { formatVersion: 1, upTo: jobs, open: [] };
  await store.create(entryKey(CHECKPOINT_PREFIX, 1), jsonBytes(checkpoint));
  const before = store.reads + store.lists;
  const startMs = performance.now();
  await new Directory({ log: silentLog, store, clock: systemClock }).start();
  return { calls: store.reads + store.lists - before, ms: performance.now() - startMs };
}

async function inProcess(tasks: number): Promise<Cost> {
  const child = fork(import.meta.filename, [String(tasks)]);
  const cost = await new Promise<Cost>((resolve, reject) => {
    child.once('message', (message) => resolve(message as unknown as Cost));
    child.once('exit', (code) => reject(new Error(`the measured process ended with ${code}`)));
  });
  return cost;
}

/** In the process that is measured: a data job, from its submit to its end, with whoever asks for it meanwhile. */
async function measure(tasks: number): Promise<Cost> {
  const { machinery, bytesOf } = worldOf(tasks);
  const jobs = new JobService(machinery, { jobsAtOnce: 1 });
  const app = await apiOf(jobs, machinery);
  await jobs.start();
  let answerMs = 0;
  const ask = async (url: string): Promise<JobView> => {
    const startMs = performance.now();
    const answer = await app.inject(url);
    answerMs = Math.max(answerMs, performance.now() - startMs);
    if (answer.statusCode !== 200) throw new Error(`${url} answers ${answer.statusCode}`);
    return answer.json() as JobView;
  };
  await ask('/v1/jobs'); // what a first request compiles is none of the plan's
  answerMs = 0;
  const stall = watchLoop();
  let rss = process.memoryUsage.rss();
  const watch = setInterval(() => {
    rss = Math.max(rss, process.memoryUsage.rss());
  }, 50);
  const before = process.cpuUsage();
  const clean = [{ require: COLUMNS.map(({ name }) => name) }];
  const spec = { specVersion: 1, name: 'bench', dataset: '**/*.parquet', clean };
  const { job } = await jobs.submit(jsonBytes(spec), undefined);
  let view = await ask(`/v1/jobs/${job}`);
  while (view.state === 'queued' || view.state === 'running') {
    await systemClock.sleep(ASK_MS);
    view = await ask(`/v1/jobs/${job}`);
    await ask('/v1/jobs');
  }
  const stalls = stall();
  clearInterval(watch);
  const { user, system } = process.cpuUsage(before);
  const done = view.stages[0]?.tasks.done;
  if (view.state !== 'succeeded' || done !== tasks)
    throw new Error(`${view.state}: ${done} of ${tasks} tasks, ${JSON.stringify(view.error)}`);
  await app.close();
  await jobs.close();
  return {
    tasks,
    cpuSeconds: (user + system) / 1e6,
    rssMiB: Math.max(rss, process.memoryUsage.rss()) / 2 ** 20,
    ...stalls,
    answerMs,
    snapshotMiB: bytesOf('snapshots/') / 2 ** 20,
  };
}

/** The longest between two turns, as it was waited for, and of computing alone: neighbours of a busy machine wait, too. */
function watchLoop(): () => Pick<Cost, 'stallMs' | 'stallCpuMs'> {
  const now = () => ({ ms: performance.now(), cpuMs: process.threadCpuUsage().user / 1000 });
  let [stallMs, stallCpuMs, last] = [0, 0, now()];
  const look = (): void => {
    const next = now();
    stallMs = Math.max(stallMs, next.ms - last.ms);
    stallCpuMs = Math.max(stallCpuMs, next.cpuMs - last.cpuMs);
    last = next;
  };
  const ticks = setInterval(look, 1);
  return () => {
    look();
    clearInterval(ticks);
    return { stallMs, stallCpuMs };
  };
}

const ASK_MS = 20;
const NUMERICS = 'bench';
/** Each a shard, as large files of a lake have them. */
const GROUPS_AN_OBJECT = 16;
const [GROUP_ROWS, GROUP_BYTES] = [1_000_000, 64 * 2 ** 20];
const FOOTER_BYTES = 20_000;
const COLUMNS = Array.from({ length: 12 }, (_, i) => ({ name: `c${i}`, type: 'DOUBLE' }));

const unused = (): never => {
  throw new Error('not part of this benchmark');
};

/** The coordinator's own parts over a lake that is made up, and a broker and a store where every task that is offered
 * has its result in the next turns. */
function worldOf(tasks: number): {
  readonly machinery: Machinery;
  /** Stored below a prefix so far. */
  bytesOf(prefix: string): number;
} {
  const { store, put, bytesOf } = storeOf();
  const worker = { numerics: NUMERICS, threads: 8, threadsFree: 0, memoryBytes: 2 ** 40 };
  const heartbeat = { ...worker, worker: 'w-bench', draining: false, tasks: [], runs: [] };
  const live = [heartbeat as unknown as Heartbeat];
  const machinery: Machinery = {
    store,
    lake: lakeOf(Math.ceil(tasks / GROUPS_AN_OBJECT)),
    readFooter: cachedFooters(async ({ key }) => {
      await turn();
      return footerOf(key, tasks);
    }),
    queue: brokerOf(put),
    clock: systemClock,
    log: silentLog,
    scratch: tmpdir(),
    workers: { live: () => live, isLive: () => true, onHeartbeat: () => () => {}, close() {} },
    child: {
      call: async <T>() => ({ filters: [], features: null, label: null }) as T,
      ...{ post: unused, onPost: unused, onLost: unused, kill: unused, close: unused, pid: 0 },
    } as Machinery['child'],
  };
  return { machinery, bytesOf };
}

const apiOf = (jobs: JobService, { store, clock, log, queue, workers }: Machinery) =>
  buildServer({
    ...{ jobs, clock, log, queue, workers },
    triggers: new TriggerService({ store, jobs, clock, log }),
    registry: { store, clock, hint() {} },
    promote: unused,
    surveyDataset: unused,
  });

/** What a real listing and a real footer take is a turn of the loop. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const keyOf = (object: number): string =>
  `day=${object % 365}/part-${String(object).padStart(6, '0')}.parquet`;

function lakeOf(objects: number): Store {
  async function* list(): AsyncGenerator<ObjectInfo> {
    const bytes = GROUPS_AN_OBJECT * GROUP_BYTES + FOOTER_BYTES;
    for (let n = 0; n < objects; n++) {
      if (n % 1000 === 0) await turn(); // a page
      yield { key: keyOf(n), etag: `etag-${n}`, bytes };
    }
  }
  return { uri: 'memory:', list } as Partial<Store> as Store;
}

function footerOf(key: string, tasks: number): ReadFooter {
  const object = Number(/part-(\d+)/.exec(key)![1]);
  const groups = Math.min(GROUPS_AN_OBJECT, tasks - object * GROUPS_AN_OBJECT);
  const rowGroups = Array.from({ length: groups }, (_, group) => ({
    rows: GROUP_ROWS,
    bytes: GROUP_BYTES,
    chunks: COLUMNS.map((_column, c) => [4 + group * GROUP_BYTES + c * 1000, 900] as const),
  }));
  return {
    schema: COLUMNS,
    rowGroups: new RowGroups(rowGroups),
    rows: groups * GROUP_ROWS,
    footerBytes: FOOTER_BYTES,
  };
}

const ENCODER = new TextEncoder();

/** Results are taken when they are read; of what is large only the size is kept: it would lie elsewhere. */
function storeOf() {
  const inner = memoryStore();
  const results = new Map<string, Uint8Array>();
  const sizes = new Map<string, number>();
  const store: Store = {
    ...inner,
    async create(key, bytes) {
      sizes.set(key, bytes.length);
      return inner.create(key, bytes);
    },
    async createFromFile(key, path) {
      sizes.set(key, (await stat(path)).size);
      return 'created';
    },
    async get(key) {
      if (!key.startsWith('parts/')) return inner.get(key);
      const bytes = results.get(key);
      results.delete(key);
      return bytes;
    },
  };
  const bytesOf = (prefix: string): number =>
    [...sizes].reduce((sum, [key, bytes]) => sum + (key.startsWith(prefix) ? bytes : 0), 0);
  return {
    store,
    put: (key: string, json: string) => results.set(key, ENCODER.encode(json)),
    bytesOf,
  };
}

function brokerOf(put: (key: string, json: string) => void): Queue {
  const listeners = new Map<string, (message: unknown) => void>();
  const settled: { readonly task: Task; readonly message: string }[] = [];
  const tell = (): void => {
    for (const { task, message } of settled.splice(0)) {
      put(commitKey(task.stage, task.task, 1), descriptorOf(task, message));
      listeners.get(CHANNELS.taskSettled.name)?.({ task: task.task, ok: true });
    }
  };
  return {
    uri: 'memory:',
    isConnected: () => true,
    async close() {},
    async offer(task) {
      if (settled.push({ task, message: JSON.stringify(task) }) === 1) setImmediate(tell);
    },
    async withdraw() {},
    waiting: async () => new Set(),
    pull: async () => undefined,
    async restart() {},
    publish() {},
    subscribe<T>(channel: Channel<T>, handler: (message: T) => void) {
      listeners.set(channel.name, handler as (message: unknown) => void);
      return () => {};
    },
    refused: () => new Map(),
  };
}

/** JSON of a Descriptor<PrepareResult>, put together from what is the same for all: writing it is a worker's cost. */
function descriptorOf({ task, stage, input }: Task, message: string): string {
  if (input.kind !== 'shard') return unused();
  const { key, rowStart, rowEnd } = input.shard;
  const rows = rowEnd - rowStart;
  const part = `{"rows":${rows},"source":{"key":"${key}","rowStart":${rowStart}},${PART}}`;
  const result = `{"rowsIn":${rows},"rowsOut":${rows},"part":${part},${RESULT}}`;
  return `{"formatVersion":1,"task":"${task}","stage":"${stage}","result":${result},"message":${message},${ATTEMPT}}`;
}

const BUCKET_OFFSETS = Array.from({ length: LIMITS.buckets + 1 }, (_, i) => i * 15_625);
const membersOf = (of: object): string => JSON.stringify(of).slice(1, -1);
const PART = membersOf({
  ...{ key: 'parts/prepare/x', sha256: digestOf('x'), bytes: 1 },
  bucketOffsets: BUCKET_OFFSETS,
});
const RESULT = membersOf({ dropped: {}, labels: null, splitMin: null, splitMax: null });
const ATTEMPT = membersOf({
  attempt: { worker: 'w-bench', seconds: 1, cpuSeconds: 1, bytesRead: 1, bytesWritten: 1 },
});

if (process.send) process.send(await measure(Number(process.argv[2])), () => process.exit(0));
