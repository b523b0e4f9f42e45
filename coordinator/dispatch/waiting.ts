// Why work stands still: what is asked for, held against who is alive and what answers. Pure.
// In: heartbeats, what a job has offered or trains, the health of queue and store. Out: one reason, or none.
// Why here and not where work waits: a dispatcher knows its tasks, and not that every worker is in another training.
import type { JobId, TaskId, WorkerId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { StoreTrouble } from '../../common/store/health.ts';
import type { Heartbeat } from '../../common/wire/event.ts';
import { sayParts, unlikeParts } from '../../common/wire/numerics.ts';
import { bytesHeld } from '../../common/wire/task.ts';
import { WAITING, type Waiting, type WaitingCode } from '../../common/wire/waiting.ts';

/** What a job stands on at a moment. */
export type Standing =
  /** Any worker: a plan is made for the numerics of those that live. */
  | { readonly kind: 'worker' }
  | {
      readonly kind: 'tasks';
      readonly tasks: readonly OfferedTask[];
      /** When one was last done, or the first were offered; monotonic ms. */
      readonly progressMs: number;
    }
  | {
      readonly kind: 'run';
      readonly run: string;
      readonly numerics: string;
      readonly owners: readonly WorkerId[];
    };

export type OfferedTask = {
  readonly task: TaskId;
  readonly numerics: string;
  readonly memoryBytes: number;
  /** Backoff after a failure: not offered again before; monotonic ms. */
  readonly notBeforeMs: number;
};

/** Says what work stands on, asked whenever somebody wants to know; the answer ends it. */
export type Stand = (look: () => Standing) => () => void;

export type Observation = {
  readonly nowMs: number;
  readonly queue: { readonly uri: string; readonly isConnected: boolean };
  /** Since when heartbeats have had a way to us: before that, silence says nothing. */
  readonly hearsSinceMs: number;
  /** Of the store as this process sees it. */
  readonly store: StoreTrouble | null;
  readonly live: readonly Heartbeat[];
  readonly standings: readonly Standing[];
  /** The job that trains so, where this coordinator runs it. */
  readonly jobOf: (run: string) => JobId | undefined;
};

export type Reason = Pick<Waiting, 'code' | 'words'>;

/** Null: work goes on, or what is awaited is the coordinator's own doing. */
export function whyWaiting(seen: Observation): Reason | null {
  if (!seen.queue.isConnected && seen.standings.length > 0)
    return reason('QUEUE_AWAY', `the queue at ${seen.queue.uri} does not answer`);
  const trouble = seen.store ?? seen.live.flatMap(({ store }) => store ?? [])[0];
  if (trouble?.code === 'STORE_FULL')
    return reason('STORE_FULL', `the store is full: ${trouble.message}`);
  if (trouble) return reason('STORE_AWAY', `the store does not answer: ${trouble.message}`);
  const reasons = seen.standings.map((standing) => whyStands(standing, seen));
  return reasons.every((one) => one !== null) ? (reasons[0] ?? null) : null; // one that goes on is enough
}

function whyStands(standing: Standing, seen: Observation): Reason | null {
  switch (standing.kind) {
    case 'worker':
      return whoIsThere(seen, undefined).reason;
    case 'tasks':
      return whyTasksStand(standing, seen);
    case 'run':
      return whyRunStands(standing, seen);
  }
}

function whyTasksStand(
  { tasks, progressMs }: Extract<Standing, { kind: 'tasks' }>,
  seen: Observation,
): Reason | null {
  const [first] = tasks;
  if (!first) return null;
  const claimed = new Set(seen.live.flatMap(({ tasks }) => tasks));
  const isMoving = tasks.some(
    ({ task, notBeforeMs }) => claimed.has(task) || notBeforeMs > seen.nowMs,
  );
  if (isMoving) return null;
  const { able, reason: nobody } = whoIsThere(seen, first.numerics);
  if (able.length === 0) return nobody;
  const needs = tasks.reduce((least, one) => Math.min(least, bytesHeld(one)), bytesHeld(first));
  const large = able.filter(({ memoryBytes }) => memoryBytes >= needs);
  if (large.length === 0) {
    const largest = able.reduce((most, { memoryBytes }) => Math.max(most, memoryBytes), 0);
    const words = `its tasks need ${MiB(needs)} of memory, and the largest live worker has ${MiB(largest)}`;
    return reason('MEMORY_SMALL', words);
  }
  const standsMs = seen.nowMs - progressMs;
  if (standsMs < STANDS_MS) return null;
  if (large.some(({ threadsFree }) => threadsFree > 0)) {
    if (standsMs < LIMITS.undeliveredMs) return null;
    const words = `${count(tasks.length, 'task')} offered for ${seconds(standsMs)}, and none is given to the workers that are free`;
    return reason('UNDELIVERED', words);
  }
  const trained = trainedBy(large, seen);
  if (trained && large.every(isTraining)) return reason('TRAINING_AHEAD', trained);
  const words = `${allOf(large)} busy with tasks of other jobs`;
  return reason('WORKERS_BUSY', words);
}

function whyRunStands(
  { run, numerics, owners }: Extract<Standing, { kind: 'run' }>,
  seen: Observation,
): Reason | null {
  const { able, reason: nobody } = whoIsThere(seen, numerics);
  if (able.length === 0) return nobody;
  const isIn = ({ worker, runs }: Heartbeat): boolean =>
    owners.includes(worker) || runs.some((status) => status.run === run && !isOver(status));
  if (able.some(isIn)) return null;
  const elsewhere = able.filter(({ runs }) => runs.some((of) => of.run !== run && !isOver(of)));
  if (elsewhere.length < able.length) return null; // somebody is about to join
  return reason('TRAINING_AHEAD', trainedBy(elsewhere, seen, run) ?? 'another training is ahead');
}

/** Workers that can do work of these numerics, or of any; and why there are none. */
function whoIsThere(
  { live, nowMs, hearsSinceMs }: Observation,
  numerics: string | undefined,
): { readonly able: readonly Heartbeat[]; readonly reason: Reason | null } {
  const staying = live.filter(({ draining }) => !draining);
  const able = staying.filter((one) => numerics === undefined || one.numerics === numerics);
  if (able.length > 0) return { able, reason: null };
  if (nowMs - hearsSinceMs < LIMITS.heartbeatSilentMs / 2) return { able, reason: null }; // deaf till now
  if (numerics !== undefined && staying.length > 0) {
    const others = [...new Set(staying.map((one) => one.numerics))];
    return { able, reason: reason('OTHER_NUMERICS', numericsWords(numerics, others)) };
  }
  const words =
    live.length > 0 ? 'no worker is alive but such as are stopping' : WAITING.NO_WORKER.means;
  return { able, reason: reason('NO_WORKER', words) };
}

function numericsWords(wanted: string, there: readonly string[]): string {
  const unlike = unlikeParts([wanted, ...there]);
  const have = [...new Set(there.map((one) => sayParts(one, unlike)))].join(', or ');
  return `no live worker has the numerics it was planned for: it wants ${sayParts(wanted, unlike)}; there is ${have}`;
}

function trainedBy(
  workers: readonly Heartbeat[],
  { jobOf }: Observation,
  butNot?: string,
): string | undefined {
  const runs = new Set(
    workers.flatMap(({ runs }) =>
      runs.filter((of) => of.run !== butNot && !isOver(of)).map(({ run }) => run),
    ),
  );
  if (runs.size === 0) return undefined;
  const jobs = [...runs].flatMap((run) => jobOf(run) ?? []);
  const whose = jobs.length > 0 ? `the training of job ${jobs.join(' and ')}` : 'another training';
  return `${allOf(workers)} in ${whose}, which is ahead of it`;
}

const isTraining = ({ runs }: Heartbeat): boolean => runs.some((status) => !isOver(status));
const isOver = ({ phase }: { readonly phase: string }): boolean =>
  phase === 'done' || phase === 'failed';

const allOf = (workers: readonly Heartbeat[]): string =>
  workers.length === 1 ? 'the only worker is' : `all ${workers.length} workers are`;
const count = (n: number, what: string): string => `${n} ${what}${n === 1 ? ' is' : 's are'}`;
const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;
const MiB = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;
const reason = (code: WaitingCode, words: string): Reason => ({ code, words });

/** A heartbeat tells of a claim within a second: before that, unclaimed tasks say nothing. */
const STANDS_MS = 2 * LIMITS.heartbeatMs;

/** A reason that is true, since when, and whether it has been long enough to be said. */
export type Held = { readonly waiting: Waiting; readonly sinceMs: number } | null;

/** The same reason goes on with newer words; another one begins anew. */
export function hold(
  before: Held,
  found: Reason | null,
  { now, nowMs }: { readonly now: number; readonly nowMs: number },
): Held {
  if (!found) return null;
  if (before?.waiting.code !== found.code)
    return { waiting: { ...found, since: now }, sinceMs: nowMs };
  return { ...before, waiting: { ...before.waiting, words: found.words } };
}

export const isSaid = (held: Held, nowMs: number): boolean =>
  held !== null && nowMs - held.sinceMs >= WAITING[held.waiting.code].holdMs;
