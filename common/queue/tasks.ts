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
  /** Prolongs the lease by one ack wait. */
  extend(): void;
  /** Done with it (committed, or a failure recorded). */
  ack(): Promise<void>;
  /** Hands it back, to be delivered again after `delayMs`. */
  release(delayMs?: number): void;
};

export type TaskQueue = {
  /**
   * Offers a task to workers of its numerics, confirmed by the broker. `generation` makes the message
   * id new when the same task is offered again.
   */
  offer(task: Task, generation: number): Promise<void>;
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

/** One token per numerics: which consumer a message is for, and KEDA's name for it. */
export const tasksSubject = (numerics: string): string => `gm.task.${numericsToken(numerics)}`;
export const taskSubject = (numerics: string, task: TaskId): string =>
  `${tasksSubject(numerics)}.${task}`;

/** Numerics as a subject token and consumer name. */
export const numericsToken = (numerics: string): string =>
  createHash('sha256').update(numerics).digest('hex').slice(0, 16);
