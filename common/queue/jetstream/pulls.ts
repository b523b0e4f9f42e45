// Pull requests of one numerics over JetStream, and the leases that answer them.
// In: pulls that wait. Out: a lease for each, never more than were asked for: what is delivered is worked on at once
// and does not age in a buffer. Why by hand: pulls of one millisecond share a request, so 64 waiting slots cost one.
//
//   waiters  3            slots  [2 left] [1 left] [free]           asked = 3: nothing to ask for
import { createInbox, type Msg, type NatsConnection, nanos } from '@nats-io/transport-node';
import { systemClock } from '../../clock.ts';
import { LIMITS } from '../../limits.ts';
import { decodeTask } from '../../wire/inbound.ts';
import type { Door } from '../door.ts';
import { type Lease, readMessageId } from '../tasks.ts';
import type { Gathered } from './gathered.ts';
import { consumerName, STREAM, type Stream } from './stream.ts';

type Waiter = {
  readonly signal: AbortSignal;
  readonly give: (lease: Lease | undefined) => void;
};
export type PullerOptions = {
  readonly connection: NatsConnection;
  readonly stream: Stream;
  readonly gathered: Gathered;
  readonly door: Door;
  readonly numerics: string;
};

/** An inbox for one pull request at a time: a delivered task keeps its own subject, so only the inbox tells whose it is. */
type Slot = { readonly inbox: string; left: number; timer: NodeJS.Timeout | undefined };

export class Puller {
  readonly #of: PullerOptions;
  readonly #waiters: Waiter[] = [];
  readonly #slots: Slot[] = [];
  readonly #heeded = new WeakSet<AbortSignal>();
  #scheduled = false;
  #closed = false;

  constructor(of: PullerOptions) {
    this.#of = of;
  }

  pull(waitMs: number, signal: AbortSignal): Promise<Lease | undefined> {
    if (this.#closed || signal.aborted) return Promise.resolve(undefined);
    this.#heed(signal);
    return new Promise((resolve) => {
      const waiter: Waiter = {
        signal,
        give: (lease) => {
          clearTimeout(timer);
          resolve(lease);
        },
      };
      const timer = setTimeout(() => this.#dismiss([waiter]), waitMs);
      this.#waiters.push(waiter);
      this.#schedule();
    });
  }

  /** One listener a signal: a listener each cost more than the rest of a pull. */
  #heed(signal: AbortSignal): void {
    if (this.#heeded.has(signal)) return;
    this.#heeded.add(signal);
    const leave = (): void => this.#dismiss(this.#waiters.filter((w) => w.signal === signal));
    signal.addEventListener('abort', leave, { once: true });
  }

  #dismiss(waiters: readonly Waiter[]): void {
    for (const waiter of waiters) {
      const at = this.#waiters.indexOf(waiter);
      if (at >= 0) this.#waiters.splice(at, 1);
      waiter.give(undefined);
    }
  }

  /** Every outstanding request died with the connection. */
  startOver(): void {
    for (const slot of this.#slots) this.#free(slot);
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.startOver();
    for (const waiter of this.#waiters.splice(0)) waiter.give(undefined);
  }

  #schedule(afterMs = 0): void {
    if (this.#scheduled || this.#closed || this.#waiters.length === 0) return;
    this.#scheduled = true;
    const run = (): void => {
      this.#scheduled = false;
      void this.#ask();
    };
    if (afterMs > 0) setTimeout(run, afterMs);
    else this.#of.gathered.add(run);
  }

  async #ask(): Promise<void> {
    const { connection, stream, numerics } = this.#of;
    try {
      if (!stream.isReady(numerics)) await stream.ensure(numerics);
    } catch {
      this.#schedule(LIMITS.queueRetryMs); // no broker: the waiters' own time runs on
      return;
    }
    const asked = this.#slots.reduce((sum, slot) => sum + slot.left, 0);
    const batch = this.#waiters.length - asked;
    if (batch <= 0 || this.#closed || connection.isClosed()) return;
    const slot = this.#slots.find((s) => s.left === 0) ?? this.#openSlot();
    slot.left = batch;
    slot.timer = setTimeout(() => this.#end(slot, 0), LIMITS.queuePullMs + 1000);
    slot.timer.unref();
    connection.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${STREAM}.${consumerName(numerics)}`,
      JSON.stringify({ batch, expires: nanos(LIMITS.queuePullMs) }),
      { reply: slot.inbox },
    );
  }

  #openSlot(): Slot {
    const slot: Slot = { inbox: createInbox(), left: 0, timer: undefined };
    this.#slots.push(slot);
    this.#of.connection.subscribe(slot.inbox, {
      callback: (error, message) => {
        if (error) return;
        if (message.subject === slot.inbox) this.#onStatus(message, slot);
        else this.#onTask(message, slot);
      },
    });
    return slot;
  }

  #free(slot: Slot): void {
    clearTimeout(slot.timer);
    slot.left = 0;
  }

  #end(slot: Slot, afterMs: number): void {
    this.#free(slot);
    this.#schedule(afterMs);
  }

  /** 404, 408: none came in time. 409: consumer or stream deleted, leader moved … 503: no consumer. */
  #onStatus(message: Msg, slot: Slot): void {
    const code = message.headers?.code ?? 0;
    if (code < 400) return;
    if (code === 409 || code === 503) this.#of.stream.forget();
    this.#end(slot, code === 408 ? 0 : LIMITS.queueRetryMs);
  }

  #onTask(message: Msg, slot: Slot): void {
    slot.left = Math.max(0, slot.left - 1);
    if (slot.left === 0) clearTimeout(slot.timer);
    const lease = this.#leaseOf(message);
    if (!lease) this.#schedule();
    else if (this.#waiters.length > 0) this.#waiters.shift()?.give(lease);
    else lease.release();
  }

  #leaseOf(message: Msg): Lease | undefined {
    const task = this.#of.door.admit('task', message.data, decodeTask);
    if (!task) {
      message.respond('+TERM'); // not ours to understand: the dispatcher offers what it misses again
      return undefined;
    }
    const say = (word: string): void => {
      this.#of.gathered.add(() => message.respond(word));
    };
    const { deliveries, ageMs } = readReply(message.reply ?? '');
    const { generation, isNew } = readMessageId(message.headers?.get('Nats-Msg-Id') ?? '');
    return {
      task,
      deliveries,
      generation,
      isNew: isNew && deliveries === 1 && ageMs < LIMITS.freshMs,
      extend: () => say('+WPI'),
      ack: async () => say('+ACK'),
      release: (delayMs = 0) =>
        say(delayMs > 0 ? `-NAK ${JSON.stringify({ delay: nanos(delayMs) })}` : '-NAK'),
    };
  }
}

/** `$JS.ACK.<stream>.<consumer>.<deliveries>.<seq>.<seq>.<ns since 1970>.…`, in the longer form two more before the stream. */
function readReply(reply: string): { readonly deliveries: number; readonly ageMs: number } {
  const tokens = reply.split('.');
  const at = tokens.length >= 11 ? 6 : 4;
  const ageMs = systemClock.now() - Number(tokens[at + 3] ?? 0) / 1e6;
  return { deliveries: Number(tokens[at] ?? 1), ageMs };
}
