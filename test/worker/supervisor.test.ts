// When a worker speaks: once a second, and at once when training has news.
// In: a training host whose news are made up. Out: heartbeats on a bus in memory.
import { expect, test } from 'vitest';
import type { WorkerId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import { silentLog } from '../../common/log.ts';
import { CHANNELS } from '../../common/queue/channels.ts';
import { createMemoryQueue } from '../../common/queue/memory.ts';
import { memoryStore } from '../../common/store/memory.ts';
import type { Heartbeat } from '../../common/wire/event.ts';
import type { Executed } from '../../worker/loop.ts';
import { startWorker } from '../../worker/supervisor.ts';
import { createTestClock } from '../support/clock.ts';
import { makeTask, NUMERICS } from '../support/tasks.ts';

test('a worker beats once a second, at once when training turns, and never after its last word', async () => {
  const clock = createTestClock();
  const queue = createMemoryQueue(clock);
  const heard: Heartbeat[] = [];
  queue.subscribe(CHANNELS.heartbeat, (heartbeat) => void heard.push(heartbeat));
  let turn = (): void => {};
  let threads = 2;
  const ran: string[] = [];
  const worker = startWorker({
    worker: 'w-a' as WorkerId,
    numerics: NUMERICS,
    threads: 2,
    memoryBytes: 4e9,
    queue,
    store: memoryStore(),
    clock,
    log: silentLog,
    execute: async ({ task }): Promise<Executed> => {
      ran.push(task);
      throw new Error('no engine here');
    },
    training: {
      status: () => [],
      threadsUsed: () => threads,
      onTurn: (handler) => {
        turn = handler;
      },
      async close() {
        turn();
      },
    },
  });
  await clock.advance(2.5 * LIMITS.heartbeatMs);
  expect(heard).toHaveLength(3);
  expect(heard.at(-1)).toMatchObject({ threadsFree: 0, draining: false });

  // threads come back: the worker says so, and takes the task that waits, before the second is over
  await queue.offer(makeTask(1), 1);
  await clock.advance(1);
  expect(ran).toEqual([]);
  threads = 0;
  turn();
  await clock.advance(1);
  expect(heard).toHaveLength(4);
  expect(heard.at(-1)).toMatchObject({ threadsFree: 2 });
  expect(ran).toEqual([makeTask(1).task]);

  await worker.stop(0);
  const last = heard.length;
  expect(heard.at(-1)).toMatchObject({ draining: true, runs: [] });
  turn();
  await clock.advance(5 * LIMITS.heartbeatMs);
  expect(heard).toHaveLength(last);
});
