// The task half in memory: what JetStream would do, lapsed leases and duplicates included.
// In: offers and pulls of any number of workers. Out: leases.
// Why a clock: a lease lapses when the test's hand says so.
import type { Clock } from '../../clock.ts';
import { decodeTask } from '../../wire/inbound.ts';
import type { Task } from '../../wire/task.ts';
import type { Door } from '../door.ts';
import { type Lease, messageId, readMessageId, type TaskQueue } from '../tasks.ts';

type Message = {
  readonly task: Task;
  readonly generation: number;
  readonly isNew: boolean;
  deliveries: number;
  /** Monotonic milliseconds from which it may be delivered: now, or the end of its lease. */
  visibleAt: number;
};

export type MemoryTasks = TaskQueue & {
  /** Drops every message, as a wiped broker does. */
  lose(): void;
  /** What anybody on the network could offer. */
  offerRaw(bytes: Uint8Array, messageId?: string): void;
  close(): void;
  readonly offers: number;
};

export function createMemoryTasks(
  clock: Clock,
  { ackWaitMs, door }: { readonly ackWaitMs: number; readonly door: Door },
): MemoryTasks {
  const messages = new Set<Message>();
  const messageIds = new Set<string>();
  const sleepers = new Set<AbortController>();
  const pulls = new Set<{ readonly numerics: string }>(); // longest waiting first
  let offers = 0;
  let closed = false;

  /** Something may have become visible: every waiting pull looks again. */
  function wake(): void {
    for (const sleeper of sleepers) sleeper.abort();
  }

  function take(numerics: string): Lease | undefined {
    for (const message of messages) {
      if (message.task.numerics !== numerics || message.visibleAt > clock.monotonicMs()) continue;
      message.deliveries += 1;
      message.visibleAt = clock.monotonicMs() + ackWaitMs;
      return leaseOf(message);
    }
    return undefined;
  }

  function leaseOf(message: Message): Lease {
    return {
      task: structuredClone(message.task),
      deliveries: message.deliveries,
      generation: message.generation,
      isNew: message.isNew && message.deliveries === 1,
      extend() {
        message.visibleAt = clock.monotonicMs() + ackWaitMs;
      },
      async ack() {
        messages.delete(message); // as in JetStream, a stale holder's ack counts too
      },
      release(delayMs = 0) {
        message.visibleAt = clock.monotonicMs() + delayMs;
        wake();
      },
    };
  }

  async function pull(
    numerics: string,
    waitMs: number,
    signal: AbortSignal,
  ): Promise<Lease | undefined> {
    const me = { numerics };
    pulls.add(me);
    try {
      return await pullInTurn(me, { waitMs, signal });
    } finally {
      pulls.delete(me);
      wake(); // somebody else is the one who waits longest now
    }
  }

  /** Who waits longest is served first, as in JetStream. */
  const isNext = (me: { readonly numerics: string }): boolean =>
    [...pulls].find(({ numerics }) => numerics === me.numerics) === me;

  async function pullInTurn(
    me: { readonly numerics: string },
    { waitMs, signal }: { waitMs: number; signal: AbortSignal },
  ): Promise<Lease | undefined> {
    const until = clock.monotonicMs() + waitMs;
    while (!closed && !signal.aborted) {
      const lease = isNext(me) ? take(me.numerics) : undefined;
      if (lease) {
        pulls.delete(me); // at once: the next in line may ask in this very turn
        return lease;
      }
      const now = clock.monotonicMs();
      if (now >= until) return undefined;
      const lapses = [...messages].map((message) => message.visibleAt).filter((at) => at > now);
      const sleeper = new AbortController();
      sleepers.add(sleeper);
      await clock.sleep(
        Math.min(until, ...lapses) - now,
        AbortSignal.any([signal, sleeper.signal]),
      );
      sleepers.delete(sleeper);
    }
    return undefined;
  }

  function offerRaw(bytes: Uint8Array, id = ''): void {
    const task = door.admit('task', bytes, decodeTask);
    if (!task) return;
    messages.add({ task, ...readMessageId(id), deliveries: 0, visibleAt: 0 });
    wake();
  }

  return {
    offerRaw,
    async offer(task, generation, { isNew = false } = {}) {
      offers += 1;
      const id = messageId(task, generation, isNew);
      if (messageIds.has(id)) return;
      messageIds.add(id);
      offerRaw(new TextEncoder().encode(JSON.stringify(task)), id);
    },
    async withdraw(_numerics, tasks) {
      const gone = new Set(tasks);
      for (const message of messages) if (gone.has(message.task.task)) messages.delete(message);
    },
    waiting: async (numerics) =>
      new Set([...messages].filter((m) => m.task.numerics === numerics).map((m) => m.task.task)),
    pull,
    async restart(numerics) {
      for (const message of messages) if (message.task.numerics === numerics) message.visibleAt = 0;
      wake();
    },
    lose() {
      messages.clear();
      messageIds.clear();
    },
    close() {
      closed = true;
      wake();
    },
    get offers() {
      return offers;
    },
  };
}
