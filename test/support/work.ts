// A worker without engines: its tasks give their own name back, after as long as a test likes.
// In: a queue, a store, a clock. Out: a running worker; an execution counted by task.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Clock } from '../../common/clock.ts';
import { crashPoint } from '../../common/crash.ts';
import type { TaskId } from '../../common/ids.ts';
import { type Log, silentLog } from '../../common/log.ts';
import type { Queue } from '../../common/queue/queue.ts';
import type { Store } from '../../common/store/store.ts';
import { readStored } from '../../common/stored/stored.ts';
import { commitKey, groupsPrefix, type Task } from '../../common/wire/task.ts';
import type { Execute, ExecuteLimits } from '../../worker/loop.ts';
import { sealBlob } from '../../worker/stage/runner.ts';
import { startWorker, type Worker } from '../../worker/supervisor.ts';
import { NUMERICS } from './tasks.ts';

export type Work = {
  readonly queue: Queue;
  readonly store: Store;
  readonly clock: Clock;
  readonly numerics?: string;
  readonly slots?: number;
  /** Left out, more than any task takes. With it, slots are what fits. */
  readonly memoryBytes?: number;
  readonly log?: Log;
  /** What to do before the result is given; may throw. */
  readonly act?: (task: Task, limits: ExecuteLimits) => Promise<void>;
  /** Give each task a data file. */
  readonly blob?: boolean;
};

export function startTestWorker(work: Work): Worker & { readonly runs: Map<TaskId, number> } {
  const runs = new Map<TaskId, number>();
  const execute: Execute = async (task, limits) => {
    runs.set(task.task, (runs.get(task.task) ?? 0) + 1);
    crashPoint('task.afterFetch'); // the real one passes it, too
    await work.act?.(task, limits);
    if (work.blob) return withBlob(task);
    return {
      outcome: { result: { ran: task.task }, blobs: [], rows: 1 },
      cpuSeconds: 0,
      bytesRead: 0,
      async [Symbol.asyncDispose]() {},
    };
  };
  const slots = work.slots ?? 2;
  const worker = startWorker({
    numerics: work.numerics ?? NUMERICS,
    threads: slots,
    ...(work.memoryBytes === undefined ? { slots } : {}),
    memoryBytes: work.memoryBytes ?? 2 ** 40,
    queue: work.queue,
    store: work.store,
    clock: work.clock,
    log: work.log ?? silentLog,
    execute,
  });
  return { ...worker, runs };
}

async function withBlob(task: Task): Promise<Awaited<ReturnType<Execute>>> {
  const folder = await mkdtemp(join(tmpdir(), 'gristmill-task-'));
  const path = join(folder, 'data.bin');
  await writeFile(path, `data of ${task.task}`);
  const { blob, ref } = await sealBlob(task, path, 'bin');
  return {
    outcome: { result: { ran: task.task, data: ref }, blobs: [blob], rows: 1 },
    cpuSeconds: 0,
    bytesRead: 0,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Commits of these tasks in the store, alone or in groups, counted: {1: n} when all have exactly one. */
export async function countCommits(
  store: Store,
  tasks: readonly Task[],
): Promise<Record<number, number>> {
  const grouped = new Map<TaskId, number>();
  for (const prefix of new Set(tasks.map(groupsPrefix))) {
    for (const name of await store.listNames(prefix)) {
      const group = await readStored(store, prefix + name, 'group');
      for (const { task } of group!.descriptors) grouped.set(task, (grouped.get(task) ?? 0) + 1);
    }
  }
  const counts: Record<number, number> = {};
  for (const { stage, task } of tasks) {
    const names = await store.listNames(`parts/${stage}/${task}/`);
    const commits = names.filter((name) => /^\d+\.json$/.test(name)).length;
    const isRight = commits === 0 || (await store.head(commitKey(stage, task, 1))) !== undefined;
    const count = isRight ? commits + (grouped.get(task) ?? 0) : -1;
    counts[count] = (counts[count] ?? 0) + 1;
  }
  return counts;
}
