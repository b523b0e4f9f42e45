import { expect, test } from 'vitest';
import { type Clock, systemClock } from '../../common/clock.ts';
import { GristmillError } from '../../common/errors.ts';
import { silentLog } from '../../common/log.ts';
import { type Broadcast, SUBJECTS } from '../../common/queue/queue.ts';
import { followHints } from '../../gateway/hints.ts';

test('followHints() tries until the queue is there, and passes on hints of its environment', async () => {
  let opens = 0;
  let closed = false;
  let handler: ((message: Broadcast) => void) | undefined;
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
          subscribe: (_pattern, given) => {
            handler = given;
            return () => {};
          },
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
    handler!({ subject: SUBJECTS.aliasMoved, bytes: new TextEncoder().encode(text) });
  tell('{"model":"m","environment":"dev","alias":"champion"}');
  tell('{"model":"m","environment":"prod","alias":"champion"}');
  tell('no JSON');
  expect(opens).toBe(3);
  expect(moved).toEqual(['m/champion']);
  stop.abort();
  expect(closed).toBe(true);
});
