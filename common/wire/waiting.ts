// What a job can stand still for, as a table: a name for scripts and figures, and how soon it is said.
// In: nothing. Out: the codes, and the shape in which a view carries one.
// Why codes beside words: an alert asks for NO_WORKER, a person reads that no worker is alive.

export const WAITING = {
  NO_WORKER: { means: 'no worker is alive', holdMs: 0 },
  OTHER_NUMERICS: { means: 'no live worker has the numerics it was planned for', holdMs: 0 },
  MEMORY_SMALL: { means: 'no live worker has the memory its tasks need', holdMs: 0 },
  TRAINING_AHEAD: { means: 'the workers are in the training of another job', holdMs: 2_000 },
  WORKERS_BUSY: { means: 'the workers do tasks of other jobs', holdMs: 2_000 },
  UNDELIVERED: { means: 'tasks are offered, and no free worker is given them', holdMs: 2_000 },
  QUEUE_AWAY: { means: 'the queue does not answer', holdMs: 1_000 },
  STORE_AWAY: { means: 'the store does not answer', holdMs: 1_000 },
  STORE_FULL: { means: 'the store is full', holdMs: 0 },
  ROOM: { means: 'as many jobs run as may', holdMs: 0 },
  OTHER_JOB: { means: 'it begins when another job has ended', holdMs: 0 },
} as const satisfies Record<string, { readonly means: string; readonly holdMs: number }>;

export type WaitingCode = keyof typeof WAITING;
export const WAITING_CODES = Object.keys(WAITING) as readonly WaitingCode[];

export type Waiting = {
  readonly code: WaitingCode;
  readonly words: string;
  /** Since when, ms since 1970. */
  readonly since: number;
};
