// The queue in memory: one broker inside one process, for tests and the tiny whole flow.
// In: offers and pulls of any number of workers. Out: what JetStream would do, lapsed leases and duplicates included.
// Why a clock: a lease lapses when the test's hand says so.
import type { Clock } from '../clock.ts';
import type { TaskId } from '../ids.ts';
import { LIMITS } from '../limits.ts';
import type { Heartbeat } from '../wire/event.ts';
import type { Task } from '../wire/task.ts';
import type { Broadcast, Lease, Queue, Unsubscribe } from './queue.ts';

type Message = {
  readonly task: Task;
  deliveries: number;
  /** Monotonic milliseconds from which it may be delivered: now, or the end of its lease. */
  visibleAt: number;
};

/** `lose()` drops every message, as a wiped broker does; `offers` counts I/O for tests. */
export type MemoryQueue = Queue & { lose(): void; readonly offers: number };

export function createMemoryQueue(
  clock: Clock,
  options: { readonly ackWaitMs?: number } = {},
): MemoryQueue {
  const ackWaitMs = options.ackWaitMs ?? LIMITS.ackWaitMs;
  const messages = new Set<Message>();
  const messageIds = new Set<string>();
  const beatHandlers = new Set<(heartbeat: Heartbeat) => void>();
  const subscriptions = new Set<{ pattern: string; handler: (message: Broadcast) => void }>();
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

  const waiting = async (numerics: string): Promise<ReadonlySet<TaskId>> =>
    new Set([...messages].filter((m) => m.task.numerics === numerics).map((m) => m.task.task));

  return {
    uri: 'memory:',
    async offer(task, generation) {
      offers += 1;
      const id = `${task.task}:${task.commit}:${generation}`;
      if (messageIds.has(id)) return;
      messageIds.add(id);
      messages.add({ task: structuredClone(task), deliveries: 0, visibleAt: 0 });
      wake();
    },
    async withdraw(_numerics, tasks) {
      const gone = new Set(tasks);
      for (const message of messages) if (gone.has(message.task.task)) messages.delete(message);
    },
    waiting,
    depth: async (numerics) => (await waiting(numerics)).size,
    pull,
    beat(heartbeat) {
      const copy = structuredClone(heartbeat);
      for (const handler of beatHandlers) queueMicrotask(() => handler(copy));
    },
    onHeartbeat: (handler) => subscribed(beatHandlers, handler),
    publish(subject, bytes) {
      const copy = bytes.slice();
      for (const { pattern, handler } of subscriptions) {
        if (matches(pattern, subject)) queueMicrotask(() => handler({ subject, bytes: copy }));
      }
    },
    subscribe: (pattern, handler) => subscribed(subscriptions, { pattern, handler }),
    isConnected: () => !closed,
    async close() {
      closed = true;
      wake();
    },
    lose() {
      messages.clear();
      messageIds.clear();
    },
    get offers() {
      return offers;
    },
  };
}

function subscribed<T>(all: Set<T>, one: T): Unsubscribe {
  all.add(one);
  return () => {
    all.delete(one);
  };
}

/** NATS wildcards: `*` is one token, a final `>` one or more. */
function matches(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const tokens = subject.split('.');
  if (wanted.at(-1) === '>') {
    const head = wanted.slice(0, -1);
    return tokens.length > head.length && head.every((w, i) => w === '*' || w === tokens[i]);
  }
  return wanted.length === tokens.length && wanted.every((w, i) => w === '*' || w === tokens[i]);
}
