// The queue in memory behaves as JetStream does where it matters: leases lapse, duplicates happen, ids are remembered.
import { expect, test } from 'vitest';
import { CHANNELS } from '../../../common/queue/channels.ts';
import { createMemoryQueue } from '../../../common/queue/memory.ts';
import { createTestClock } from '../../support/clock.ts';
import { idsOf, makeTask, makeTasks, NUMERICS } from '../../support/tasks.ts';

const never = new AbortController().signal;

test('pull() delivers each offered task to one worker', async () => {
  const queue = createMemoryQueue(createTestClock());
  const tasks = makeTasks(5);
  for (const task of tasks) await queue.offer(task, 1);
  const leases = await Promise.all(tasks.map(() => queue.pull(NUMERICS, 0, never)));
  expect(idsOf(leases.map((lease) => lease!.task))).toEqual(idsOf(tasks));
  expect(await queue.pull(NUMERICS, 0, never)).toBeUndefined();
  await leases[0]!.ack();
  expect((await queue.waiting(NUMERICS)).size).toBe(4);
});

test('pull() ignores tasks of another numerics', async () => {
  const queue = createMemoryQueue(createTestClock());
  await queue.offer(makeTask(1, { numerics: 'other' }), 1);
  expect(await queue.pull(NUMERICS, 0, never)).toBeUndefined();
});

test('pull() delivers again when a lease lapses, not while it is extended', async () => {
  const clock = createTestClock();
  const queue = createMemoryQueue(clock, { ackWaitMs: 1000 });
  await queue.offer(makeTask(1), 1);
  const first = await queue.pull(NUMERICS, 0, never);
  await clock.advance(900);
  first!.extend();
  await clock.advance(900);
  expect(await queue.pull(NUMERICS, 0, never)).toBeUndefined();
  const waiting = queue.pull(NUMERICS, 10_000, never);
  await clock.advance(200);
  expect((await waiting)!.deliveries).toBe(2);
});

test('release() hands a task to a pull that waits, after its delay', async () => {
  const clock = createTestClock();
  const queue = createMemoryQueue(clock, { ackWaitMs: 1000 });
  await queue.offer(makeTask(1), 1);
  const first = await queue.pull(NUMERICS, 0, never);
  first!.release(100);
  const waiting = queue.pull(NUMERICS, 10_000, never);
  await clock.advance(99);
  await clock.advance(1);
  expect((await waiting)!.task.task).toBe(makeTask(1).task);
});

test('offer() drops the same generation and keeps another', async () => {
  const queue = createMemoryQueue(createTestClock());
  await queue.offer(makeTask(1), 1);
  await (await queue.pull(NUMERICS, 0, never))!.ack();
  await queue.offer(makeTask(1), 1);
  expect((await queue.waiting(NUMERICS)).size).toBe(0);
  await queue.offer(makeTask(1), 2);
  expect(await queue.waiting(NUMERICS)).toEqual(new Set([makeTask(1).task]));
});

test('pull() ends with its signal and with close()', async () => {
  const queue = createMemoryQueue(createTestClock());
  const controller = new AbortController();
  const first = queue.pull(NUMERICS, 10_000, controller.signal);
  controller.abort();
  expect(await first).toBeUndefined();
  const second = queue.pull(NUMERICS, 10_000, never);
  await queue.close();
  expect(await second).toBeUndefined();
});

test('subscribe() hears its channel until it is told not to', async () => {
  const queue = createMemoryQueue(createTestClock());
  const seen: unknown[] = [];
  const off = queue.subscribe(CHANNELS.taskSettled, (message) => seen.push(message));
  const settled = { task: makeTask(1).task, ok: true };
  queue.publish(CHANNELS.taskSettled, settled);
  queue.publish(CHANNELS.aliasMoved, { model: 'm', environment: 'dev', alias: 'champion' });
  await Promise.resolve();
  off();
  queue.publish(CHANNELS.taskSettled, settled);
  await Promise.resolve();
  expect(seen).toEqual([settled]);
});
