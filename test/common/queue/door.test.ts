// Messages that do not conform are dropped, counted and told now and then; bugs are not swallowed.
import { expect, test } from 'vitest';
import { LIMITS } from '../../../common/limits.ts';
import { type Log, silentLog } from '../../../common/log.ts';
import { CHANNELS } from '../../../common/queue/channels.ts';
import { Door } from '../../../common/queue/door.ts';
import { createMemoryQueue } from '../../../common/queue/memory.ts';
import { watchWorkers } from '../../../coordinator/dispatch/workers.ts';
import { createTestClock } from '../../support/clock.ts';

const garbage = new TextEncoder().encode('{}');

test('Door tells of the first refusal at once, then their number every so often', async () => {
  const clock = createTestClock();
  const told: unknown[] = [];
  const log: Log = { ...silentLog, warn: (_message, fields) => told.push(fields?.refused) };
  const door = new Door(log, clock);
  for (let i = 0; i < 100; i++) door.admit('heartbeat', garbage, CHANNELS.heartbeat.decode);
  await clock.advance(LIMITS.refusedToldMs);
  door.admit('heartbeat', garbage, CHANNELS.heartbeat.decode);
  expect(told).toEqual([1, 100]);
  expect(door.refused.get('heartbeat')).toBe(101);
});

test('Door lets through what is no refusal: a bug in a decoder is ours', () => {
  const door = new Door(silentLog, createTestClock());
  const broken = (): never => {
    throw new TypeError('a bug');
  };
  expect(() => door.admit('x', garbage, broken)).toThrow(TypeError);
});

test('watchWorkers() knows no worker that said nothing of itself', async () => {
  const clock = createTestClock();
  const queue = createMemoryQueue(clock);
  const workers = watchWorkers(queue, clock);
  queue.publishRaw(CHANNELS.heartbeat.subject, garbage);
  await Promise.resolve();
  expect(workers.live()).toEqual([]);
  expect(queue.refused().get('heartbeat')).toBe(1);
});
