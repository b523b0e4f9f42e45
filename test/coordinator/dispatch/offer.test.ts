// Tasks through the dispatcher and workers in one process: all of them done, each once, whatever gets lost.
import { expect, test } from 'vitest';
import { GristmillError } from '../../../common/errors.ts';
import type { WorkerId } from '../../../common/ids.ts';
import { LIMITS } from '../../../common/limits.ts';
import { silentLog } from '../../../common/log.ts';
import { createMemoryQueue, type MemoryQueue } from '../../../common/queue/memory.ts';
import { type MemoryStore, memoryStore } from '../../../common/store/memory.ts';
import { readFailures } from '../../../common/stored/failures.ts';
import type { Heartbeat } from '../../../common/wire/event.ts';
import type { Task } from '../../../common/wire/task.ts';
import { dispatchTasks, runTasks, type TaskRun } from '../../../coordinator/dispatch/offer.ts';
import { watchWorkers } from '../../../coordinator/dispatch/workers.ts';
import { createTestClock, type TestClock } from '../../support/clock.ts';
import { idsOf, makeTasks, NUMERICS } from '../../support/tasks.ts';
import { countCommits, startTestWorker, type Work } from '../../support/work.ts';

type World = { clock: TestClock; queue: MemoryQueue; store: MemoryStore; run: TaskRun };

function world(count: number, over: Partial<TaskRun> = {}): World {
  const clock = createTestClock();
  const queue = createMemoryQueue(clock);
  const store = memoryStore();
  const run: TaskRun = {
    tasks: makeTasks(count),
    queue,
    store,
    clock,
    workers: watchWorkers(queue, clock),
    log: silentLog,
    signal: new AbortController().signal,
    ...over,
  };
  return { clock, queue, store, run };
}

/** Lets the clock run until `promise` is settled. */
async function during<T>(clock: TestClock, promise: Promise<T>, maxMs = 300_000): Promise<T> {
  let isSettled = false;
  const settled = promise.finally(() => {
    isSettled = true;
  });
  settled.catch(() => {});
  for (let ms = 0; !isSettled && ms < maxMs; ms += 100) await clock.advance(100);
  if (!isSettled) throw new Error(`not settled within ${maxMs} ms`);
  return settled;
}

const works = (w: World, over: Partial<Work> = {}): ReturnType<typeof startTestWorker> =>
  startTestWorker({ queue: w.queue, store: w.store, clock: w.clock, ...over });

test('runTasks() ends with a descriptor of each task, done once', async () => {
  const w = world(100);
  const workers = [works(w), works(w, { blob: true })];
  const progress: number[] = [];
  const found = await during(
    w.clock,
    runTasks({ ...w.run, onProgress: ({ done }) => progress.push(done) }),
  );
  expect([...found.keys()].sort()).toEqual(idsOf(w.run.tasks));
  expect(await countCommits(w.store, w.run.tasks)).toEqual({ 1: 100 });
  expect(progress).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
  expect(workers.reduce((sum, { runs }) => sum + runs.size, 0)).toBe(100);
});

test('runTasks() offers nothing that has a result', async () => {
  const w = world(40);
  works(w);
  await during(w.clock, runTasks({ ...w.run, tasks: w.run.tasks.slice(0, 30) }));
  const { offers } = w.queue;
  let reused = 0;
  const onProgress = (p: { reused: number }): number => (reused = p.reused);
  await during(w.clock, runTasks({ ...w.run, onProgress }));
  expect([reused, w.queue.offers - offers]).toEqual([30, 10]);
});

test('runTasks() keeps at most the window in the broker', async () => {
  const w = world(LIMITS.offerWindow + 100);
  const done = runTasks(w.run);
  await expect.poll(async () => (await w.queue.waiting(NUMERICS)).size).toBe(LIMITS.offerWindow);
  await w.clock.advance(10_000);
  expect((await w.queue.waiting(NUMERICS)).size).toBe(LIMITS.offerWindow);
  works(w, { slots: 32 });
  expect((await during(w.clock, done)).size).toBe(LIMITS.offerWindow + 100);
});

test('runTasks() goes on after the broker lost everything, also its hints', async () => {
  const w = world(50);
  const done = runTasks({ ...w.run, queue: { ...w.queue, subscribe: () => () => {} } });
  await w.clock.advance(100);
  w.queue.lose();
  works(w);
  await during(w.clock, done);
  expect(await countCommits(w.store, w.run.tasks)).toEqual({ 1: 50 });
});

test('runTasks() runs tasks of a worker that fell silent elsewhere, and records the loss', async () => {
  const w = world(4);
  const stuck = works(w, { act: () => new Promise(() => {}) });
  const done = runTasks(w.run);
  await w.clock.advance(2500);
  const { publish } = w.queue;
  w.queue.publish = (channel, message) => {
    const isSilenced = (message as Partial<Heartbeat>).worker === stuck.worker;
    if (!isSilenced) publish(channel, message);
  };
  for (const task of await w.queue.waiting(NUMERICS)) expect(idsOf(w.run.tasks)).toContain(task);
  w.queue.lose(); // and its leases with it
  works(w);
  await during(w.clock, done);
  expect(await countCommits(w.store, w.run.tasks)).toEqual({ 1: 4 });
  const losses = await Promise.all(
    [...stuck.runs.keys()].map((task) => readFailures(w.store, task)),
  );
  expect(losses.flat().map(({ kind, worker }) => [kind, worker as WorkerId])).toEqual([
    ['lost', stuck.worker],
    ['lost', stuck.worker],
  ]);
});

test('runTasks() tries again what may work the next time', async () => {
  const w = world(3);
  let failures = 0;
  const act = async (): Promise<void> => {
    if (failures++ < 3) throw new GristmillError('CHILD_LOST', 'it crashed');
  };
  works(w, { act });
  const told: string[] = [];
  const onFailure = ({ error }: { error: { code: string } }) => void told.push(error.code);
  await during(w.clock, runTasks({ ...w.run, onFailure }));
  expect(await countCommits(w.store, w.run.tasks)).toEqual({ 1: 3 });
  expect(told).toEqual(['CHILD_LOST', 'CHILD_LOST', 'CHILD_LOST']);
});

test('runTasks() fails with the code of a task that failed too often, and leaves nothing offered', async () => {
  const w = world(20);
  const poison = w.run.tasks[7]!.task;
  const worker = works(w, {
    act: async ({ task }) => {
      if (task === poison) throw new GristmillError('MEMORY', 'too big');
    },
  });
  await expect(during(w.clock, runTasks(w.run))).rejects.toMatchObject({
    code: 'MEMORY',
    message: expect.stringMatching(`${poison.slice(0, 12)}.*after 4 attempts: too big`),
  });
  expect(worker.runs.get(poison)).toBe(LIMITS.taskFailuresMax);
  expect((await w.queue.waiting(NUMERICS)).size).toBe(0);
});

test('runTasks() does not count the failures of an earlier run', async () => {
  const w = world(1);
  let isBroken = true;
  works(w, {
    act: async () => {
      if (isBroken) throw new GristmillError('MEMORY', 'too big');
    },
  });
  await expect(during(w.clock, runTasks(w.run))).rejects.toMatchObject({ code: 'MEMORY' });
  isBroken = false;
  expect((await during(w.clock, runTasks(w.run))).size).toBe(1);
});

test('runTasks() fails at once where trying again cannot help', async () => {
  const w = world(5);
  const worker = works(w, {
    slots: 1,
    act: async () => {
      throw new GristmillError('SHARD_UNREADABLE', 'no Parquet');
    },
  });
  await expect(during(w.clock, runTasks(w.run))).rejects.toMatchObject({
    code: 'SHARD_UNREADABLE',
  });
  expect(Math.max(...worker.runs.values())).toBe(1);
});

test('runTasks() withdraws its offers when its signal aborts', async () => {
  const controller = new AbortController();
  const w = world(10, { signal: controller.signal });
  const done = runTasks(w.run);
  await w.clock.advance(100);
  expect((await w.queue.waiting(NUMERICS)).size).toBe(10);
  controller.abort();
  await expect(during(w.clock, done)).rejects.toMatchObject({ code: 'CANCELLED' });
  expect((await w.queue.waiting(NUMERICS)).size).toBe(0);
});

test('dispatchTasks() reads its source as there is room, and tells each place in it', async () => {
  const w = world(0);
  const all = makeTasks(2000);
  works(w);
  await during(w.clock, runTasks({ ...w.run, tasks: all.slice(0, 300) }));
  let [read, ahead, done] = [0, 0, 0];
  function* source(): Generator<Task> {
    for (const task of [...all, all[0]!]) {
      read += 1;
      ahead = Math.max(ahead, read - done);
      yield task;
    }
  }
  const seen = new Map<number, boolean>();
  const dispatched = dispatchTasks({
    ...w.run,
    tasks: source(),
    onResult(descriptor, { index, isReused }) {
      done += 1;
      expect(descriptor.task).toBe(all[index % 2000]!.task);
      seen.set(index, isReused);
    },
  });
  await during(w.clock, dispatched);
  expect(seen.size).toBe(2001);
  expect([...seen.values()].filter((isReused) => isReused).length).toBe(301);
  expect(ahead).toBeLessThanOrEqual(LIMITS.offerWindow + 2 * LIMITS.lookupBatch);
});

test('dispatchTasks() ends its source when the signal aborts', async () => {
  const abort = new AbortController();
  const w = world(0, { signal: abort.signal });
  let isEnded = false;
  async function* source(): AsyncGenerator<Task> {
    try {
      yield* makeTasks(10_000);
    } finally {
      isEnded = true;
    }
  }
  const dispatched = dispatchTasks({ ...w.run, tasks: source(), onResult() {} });
  await w.clock.advance(1000);
  abort.abort();
  await expect(during(w.clock, dispatched)).rejects.toMatchObject({ code: 'CANCELLED' });
  expect(isEnded).toBe(true);
});

test('dispatchTasks() looks for no result where there can be none', async () => {
  const w = world(50);
  works(w);
  await during(w.clock, runTasks({ ...w.run, isNew: true }));
  expect(w.store.writes).toBe(50); // the commit
  expect(w.store.reads).toBe(50); // the descriptor, once its hint came
  expect(w.store.lists).toBe(0); // no task's failures, and nobody else's
});

test('dispatchTasks() and a worker make three calls of the store a task where results may be there, and one of all', async () => {
  const w = world(50);
  works(w);
  await during(w.clock, runTasks(w.run));
  expect(w.store.writes + w.store.reads + w.store.lists).toBe(151); // groups are listed once
});

test('dispatchTasks() takes a message out that the broker sits on', async () => {
  const w = world(3);
  const held = makeTasks(3)[0]!;
  const done = runTasks(w.run);
  await w.clock.advance(100);
  const lease = await w.queue.pull(NUMERICS, 0, w.run.signal);
  expect(lease!.task.task).toBe(held.task);
  let isOver = false;
  const sitting = (async () => {
    for (; !isOver; await w.clock.sleep(1000)) lease!.extend();
  })();
  works(w);
  await during(w.clock, done, 60_000);
  isOver = true;
  await during(w.clock, sitting);
});
