import { expect, test } from 'vitest';
import { type Clock, systemClock } from '../../common/clock.ts';
import { GristmillError } from '../../common/errors.ts';
import { silentLog } from '../../common/log.ts';
import { CHANNELS } from '../../common/queue/channels.ts';
import { createMemoryQueue } from '../../common/queue/memory.ts';
import { followHints } from '../../gateway/hints.ts';

test('followHints() tries until the queue is there, and passes on hints of its environment', async () => {
  let opens = 0;
  let closed = false;
  const queue = createMemoryQueue(systemClock);
  const moved: string[] = [];
  const clock: Clock = { ...systemClock, sleep: async () => {} };
  const stop = new AbortController();
  await followHints(
    {
      environment: 'dev',
      open: async () => {
        opens += 1;
        if (opens < 3) throw new GristmillError('QUEUE_UNAVAILABLE', 'away');
        return {
          subscribe: queue.subscribe,
          close: async () => {
            closed = true;
          },
        };
      },
      clock,
      log: silentLog,
      onMoved: (model, alias) => moved.push(`${model}/${alias}`),
    },
    stop.signal,
  );
  const tell = (text: string): void =>
    queue.publishRaw(CHANNELS.aliasMoved.subject, new TextEncoder().encode(text));
  tell('{"model":"m","environment":"dev","alias":"champion"}');
  tell('{"model":"m","environment":"prod","alias":"champion"}');
  tell('no JSON');
  tell('{"model":{},"environment":"dev","alias":"champion"}');
  await Promise.resolve();
  expect(opens).toBe(3);
  expect(moved).toEqual(['m/champion']);
  stop.abort();
  expect(closed).toBe(true);
});
