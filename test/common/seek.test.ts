// A search goes on while waiting can help, says why, and never settles for less.
// In: openings made up, a clock by hand. Out: the thing, or the error that waiting cannot mend.
import { expect, test } from 'vitest';
import { GristmillError } from '../../common/errors.ts';
import { silentLog } from '../../common/log.ts';
import { CHANNELS } from '../../common/queue/channels.ts';
import { queueLater } from '../../common/queue/later.ts';
import { createMemoryQueue } from '../../common/queue/memory.ts';
import type { Queue } from '../../common/queue/queue.ts';
import { seek } from '../../common/seek.ts';
import { createTestClock } from '../support/clock.ts';

const away = new GristmillError('QUEUE_UNAVAILABLE', 'nobody listens');

function search<T>(answers: readonly (T | Error)[]) {
  const clock = createTestClock();
  const controller = new AbortController();
  const left = [...answers];
  const said: string[] = [];
  const log = {
    ...silentLog,
    warn: (m: string) => said.push(m),
    info: (m: string) => said.push(m),
  };
  const sought = seek<T>({
    what: 'the queue at n:1',
    open: async () => {
      const next = left.length > 1 ? left.shift()! : left[0]!;
      if (next instanceof Error) throw next;
      return next;
    },
    clock,
    log,
    signal: controller.signal,
  });
  return { sought, clock, said, controller };
}

test('seek() finds at once what is there, and says nothing', async () => {
  const { sought, said } = search([7]);
  expect(await sought.found).toBe(7);
  expect([sought.there(), sought.get(), sought.why(), said]).toEqual([7, 7, undefined, []]);
});

test('seek() goes on while waiting can help, says why once, and tells when it is found', async () => {
  const { sought, clock, said } = search([away, away, away, 'here']);
  expect(() => sought.get()).toThrow(/is being looked for/);
  await clock.advance(0);
  expect(() => sought.get()).toThrow('Waits for the queue at n:1: nobody listens');
  expect(sought.why()).toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
  await clock.advance(5_000);
  expect(await sought.found).toBe('here');
  expect(said).toEqual(['waits for the queue at n:1', 'found the queue at n:1']);
});

test('seek() ends with what waiting cannot mend', async () => {
  const wrong = new GristmillError('CONFIG_INVALID', 'no such scheme');
  const { sought, clock } = search([away, wrong]);
  const ended = expect(sought.found).rejects.toBe(wrong);
  await clock.advance(1_000);
  await ended;
});

test('queueLater() hears from the moment that the queue is found, what was asked before and left since included', async () => {
  const clock = createTestClock();
  const memory = createMemoryQueue(clock);
  const { sought, clock: time } = search<Queue>([away, memory]);
  const queue = queueLater('nats://n:1', sought);
  const heard: string[] = [];
  const left = queue.subscribe(CHANNELS.aliasMoved, ({ model }) => heard.push(`left ${model}`));
  queue.subscribe(CHANNELS.aliasMoved, ({ model }) => heard.push(model));
  left();
  await time.advance(0);
  const move = { model: 'm', environment: 'dev', alias: 'champion' };
  queue.publish(CHANNELS.aliasMoved, move); // nobody is there to carry it
  expect(queue.isConnected()).toBe(false);
  await expect(queue.waiting('n')).rejects.toMatchObject({ code: 'QUEUE_UNAVAILABLE' });
  await time.advance(1_000);
  expect(queue.isConnected()).toBe(true);
  queue.publish(CHANNELS.aliasMoved, move);
  await time.advance(0);
  expect(heard).toEqual(['m']);
});
