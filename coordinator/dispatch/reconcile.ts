// What to do about tasks that have been offered: wait, look, offer again, or give up. Pure.
// In: what was offered, what the broker holds, who claims what, who idles, recorded failures. Out: actions.
// Why a pass over everything: hints are lost, brokers are wiped, workers die; whatever happened, the pass sees it.
// Flow: job → snapshot → plan → [prepare → fit → train → evaluate → prove] → publish → gate → predictions
import { CODES, GristmillError } from '../../common/errors.ts';
import type { TaskId, WorkerId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { Heartbeat } from '../../common/wire/event.ts';
import { bytesHeld, type Failure, type Task } from '../../common/wire/task.ts';

/** A task on its way: offered at least once, without a result so far. */
export type Outstanding = {
  readonly task: Task;
  /** Its places in the source: one, unless it stands there twice. */
  readonly indices: readonly number[];
  /** Monotonic milliseconds of the last offer. */
  readonly offeredAtMs: number;
  /** Of the last sign that it moves: an offer, or a worker that was heard with it for the first or last time. */
  readonly movedAtMs: number;
  /** Not offered again before this: backoff after a failure. */
  readonly notBeforeMs: number;
  /** Live workers that were heard to run it, until they are heard without it. */
  readonly claimedBy: ReadonlySet<WorkerId>;
  /** How often it was taken out of the stream because the broker sat on it. */
  readonly freed: number;
};

export type Observation = {
  readonly nowMs: number;
  /** Undefined: the broker does not answer. */
  readonly waiting: ReadonlySet<TaskId> | undefined;
  /** False while we may have been deaf: paused, or without a broker. */
  readonly canTellLoss: boolean;
  readonly claimed: ReadonlySet<TaskId>;
  readonly isLive: (worker: WorkerId) => boolean;
  /** Workers that have had nothing to do for LIMITS.idleMs: what waits beside them is not delivered. */
  readonly idle: readonly Idle[];
};

export type Idle = { readonly numerics: string; readonly memoryBytes: number };

export type Action =
  /** Read its commit and failures: a hint may have been lost. */
  | { readonly kind: 'look'; readonly task: TaskId }
  /** After a look that found nothing: it has neither result, nor message, nor a worker. */
  | { readonly kind: 'offer'; readonly task: TaskId }
  | { readonly kind: 'lost'; readonly task: TaskId; readonly worker: WorkerId }
  /** The broker sits on its message: purge it, and offer it under a new generation. */
  | { readonly kind: 'free'; readonly task: TaskId }
  /** Freeing did not help: the consumer delivers nothing. Make it anew, once a pass. */
  | { readonly kind: 'restart'; readonly numerics: string };

export function reconcile(
  outstanding: Iterable<Outstanding>,
  seen: Observation,
): readonly Action[] {
  const all = [...outstanding];
  const stuck = all.filter((one) => isStuck(one, seen));
  const still = new Set(stuck.filter(({ freed }) => freed > 0).map(({ task }) => task.numerics));
  return [
    ...[...still].map((numerics) => ({ kind: 'restart', numerics }) as const),
    ...stuck.map(({ task }) => ({ kind: 'free', task: task.task }) as const),
    ...all.flatMap((one) => decide(one, seen)),
  ];
}

/**
 * Present, old, in nobody's hands, while somebody who could take it has nothing to do. Brokers have
 * been seen to keep such a message for ever (nats-server#7680); a holder that hangs looks the same.
 */
function isStuck(one: Outstanding, { waiting, claimed, idle, nowMs }: Observation): boolean {
  const { task, numerics } = one.task;
  const needs = bytesHeld(one.task);
  return (
    waiting?.has(task) === true &&
    !claimed.has(task) &&
    nowMs - one.movedAtMs >= LIMITS.stuckMs &&
    nowMs >= one.notBeforeMs &&
    idle.some((worker) => worker.numerics === numerics && worker.memoryBytes >= needs)
  );
}

/** Since when each worker has had nothing to do: one look may fall between two tasks. */
export class IdleWatch {
  #since = new Map<WorkerId, number>();

  see(live: readonly Heartbeat[], nowMs: number): readonly Idle[] {
    const free = live.filter((w) => w.tasks.length === 0 && w.threadsFree > 0 && !w.draining);
    this.#since = new Map(free.map(({ worker }) => [worker, this.#since.get(worker) ?? nowMs]));
    return free.filter(({ worker }) => nowMs - (this.#since.get(worker) ?? nowMs) >= LIMITS.idleMs);
  }
}

function decide(one: Outstanding, seen: Observation): readonly Action[] {
  const task = one.task.task;
  const lost = [...one.claimedBy]
    .filter((worker) => seen.canTellLoss && !seen.isLive(worker))
    .map((worker) => ({ kind: 'lost', task, worker }) as const);
  if (!seen.waiting) return [{ kind: 'look', task }, ...lost];
  if (seen.waiting.has(task)) return lost; // the broker delivers it, or it is stuck
  const isSettling = seen.nowMs - one.offeredAtMs < LIMITS.reconcileMs; // just acked, or just offered
  if (isSettling) return lost;
  if (seen.claimed.has(task) || seen.nowMs < one.notBeforeMs) {
    return [{ kind: 'look', task }, ...lost];
  }
  return [{ kind: 'look', task }, { kind: 'offer', task }, ...lost];
}

export type Verdict =
  | { readonly kind: 'retry'; readonly delayMs: number }
  | { readonly kind: 'fail'; readonly error: GristmillError };

/** What follows from the failures that a task has had in this run, in the order of their numbers. */
export function judge(task: Task, failures: readonly Failure[]): Verdict {
  const errors = failures.filter((failure) => failure.kind === 'error');
  const final = errors.find((failure) => !CODES[failure.error.code].retry);
  if (final) return { kind: 'fail', error: describe(task, final, errors.length) };
  if (errors.length >= LIMITS.taskFailuresMax) {
    return { kind: 'fail', error: describe(task, errors.at(-1)!, errors.length) };
  }
  const losses = failures.filter((failure) => failure.kind === 'lost');
  if (losses.length >= LIMITS.taskLossesMax) {
    return { kind: 'fail', error: describe(task, losses.at(-1)!, losses.length) };
  }
  const delayMs = errors.length === 0 ? 0 : LIMITS.taskRetryMs * 2 ** (errors.length - 1);
  return { kind: 'retry', delayMs };
}

function describe(task: Task, failure: Failure, attempts: number): GristmillError {
  const { code, message, errors } = failure.error;
  const tries = attempts === 1 ? '1 attempt' : `${attempts} attempts`;
  return new GristmillError(
    code,
    `Cannot finish ${task.stage} task ${task.task.slice(0, 12)} after ${tries}: ${message}`,
    errors ? { errors } : {},
  );
}
