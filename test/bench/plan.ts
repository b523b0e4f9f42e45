// What a plan of many tasks costs the coordinator: 1 k … 1 M synthetic tasks of made-up footers through split, naming and
// dispatch, with results that come as fast as they are offered. In: --tasks N,N,…; --jobs N. Out: CPU seconds, memory
// and the longest stall of the loop by size, the growth of cost a task, and what a start over ended jobs costs.
// Why a process each: memory of one size must not show in the next.
import { fork } from 'node:child_process';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { systemClock } from '../../common/clock.ts';
import { digestOf, type WorkerId } from '../../common/ids.ts';
import { silentLog } from '../../common/log.ts';
import type { Bus, Channel } from '../../common/queue/bus.ts';
import { CHANNELS } from '../../common/queue/channels.ts';
import type { TaskQueue } from '../../common/queue/tasks.ts';
import { entryKey } from '../../common/store/journal.ts';
import { memoryStore } from '../../common/store/memory.ts';
import { jsonBytes, type Store } from '../../common/store/store.ts';
import type { Shard, Task } from '../../common/wire/task.ts';
import type { IndexCheckpoint } from '../../common/wire/view.ts';
import { dispatchTasks } from '../../coordinator/dispatch/offer.ts';
import { watchWorkers } from '../../coordinator/dispatch/workers.ts';
import { CHECKPOINT_PREFIX, Directory } from '../../coordinator/job/directory.ts';
import { INDEX_PREFIX } from '../../coordinator/job/submit.ts';
import { makeTask } from '../../coordinator/plan/tasks.ts';
import type { Bench } from './bench.ts';

type Cost = {
  readonly tasks: number;
  readonly cpuSeconds: number;
  readonly rssMiB: number;
  readonly stallMs: number;
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
        `${cost.rssMiB.toFixed(0)} MiB, longest stall ${cost.stallMs.toFixed(1)} ms`,
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

/** In the process that is measured. */
async function measure(tasks: number): Promise<Cost> {
  const { broker, store } = worldOf();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  let rss = process.memoryUsage.rss();
  const watch = setInterval(() => {
    rss = Math.max(rss, process.memoryUsage.rss());
  }, 50);
  const before = process.cpuUsage();
  delay.enable();
  let done = 0;
  await dispatchTasks({
    tasks: syntheticTasks(tasks),
    isNew: true,
    queue: broker,
    store,
    clock: systemClock,
    workers: watchWorkers(broker, systemClock),
    log: silentLog,
    signal: new AbortController().signal,
    onResult: () => {
      done += 1;
    },
  });
  delay.disable();
  clearInterval(watch);
  const { user, system } = process.cpuUsage(before);
  if (done !== tasks) throw new Error(`${done} of ${tasks} tasks have a result`);
  return {
    tasks,
    cpuSeconds: (user + system) / 1e6,
    rssMiB: Math.max(rss, process.memoryUsage.rss()) / 2 ** 20,
    stallMs: delay.max / 1e6,
  };
}

const PROGRAM = digestOf('the benchmark');
const NUMERICS = 'bench';
/** Of an object with that many row groups each a shard, as large files of a lake have. */
const SHARDS_AN_OBJECT = 16;

function* syntheticTasks(count: number): Generator<Task> {
  for (let index = 0; index < count; index++) {
    const shard = shardOf(Math.floor(index / SHARDS_AN_OBJECT), index % SHARDS_AN_OBJECT);
    const input = { kind: 'shard', shard } as const;
    yield makeTask({ stage: 'prepare', program: PROGRAM, input, numerics: NUMERICS });
  }
}

function shardOf(object: number, group: number): Shard {
  const [rows, bytes] = [1_000_000, 64 * 2 ** 20];
  const columns = Array.from(
    { length: 12 },
    (_, c) => [4 + group * bytes + c * 1000, 900] as const,
  );
  return {
    key: `lake/day=${object % 365}/part-${object}.parquet`,
    etag: `etag-${object}`,
    bytes: SHARDS_AN_OBJECT * bytes,
    footerBytes: 20_000,
    rowGroupStart: group,
    rowGroupEnd: group + 1,
    rowStart: group * rows,
    rowEnd: (group + 1) * rows,
    ranges: columns,
  };
}

/** A broker and a store in which every offered task has its result in the next turns: what is measured is the coordinator. */
function worldOf(): { broker: TaskQueue & Bus; store: Store } {
  const listeners = new Map<string, (message: unknown) => void>();
  const settled: Task[] = [];
  const results = new Map<string, Uint8Array>();
  const tell = (): void => {
    for (const task of settled.splice(0)) {
      const descriptor = {
        formatVersion: 1,
        task: task.task,
        stage: task.stage,
        result: RESULT,
        attempt: ATTEMPT,
        message: task,
      };
      results.set(`parts/${task.stage}/${task.task}/1.json`, jsonBytes(descriptor));
      listeners.get(CHANNELS.taskSettled.name)?.({ task: task.task, ok: true });
    }
  };
  const broker: TaskQueue & Bus = {
    async offer(task) {
      JSON.stringify(task);
      if (settled.push(task) === 1) setImmediate(tell);
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
  const get = async (key: string): Promise<Uint8Array | undefined> => {
    const bytes = results.get(key);
    results.delete(key);
    return bytes;
  };
  return { broker, store: { get, listNames: async () => [] } as Partial<Store> as Store };
}

const RESULT = { rows: 1_000_000, part: { key: 'parts/prepare/x', sha256: PROGRAM, bytes: 1 } };
const ATTEMPT = {
  worker: 'w-bench' as WorkerId,
  seconds: 1,
  cpuSeconds: 1,
  bytesRead: 1,
  bytesWritten: 1,
};

if (process.send) process.send(await measure(Number(process.argv[2])), () => process.exit(0));
