// The half of the queue that moves work: offers and leases.
// In: task messages. Out: leases, one message at a time. It holds no truth: the commit in the store does.
// Why an interface: the same code runs over NATS JetStream and in memory (tests, the tiny whole).
import { createHash } from 'node:crypto';
import type { TaskId } from '../ids.ts';
import type { Task } from '../wire/task.ts';

/** An un-acknowledged delivery. It proves nothing: the commit in the store does. */
export type Lease = {
  readonly task: Task;
  /** How often the stream has delivered this message, from 1. */
  readonly deliveries: number;
  /** Of the offer. */
  readonly generation: number;
  /** First delivery of a fresh message that was offered as new: its commit cannot be there, as far as one knows. */
  readonly isNew: boolean;
  /** Prolongs the lease by one ack wait. */
  extend(): void;
  /** Done with it (committed, or a failure recorded). */
  ack(): Promise<void>;
  /** Hands it back, to be delivered again after `delayMs`. */
  release(delayMs?: number): void;
};

/** `isNew`: whoever offers has just seen that there is no result, so whoever takes it at once need not look. */
export type OfferOptions = { readonly isNew?: boolean };

export type TaskQueue = {
  /**
   * Offers a task to workers of its numerics, confirmed by the broker. `generation` makes the message
   * id new when the same task is offered again.
   */
  offer(task: Task, generation: number, options?: OfferOptions): Promise<void>;
  /** Removes what is still waiting of these tasks, as far as the broker can; harmless if it cannot. */
  withdraw(numerics: string, tasks: readonly TaskId[]): Promise<void>;
  /** Tasks waiting or leased in the stream, of one numerics: these need no other offer. */
  waiting(numerics: string): Promise<ReadonlySet<TaskId>>;
  /** The next lease, or undefined after `waitMs`. One message at a time, so none ages in a buffer. */
  pull(numerics: string, waitMs: number, signal: AbortSignal): Promise<Lease | undefined>;
  /**
   * Has delivery of one numerics begin anew where the broker delivers nothing though messages wait and
   * pulls are asked for. What was leased may be delivered a second time, which is harmless.
   */
  restart(numerics: string): Promise<void>;
};

/**
 * `<task>:<commit>:<generation>`, with `:new` behind it where the offer is of something new: the broker
 * drops repeats of one publish by it, and whoever gets the message reads the offer's number from it.
 */
export const messageId = (task: Task, generation: number, isNew: boolean): string =>
  `${task.task}:${task.commit}:${generation}${isNew ? ':new' : ''}`;
export function readMessageId(id: string): {
  readonly generation: number;
  readonly isNew: boolean;
} {
  const [, , generation, mark] = id.split(':');
  return { generation: Number(generation) || 0, isNew: mark === 'new' };
}

/** One token per numerics: which consumer a message is for, and KEDA's name for it. */
export const tasksSubject = (numerics: string): string => `gm.task.${numericsToken(numerics)}`;
export const taskSubject = (numerics: string, task: TaskId): string =>
  `${tasksSubject(numerics)}.${task}`;

/** Numerics as a subject token and consumer name. */
export const numericsToken = (numerics: string): string =>
  createHash('sha256').update(numerics).digest('hex').slice(0, 16);
