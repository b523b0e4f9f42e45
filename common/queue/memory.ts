// The queue in memory: one broker inside one process, for tests and the tiny whole flow.
// In: what tasks.ts and bus.ts say. Out: both halves of the queue, behind the same door as over NATS.
// Why in the product's tree: the whole flow runs over it, and it is the interface's second reader.
import type { Clock } from '../clock.ts';
import { LIMITS } from '../limits.ts';
import { type Log, silentLog } from '../log.ts';
import { Door } from './door.ts';
import { createMemoryBus, type MemoryBus } from './memory/bus.ts';
import { createMemoryTasks, type MemoryTasks } from './memory/tasks.ts';
import type { Queue } from './queue.ts';

/** `lose()` drops every message, as a wiped broker does; `offers` counts I/O for tests. */
export type MemoryQueue = Queue &
  Pick<MemoryTasks, 'lose' | 'offers' | 'offerRaw'> &
  Pick<MemoryBus, 'publishRaw'>;

export function createMemoryQueue(
  clock: Clock,
  options: { readonly ackWaitMs?: number; readonly log?: Log } = {},
): MemoryQueue {
  const door = new Door(options.log ?? silentLog, clock);
  const tasks = createMemoryTasks(clock, {
    ackWaitMs: options.ackWaitMs ?? LIMITS.ackWaitMs,
    door,
  });
  let closed = false;
  return {
    uri: 'memory:',
    ...createMemoryBus(door),
    ...tasks,
    isConnected: () => !closed,
    async close() {
      closed = true;
      tasks.close();
    },
    get offers() {
      return tasks.offers;
    },
  };
}
