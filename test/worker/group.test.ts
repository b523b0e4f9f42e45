// Results in groups: which come together, what a crash leaves, and who finds them again.
import { expect, test } from 'vitest';
import { GristmillError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import { silentLog } from '../../common/log.ts';
import { createMemoryQueue } from '../../common/queue/memory.ts';
import { memoryStore } from '../../common/store/memory.ts';
import { readStored } from '../../common/stored/stored.ts';
import {
  commitKey,
  type Descriptor,
  groupsPrefix,
  nameTask,
  type Task,
} from '../../common/wire/task.ts';
import { runTasks } from '../../coordinator/dispatch/offer.ts';
import { watchWorkers } from '../../coordinator/dispatch/workers.ts';
import { Committer } from '../../worker/group.ts';
import { createTestClock } from '../support/clock.ts';
import { makeTask, makeTasks, NUMERICS } from '../support/tasks.ts';
import { countCommits, startTestWorker } from '../support/work.ts';

const jsonOf = (task: Task): string => JSON.stringify(descriptorOf(task));
const descriptorOf = (task: Task): Descriptor => ({
  formatVersion: 1,
  task: task.task,
  stage: task.stage,
  result: { ran: task.task },
  attempt: {
    worker: 'w-a' as never,
    ...{ seconds: 1, cpuSeconds: 1, bytesRead: 0, bytesWritten: 0 },
  },
  message: task,
});

function world() {
  const store = memoryStore();
  const clock = createTestClock();
  const told: number[] = [];
  const onGroup = (_group: string, tasks: readonly Task[]): void => void told.push(tasks.length);
  const put = (committer: Committer, tasks: readonly Task[], isAlone = false) =>
    Promise.all(tasks.map((task) => committer.put(task, jsonOf(task), { isAlone })));
  return { store, clock, told, onGroup, put, committer: new Committer({ store, clock, onGroup }) };
}
const TASKS = makeTasks(9);
const [FIRST] = TASKS as [Task];

test('Committer puts a lone result as ever, and what ends meanwhile into one group', async () => {
  const w = world();
  const committed = await w.put(w.committer, TASKS);
  expect(w.store.writes).toBe(2);
  expect(w.told).toEqual([8]);
  expect(committed[0]).toEqual({ created: 'created' });
  const groups = new Set(committed.slice(1).map(({ group }) => group));
  expect(groups.size).toBe(1);
  const group = await readStored(w.store, [...groups][0]!, 'group');
  expect(group!.descriptors).toEqual(TASKS.slice(1).map(descriptorOf));
  expect(await countCommits(w.store, TASKS)).toEqual({ 1: 9 });
  await w.put(w.committer, [makeTask('later')]); // nothing is under way any more
  expect(w.store.writes).toBe(3);
});

test('Committer puts alone what wrote data, what is a later commit, and what has no company of its program', async () => {
  const w = world();
  await w.put(w.committer, TASKS, true);
  const again = TASKS.map((task) => ({ ...task, commit: 2 }));
  await w.put(w.committer, again);
  await w.put(w.committer, [makeTask('a'), makeTask('b'), makeTask('c')]);
  expect(w.store.writes).toBe(21);
  expect(w.told).toEqual([]);
});

test('Committer begins another group where one is full', async () => {
  const w = world();
  await w.put(w.committer, makeTasks(2 + LIMITS.groupTasksMax));
  expect(w.told).toEqual([LIMITS.groupTasksMax]);
  expect(w.store.writes).toBe(3);
});

test('Committer begins another group where one would be larger than its limit, by a byte', async () => {
  const sizesOf = async (...lengths: number[]): Promise<number[]> => {
    const w = world();
    const puts = makeTasks(1 + lengths.length).map((task, i) => {
      const json = jsonOf(task);
      const padded = i === 0 ? json : json.padEnd(lengths[i - 1]!);
      return w.committer.put(task, padded, { isAlone: false });
    });
    await Promise.all(puts);
    return w.told;
  };
  const half = LIMITS.groupBytesMax / 2;
  expect(await sizesOf(half, half)).toEqual([2]);
  expect(await sizesOf(half, half + 1)).toEqual([]); // two, each alone
  expect(await sizesOf(half, half + 1, half - 1)).toEqual([2]); // the full one is left behind
  expect(await sizesOf(half, half / 2, half / 2, half)).toEqual([3]);
});

test('Committer puts results of two programs, and of two stages, into a group each', async () => {
  const w = world();
  const others = makeTasks(3).map(({ input }) => makeTask('another', { input }));
  const later = makeTasks(2, { stage: 'fit' });
  const [first, ...rest] = TASKS as [Task, ...Task[]];
  const mixed = rest.slice(0, 3).flatMap((task, i) => [task, others[i]!]);
  const committed = await w.put(w.committer, [first, ...mixed, ...later]);
  const groups = new Map<string, Task[]>();
  for (const [i, { group }] of committed.slice(1).entries())
    groups.set(group!, [...(groups.get(group!) ?? []), [...mixed, ...later][i]!]);
  expect([...groups.values()]).toEqual([rest.slice(0, 3), others, later]);
  for (const [key, tasks] of groups) {
    const { stage, program } = tasks[0]!;
    expect(key).toContain(groupsPrefix({ stage, program }));
    const group = await readStored(w.store, key, 'group');
    expect(group).toMatchObject({ stage, program, descriptors: tasks.map(descriptorOf) });
  }
});

test('Committer tells all of a group that the store was away, and goes on', async () => {
  const w = world();
  let puts = 0;
  const create: typeof w.store.create = async (key, bytes) => {
    if (++puts === 2) throw new GristmillError('STORE_UNAVAILABLE', 'Cannot reach the store');
    return w.store.create(key, bytes);
  };
  const committer = new Committer({ ...w, store: { ...w.store, create } });
  const ended = await Promise.allSettled(
    TASKS.map((task) => committer.put(task, jsonOf(task), { isAlone: false })),
  );
  expect(ended.map(({ status }) => status)).toEqual(['fulfilled', ...Array(8).fill('rejected')]);
  expect(w.told).toEqual([]);
  await w.put(committer, TASKS.slice(1));
  expect(await countCommits(w.store, TASKS)).toEqual({ 1: 9 });
});

test('a worker that is handed what a dead one had put into a group finds it, with one listing for all', async () => {
  const w = world();
  await w.put(w.committer, TASKS); // and died before any hint or ack
  const queue = createMemoryQueue(w.clock);
  for (const task of TASKS) await queue.offer(task, w.clock.now(), { isNew: true });
  for (const _ of TASKS) await queue.pull(NUMERICS, 0, new AbortController().signal);
  const { lists } = w.store;
  const worker = startTestWorker({ clock: w.clock, queue, store: w.store, slots: 16 });
  await w.clock.advance(2 * LIMITS.ackWaitMs);
  expect((await queue.waiting(NUMERICS)).size).toBe(0);
  expect(worker.runs.size).toBe(0);
  expect(w.store.lists - lists).toBeLessThanOrEqual(2);
});

test('runTasks() offers nothing that lies in a group, and reads each group once', async () => {
  const w = world();
  await w.put(w.committer, TASKS);
  const queue = createMemoryQueue(w.clock);
  const { reads, lists } = w.store;
  const found = await runTasks({
    ...{ tasks: TASKS, queue, store: w.store, clock: w.clock, log: silentLog },
    ...{ workers: watchWorkers(queue, w.clock), signal: new AbortController().signal },
  });
  expect([...found.values()]).toEqual(expect.arrayContaining(TASKS.map(descriptorOf)));
  expect([queue.offers, w.store.reads - reads, w.store.lists - lists]).toEqual([0, 2, 1]);
});

test('runTasks() finds a group though its hint was lost and all messages are acked', async () => {
  const w = world();
  const queue = createMemoryQueue(w.clock);
  const done = runTasks({
    ...{ tasks: TASKS, store: w.store, clock: w.clock, log: silentLog, isNew: true },
    ...{ queue: { ...queue, subscribe: () => () => {} } },
    ...{ workers: watchWorkers(queue, w.clock), signal: new AbortController().signal },
  });
  await w.clock.advance(10);
  const { signal } = new AbortController();
  const leases = await Promise.all(TASKS.map(() => queue.pull(NUMERICS, 0, signal)));
  await w.put(w.committer, TASKS);
  for (const lease of leases) await lease!.ack();
  await w.clock.advance(3 * LIMITS.reconcileMs);
  expect((await done).size).toBe(9);
  expect(queue.offers).toBe(9);
});

test('a task is named alike wherever the results lie that it reads', () => {
  const group = `${groupsPrefix(FIRST)}1-a.json`;
  const refs = TASKS.map(({ stage, task }) => ({ stage, task }));
  const reading = (tasks: readonly object[]): string =>
    nameTask({ ...FIRST, input: { kind: 'results', tasks: tasks as typeof refs } });
  expect(reading(refs.map((ref) => ({ ...ref, group })))).toBe(reading(refs));
  expect(reading(refs.slice(1))).not.toBe(reading(refs));
  expect(commitKey(FIRST.stage, FIRST.task, 1)).not.toContain('groups');
});
