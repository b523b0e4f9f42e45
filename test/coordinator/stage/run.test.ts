// One stage's tasks and their account, over the real dispatcher and workers without engines.
import { expect, test } from 'vitest';
import { LIMITS } from '../../../common/limits.ts';
import { silentLog as log } from '../../../common/log.ts';
import { createMemoryQueue } from '../../../common/queue/memory.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import type { Task } from '../../../common/wire/task.ts';
import type { JobFact, StageView } from '../../../common/wire/view.ts';
import { watchWorkers } from '../../../coordinator/dispatch/workers.ts';
import { cutShards } from '../../../coordinator/plan/shards.ts';
import type { TaskContext } from '../../../coordinator/stage/context.ts';
import { StageRun } from '../../../coordinator/stage/run.ts';
import { createTestClock } from '../../support/clock.ts';
import { snapshotOf } from '../../support/snapshots.ts';
import { makeTasks, NUMERICS } from '../../support/tasks.ts';
import { startTestWorker } from '../../support/work.ts';

function world() {
  const clock = createTestClock();
  const queue = createMemoryQueue(clock);
  const store = memoryStore();
  const views: StageView[] = [];
  const facts: JobFact[] = [];
  const job = {
    ...{ queue, store, clock, log, workers: watchWorkers(queue, clock) },
    signal: new AbortController().signal,
    record: async (fact: JobFact) => void facts.push(fact),
    show: (view: StageView) => void views.push(view),
  } as unknown as TaskContext;
  const worker = startTestWorker({ queue, store, clock });
  const during = async <T>(promise: Promise<T>): Promise<T> => {
    let isSettled = false;
    const settled = promise.finally(() => {
      isSettled = true;
    });
    settled.catch(() => {});
    while (!isSettled) await clock.advance(100);
    return settled;
  };
  return { job, views, facts, worker, during, stage: new StageRun(job, 'prepare') };
}

test('run() tells each result once with its place, and reads tasks as there is room', async () => {
  const w = world();
  const all = makeTasks(1500);
  let [read, ahead] = [0, 0];
  const places = new Set<number>();
  function* source(): Generator<Task> {
    for (const task of all) {
      read += 1;
      ahead = Math.max(ahead, read - places.size);
      yield task;
    }
  }
  await w.during(
    w.stage.run<{ ran: string }>(
      { tasks: source(), count: all.length, rowsOf: () => 2 },
      ({ result }, index) => {
        expect(result.ran).toBe(all[index]!.task);
        places.add(index);
      },
    ),
  );
  expect(places.size).toBe(1500);
  expect(ahead).toBeLessThanOrEqual(LIMITS.offerWindow + 2 * LIMITS.lookupBatch);
  await w.stage.finish();
  expect(w.facts).toMatchObject([
    { kind: 'stage', view: { tasks: { done: 1500, total: 1500, reused: 0 }, rows: 3000 } },
  ]);
});

test('run() counts what was there as reused, over several batches of one stage', async () => {
  const w = world();
  const all = makeTasks(30);
  const run = (tasks: readonly Task[]) =>
    w.during(w.stage.run({ tasks, count: tasks.length }, () => {}));
  await run(all.slice(0, 10));
  await run(all);
  expect(w.views.at(-1)).toMatchObject({ tasks: { done: 40, total: 40, reused: 10 } });
  expect(w.worker.runs.size).toBe(30);
});

test('run() ends with INTERNAL where tasks are fewer or more than were planned', async () => {
  for (const count of [2, 4]) {
    const w = world();
    await expect(
      w.during(w.stage.run({ tasks: makeTasks(3), count }, () => {})),
    ).rejects.toMatchObject({
      code: 'INTERNAL',
      message: `Cannot go on after prepare: 3 tasks have a result, expected ${count}`,
    });
  }
});

test('run() ends with the error of a driver that cannot take a result', async () => {
  const w = world();
  const failing = w.stage.run({ tasks: makeTasks(3), count: 3 }, () => {
    throw new Error('no');
  });
  await expect(w.during(failing)).rejects.toThrow('no');
});

test('compute() gives refs and results in the order of its inputs, the same input twice, too', async () => {
  const w = world();
  const program = { formatVersion: 1, kind: 'fit', where: {}, statistics: [], count: null };
  const group = [{ rows: 1, bytes: 2 }];
  const snapshot = snapshotOf({ a: group, b: group });
  const [a, b] = [...cutShards(snapshot, { reads: ['a'], shardBytesMax: 1 })].flat();
  const inputs = [a!, b!, a!].map((shard) => ({ kind: 'shard', shard }) as const);
  const work = { program: program as never, inputs, numerics: NUMERICS };
  const { refs, results } = await w.during(w.stage.compute<{ ran: string }>(work));
  expect(results.map(({ ran }) => ran)).toEqual(refs.map(({ task }) => task));
  expect(refs[2]).toEqual(refs[0]);
  expect(refs[1]).not.toEqual(refs[0]);
  expect(await w.during(w.stage.refs(work))).toEqual(refs);
  expect(w.worker.runs.size).toBe(2);
});
