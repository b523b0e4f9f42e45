// What to do about tasks that have been offered: wait, look, offer again, or give up. Pure.
// In: what was offered, what the broker holds, who claims what, recorded failures. Out: actions.
// Why a pass over everything: hints are lost, brokers are wiped, workers die; whatever happened, the pass sees it.
// Flow: job → snapshot → plan → [prepare → fit → train → evaluate → prove] → publish → gate → predictions
import { CODES, GristmillError } from '../../common/errors.ts';
import type { TaskId, WorkerId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { Failure, Task } from '../../common/wire/task.ts';

/** A task on its way: offered at least once, without a result so far. */
export type Outstanding = {
  readonly task: Task;
  /** Monotonic milliseconds of the last offer. */
  readonly offeredAtMs: number;
  /** Not offered again before this: backoff after a failure. */
  readonly notBeforeMs: number;
  /** Live workers that were heard to run it, until they are heard without it. */
  readonly claimedBy: ReadonlySet<WorkerId>;
};

export type Observation = {
  readonly nowMs: number;
  /** Undefined: the broker does not answer. */
  readonly waiting: ReadonlySet<TaskId> | undefined;
  /** False while we may have been deaf: paused, or without a broker. */
  readonly canTellLoss: boolean;
  readonly claimed: ReadonlySet<TaskId>;
  readonly isLive: (worker: WorkerId) => boolean;
};

export type Action =
  /** Read its commit and failures: a hint may have been lost. */
  | { readonly kind: 'look'; readonly task: TaskId }
  /** After a look that found nothing: it has neither result, nor message, nor a worker. */
  | { readonly kind: 'offer'; readonly task: TaskId }
  | { readonly kind: 'lost'; readonly task: TaskId; readonly worker: WorkerId };

export function reconcile(
  outstanding: Iterable<Outstanding>,
  seen: Observation,
): readonly Action[] {
  return [...outstanding].flatMap((one) => decide(one, seen));
}

function decide(one: Outstanding, seen: Observation): readonly Action[] {
  const task = one.task.task;
  const lost = [...one.claimedBy]
    .filter((worker) => seen.canTellLoss && !seen.isLive(worker))
    .map((worker) => ({ kind: 'lost', task, worker }) as const);
  if (!seen.waiting) return [{ kind: 'look', task }, ...lost];
  if (seen.waiting.has(task)) return lost; // the broker delivers it again by itself
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
