// The loop's handling of leases: what is acked, what is handed back, what is left to others.
import { expect, test } from 'vitest';
import { GristmillError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import { CHANNELS } from '../../common/queue/channels.ts';
import { createMemoryQueue } from '../../common/queue/memory.ts';
import type { Queue } from '../../common/queue/queue.ts';
import { memoryStore } from '../../common/store/memory.ts';
import { readFailures } from '../../common/stored/failures.ts';
import type { Heartbeat } from '../../common/wire/event.ts';
import { bytesHeld } from '../../common/wire/task.ts';
import { createTestClock } from '../support/clock.ts';
import { makeTask, makeTasks, NUMERICS } from '../support/tasks.ts';
import { countCommits, startTestWorker } from '../support/work.ts';

function world() {
  const clock = createTestClock();
  const queue = createMemoryQueue(clock);
  const store = memoryStore();
  const hints: string[] = [];
  queue.subscribe(CHANNELS.taskSettled, ({ task }) => {
    hints.push(task);
  });
  return { clock, queue, store, hints };
}
const until = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

test('startLoop() acks a delivery whose commit exists, without running it', async () => {
  const w = world();
  const first = startTestWorker(w);
  await w.queue.offer(makeTask(1), 1);
  await w.clock.advance(100);
  await w.queue.offer(makeTask(1), 2);
  await w.clock.advance(100);
  expect([first.runs.get(makeTask(1).task), w.hints.length]).toEqual([1, 2]);
  expect((await w.queue.waiting(NUMERICS)).size).toBe(0);
});

test('startLoop() keeps a long task while it runs, and commits once', async () => {
  const w = world();
  const worker = startTestWorker({ ...w, act: () => w.clock.sleep(6 * LIMITS.ackWaitMs) });
  const other = startTestWorker(w);
  await w.queue.offer(makeTask(1), 1);
  await w.clock.advance(7 * LIMITS.ackWaitMs);
  expect(worker.runs.size + other.runs.size).toBe(1);
  expect(await countCommits(w.store, [makeTask(1)])).toEqual({ 1: 1 });
});

test('startLoop() lets go of a lease past the deadline: two run it, one commit stands', async () => {
  const w = world();
  const task = makeTask(1, { deadlineMs: 20_000 });
  const act = (): Promise<void> => w.clock.sleep(120_000);
  const one = { ...w, act, slots: 1 };
  const workers = [startTestWorker(one), startTestWorker(one)];
  await w.queue.offer(task, 1);
  await w.clock.advance(300_000);
  expect(workers.map(({ runs }) => runs.get(task.task))).toEqual([1, 1]);
  expect(await countCommits(w.store, [task])).toEqual({ 1: 1 });
  expect((await w.queue.waiting(NUMERICS)).size).toBe(0);
});

test('startLoop() records an error and tells; hands back what is not the task’s fault', async () => {
  const w = world();
  const lost = new GristmillError('CHILD_LOST', 'x', {
    cause: new GristmillError('DEADLINE', 'y'),
  });
  const faults = [lost, new GristmillError('STORE_UNAVAILABLE', 'away')];
  const failing = makeTask('failing');
  startTestWorker({
    ...w,
    async act({ task }) {
      if (task === failing.task) throw new TypeError('a bug');
      const fault = faults.pop();
      if (fault) throw fault;
    },
  });
  await w.queue.offer(makeTask(1), 1);
  await w.queue.offer(failing, 1);
  await w.clock.advance(5000);
  expect(await readFailures(w.store, makeTask(1).task)).toEqual([]);
  expect(await readFailures(w.store, failing.task)).toMatchObject([
    { kind: 'error', error: { code: 'INTERNAL', message: 'a bug' } },
  ]);
  expect(await countCommits(w.store, [makeTask(1)])).toEqual({ 1: 1 });
  expect((await w.queue.waiting(NUMERICS)).size).toBe(0);
});

test('stop() hands back what does not end within the grace, for another worker', async () => {
  const w = world();
  const beats: Heartbeat[] = [];
  w.queue.subscribe(CHANNELS.heartbeat, (heartbeat) => beats.push(heartbeat));
  const first = startTestWorker({ ...w, act: (_task, { signal }) => until(signal) });
  await w.queue.offer(makeTask(1), 1);
  await w.clock.advance(1500);
  expect(beats.at(-1)).toMatchObject({ tasks: [makeTask(1).task], draining: false });
  const second = startTestWorker(w);
  const stopped = first.stop(3000);
  await w.clock.advance(2000);
  expect(beats.find((b) => b.draining)).toMatchObject({ tasks: [makeTask(1).task] });
  await w.clock.advance(2000);
  await stopped;
  await w.clock.advance(1000);
  expect(second.runs.get(makeTask(1).task)).toBe(1);
  expect(beats.filter((b) => b.worker === first.worker).at(-1)).toMatchObject({ tasks: [] });
});

test('startLoop() leaves a task that needs more memory than it has', async () => {
  const w = world();
  const worker = startTestWorker(w);
  await w.queue.offer(makeTask(1, { memoryBytes: 2 ** 41 }), 1);
  await w.queue.offer(makeTask(2), 1);
  await w.clock.advance(10_000);
  expect([...worker.runs.keys()]).toEqual([makeTask(2).task]);
  expect((await w.queue.waiting(NUMERICS)).size).toBe(1);
});

test('a worker too small for a planned task pulls none; one that has just room for it pulls', async () => {
  const w = world();
  const pulls = { small: 0, large: 0 };
  const counted = (name: keyof typeof pulls): Queue => ({
    ...w.queue,
    pull(...args) {
      pulls[name] += 1;
      return w.queue.pull(...args);
    },
  });
  const needs = bytesHeld(makeTask(1));
  const small = startTestWorker({ ...w, queue: counted('small'), memoryBytes: needs - 1 });
  await w.queue.offer(makeTask(1), 1);
  await w.clock.advance(10_000);
  expect([pulls.small, small.runs.size]).toEqual([0, 0]);
  const large = startTestWorker({ ...w, queue: counted('large'), memoryBytes: needs });
  await w.clock.advance(100);
  expect([...large.runs.values()]).toEqual([1]);
  expect(pulls.small).toBe(0);
});

test('startLoop() runs no more at once than it may', async () => {
  const w = world();
  let [now, most] = [0, 0];
  startTestWorker({
    ...w,
    slots: 3,
    async act() {
      most = Math.max(most, ++now);
      await w.clock.sleep(100);
      now -= 1;
    },
  });
  const tasks = makeTasks(12);
  for (const task of tasks) await w.queue.offer(task, 1);
  await w.clock.advance(2000);
  expect(most).toBe(3);
  expect(await countCommits(w.store, tasks)).toEqual({ 1: 12 });
});

test('startLoop() leaves a task that failed here to others first, and tries again alone', async () => {
  const w = world();
  const act = async (): Promise<void> => {
    throw new GristmillError('MEMORY', 'too much');
  };
  const failing = startTestWorker({ ...w, act, slots: 1 });
  const { task } = makeTask(1);
  for (const generation of [1, 2]) {
    await w.queue.offer(makeTask(1), generation);
    await w.clock.advance(2 * LIMITS.othersFirstMs);
  }
  expect(failing.runs.get(task)).toBe(2);
  await w.queue.offer(makeTask(1), 3);
  await w.clock.advance(10); // fails a third time
  const other = startTestWorker(w);
  await w.queue.offer(makeTask(1), 4);
  await w.clock.advance(2 * LIMITS.othersFirstMs);
  expect([failing.runs.get(task), other.runs.get(task)]).toEqual([3, 1]);
});
