// The queue moves work and hints; it holds no truth. Losing all of it loses nothing but time.
// In: task messages and small events. Out: leases, heartbeats, broadcasts.
// Why an interface: the same code runs over NATS JetStream and in memory (tests, the tiny whole).

import { createHash } from 'node:crypto';
import type { TaskId } from '../ids.ts';
import type { Heartbeat } from '../wire/event.ts';
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

export type Broadcast = { readonly subject: string; readonly bytes: Uint8Array };

export type Queue = {
  readonly uri: string;
  /**
   * Offers a task to workers of its numerics, confirmed by the broker. `generation` makes the message
   * id new when the same task is offered again.
   */
  offer(task: Task, generation: number): Promise<void>;
  /** Removes what is still waiting of these tasks, as far as the broker can; harmless if it cannot. */
  withdraw(numerics: string, tasks: readonly TaskId[]): Promise<void>;
  /** Tasks waiting or leased in the stream, of one numerics: these need no other offer. */
  waiting(numerics: string): Promise<ReadonlySet<TaskId>>;
  /** How many those are. */
  depth(numerics: string): Promise<number>;
  /** The next lease, or undefined after `waitMs`. One message at a time, so none ages in a buffer. */
  pull(numerics: string, waitMs: number, signal: AbortSignal): Promise<Lease | undefined>;
  beat(heartbeat: Heartbeat): void;
  onHeartbeat(handler: (heartbeat: Heartbeat) => void): Unsubscribe;
  /** Fire and forget, at most once: only for what is also found in the store or said again. */
  publish(subject: string, bytes: Uint8Array): void;
  subscribe(pattern: string, handler: (message: Broadcast) => void): Unsubscribe;
  /** True while the broker answers. */
  isConnected(): boolean;
  close(): Promise<void>;
};

export type Unsubscribe = () => void;

/** Subjects below the prefix `gm.`; every broadcast in the system. */
export const SUBJECTS = {
  /** One token per numerics: which consumer a message is for, and KEDA's name for it. */
  tasks: (numerics: string): string => `gm.task.${numericsToken(numerics)}`,
  task: (numerics: string, task: TaskId): string => `gm.task.${numericsToken(numerics)}.${task}`,
  heartbeat: 'gm.beat',
  /** {task, ok}: a task was committed or failed: look now. */
  taskSettled: 'gm.event.task',
  /** {model, environment, alias}: an alias moved: look now. */
  aliasMoved: 'gm.event.alias',
  /** RunView, repeated by the coordinator: who owns which lanes. */
  runs: 'gm.run.view',
  /** RoundMessage of one run: hellos and sums. */
  run: (digest: string): string => `gm.run.${digest.slice(0, 16)}.round`,
} as const;

/** Numerics as a subject token and consumer name. */
export const numericsToken = (numerics: string): string =>
  createHash('sha256').update(numerics).digest('hex').slice(0, 16);
