// Runs tasks: each has a result in the store in the end, or the whole ends with the error of one.
// In: tasks. Out: their descriptors, read from the store. The queue moves work and hints; it is not asked what is true.
// Flow: job → snapshot → plan → [prepare → fit → train → evaluate → prove] → publish → gate → predictions
//
//   look up commits ─► offer (window) ─► hint "settled" ─► read descriptor or failures ─► done, again, or fail
//                          ▲                                             │
//                          └───── every LIMITS.reconcileMs: what has neither result, message nor worker
import type { Clock } from '../../common/clock.ts';
import { makeDeferred } from '../../common/deferred.ts';
import { GristmillError, toWireError } from '../../common/errors.ts';
import type { TaskId, WorkerId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { Log } from '../../common/log.ts';
import { mapParallel } from '../../common/parallel.ts';
import type { Bus } from '../../common/queue/bus.ts';
import { CHANNELS } from '../../common/queue/channels.ts';
import type { TaskQueue } from '../../common/queue/tasks.ts';
import { countFailures, readFailures, recordFailure } from '../../common/store/failures.ts';
import { getJson, type Store } from '../../common/store/store.ts';
import {
  type CorruptBlob,
  commitKey,
  type Descriptor,
  type Failure,
  type Task,
} from '../../common/wire/task.ts';
import { checkMended, planMend } from './mend.ts';
import { type Action, judge, reconcile } from './reconcile.ts';
import type { Stand, Standing } from './waiting.ts';
import { Window } from './window.ts';
import { claimsOf, type Workers } from './workers.ts';

export type TaskRun = {
  readonly tasks: readonly Task[];
  readonly queue: TaskQueue & Bus;
  readonly store: Store;
  readonly clock: Clock;
  readonly workers: Workers;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Called for each task that is done, in the order in which that became known. */
  readonly onProgress?: (progress: Progress) => void;
  /** Told what this stands on while it runs. */
  readonly stand?: Stand | undefined;
  /** Called for each attempt that failed, once. */
  readonly onFailure?: (failure: Failure) => void;
};

export type Progress = {
  readonly total: number;
  readonly done: number;
  /** Of those done: found in the store before anything was offered. */
  readonly reused: number;
  readonly descriptor: Descriptor;
};

/** Throws the error that ended a task, CANCELLED, or what `signal` was aborted with. */
export async function runTasks(run: TaskRun): Promise<Map<TaskId, Descriptor>> {
  const results = new Map<TaskId, Descriptor>();
  const tasks = [...new Map(run.tasks.map((task) => [task.task, task])).values()];
  let reused = 0;
  const finish = (descriptor: Descriptor): void => {
    results.set(descriptor.task, descriptor);
    run.onProgress?.({ total: tasks.length, done: results.size, reused, descriptor });
  };

  const missing: Task[] = [];
  await mapParallel(tasks, LIMITS.lookupsParallel, async (task) => {
    throwIfAborted(run.signal);
    const descriptor = await fetchDescriptor(run.store, task);
    if (!descriptor) return missing.push(task);
    reused += 1;
    return finish(descriptor);
  });
  if (missing.length > 0) await new Dispatch(run, inOrder(tasks, missing), finish).untilDone();
  return results;
}

/** Has the task run again that wrote a blob of which every copy is corrupt. */
export async function mendBlob(
  run: Omit<TaskRun, 'tasks' | 'onProgress'>,
  corrupt: CorruptBlob,
): Promise<void> {
  const task = await planMend(run.store, corrupt);
  if (!task) return;
  run.log.warn('computing a corrupt object again', { key: corrupt.key, commit: task.commit });
  const { store, queue, clock, workers, log, signal, stand } = run;
  await runTasks({ tasks: [task], store, queue, clock, workers, log, signal, stand });
  await checkMended(store, corrupt, task.commit);
}

export const fetchDescriptor = (store: Store, task: Task): Promise<Descriptor | undefined> =>
  getJson<Descriptor>(store, commitKey(task.stage, task.task, task.commit));

function inOrder(tasks: readonly Task[], some: readonly Task[]): readonly Task[] {
  const wanted = new Set(some);
  return tasks.filter((task) => wanted.has(task));
}

class Dispatch {
  readonly #run: TaskRun;
  readonly #window: Window;
  readonly #finish: (descriptor: Descriptor) => void;
  readonly #tasks: ReadonlySet<TaskId>;
  /** Tasks being looked at now; true: look once more afterwards. */
  readonly #looking = new Map<TaskId, boolean>();
  /** How many failures of each task have been answered. */
  readonly #judged = new Map<TaskId, number>();
  readonly #ended = makeDeferred<void>();
  #filling = false;
  #lastPassMs: number;
  /** Since when heartbeats have had a way to us: silence before that says nothing. */
  #hearsSinceMs: number;
  /** By key and copies: readers of one corrupt blob wait for one mend. */
  readonly #mends = new Map<string, Promise<void>>();
  #failuresBefore: ReadonlyMap<TaskId, number> = new Map();
  #isOver = false;
  #progressMs: number;

  constructor(run: TaskRun, tasks: readonly Task[], finish: (descriptor: Descriptor) => void) {
    this.#run = run;
    this.#window = new Window(run.queue, run.clock, tasks);
    this.#finish = finish;
    this.#lastPassMs = run.clock.monotonicMs();
    this.#progressMs = this.#lastPassMs;
    this.#hearsSinceMs = this.#lastPassMs;
    this.#tasks = new Set(tasks.map((task) => task.task));
  }

  async untilDone(): Promise<void> {
    const { queue, signal, store, workers, stand } = this.#run;
    this.#failuresBefore = await countFailures(store, this.#tasks);
    const stops = [
      ...(stand ? [stand(() => this.#standing())] : []),
      queue.subscribe(CHANNELS.taskSettled, ({ task }) => this.#onHint(task)),
      workers.onHeartbeat((heartbeat) => this.#window.hear(heartbeat)),
    ];
    const onAbort = (): void => this.#end(abortError(signal));
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    const over = new AbortController();
    void this.#fill();
    void this.#reconcileForever(over.signal);
    try {
      await this.#ended.promise;
    } finally {
      this.#isOver = true;
      over.abort();
      for (const stop of stops) stop();
      signal.removeEventListener('abort', onAbort);
      await this.#window.withdraw().catch((error: unknown) => {
        this.#run.log.warn('tasks not withdrawn', { error }); // workers do them for nothing
      });
    }
  }

  #end(error?: unknown): void {
    if (error) this.#ended.reject(error);
    else this.#ended.resolve();
  }

  #standing(): Standing {
    const tasks = [...this.#window.outstanding.values()].map(({ task, notBeforeMs }) => ({
      task: task.task,
      numerics: task.numerics,
      memoryBytes: task.memoryBytes,
      notBeforeMs,
    }));
    return { kind: 'tasks', tasks, progressMs: this.#progressMs };
  }

  #onHint(task: TaskId): void {
    if (this.#window.outstanding.has(task)) void this.#look(task);
  }

  /** The broker may be away: then the next round offers what it lacks. */
  async #fill(): Promise<void> {
    try {
      await this.#window.fill();
    } catch (error) {
      if (toWireError(error).code === 'QUEUE_UNAVAILABLE') this.#warn('offer failed', error);
      else this.#end(error);
    }
  }

  /** Reads the store about one task; looks asked for meanwhile are answered by one more. */
  async #look(task: TaskId): Promise<void> {
    if (this.#looking.has(task)) {
      this.#looking.set(task, true);
      return;
    }
    this.#looking.set(task, false);
    try {
      await this.#lookOnce(task);
    } catch (error) {
      if (toWireError(error).code === 'STORE_UNAVAILABLE') this.#warn('look failed', error);
      else this.#end(error);
    }
    const again = this.#looking.get(task);
    this.#looking.delete(task);
    if (again && this.#window.outstanding.has(task)) await this.#look(task);
  }

  async #lookOnce(id: TaskId): Promise<void> {
    const one = this.#window.outstanding.get(id);
    if (!one || this.#isOver) return;
    const { store, signal } = this.#run;
    const descriptor = await fetchDescriptor(store, one.task);
    if (descriptor) {
      if (!this.#window.settle(id)) return;
      this.#progressMs = this.#run.clock.monotonicMs();
      this.#finish(descriptor);
      if (this.#window.isEmpty) this.#end();
      else this.#fillSoon();
      return;
    }
    const failures = await readFailures(store, id, this.#failuresBefore.get(id) ?? 0);
    if (failures.length === (this.#judged.get(id) ?? 0)) return;
    const fresh = failures.slice(this.#judged.get(id) ?? 0);
    this.#judged.set(id, failures.length);
    for (const failure of fresh) this.#run.onFailure?.(failure);
    const verdict = judge(one.task, failures);
    if (verdict.kind === 'fail') return this.#end(verdict.error);
    if (fresh.some(({ corrupt }) => corrupt)) return void this.#mendFor(id, fresh);
    this.#window.delay(id, verdict.delayMs);
    if (failures.at(-1)?.kind !== 'error') return; // a lost worker's message is still in the stream
    void this.#run.clock.sleep(verdict.delayMs, signal).then(() => this.#offerAgain(id));
  }

  /** The reader is offered again when what it could not read is whole. */
  async #mendFor(id: TaskId, failures: readonly Failure[]): Promise<void> {
    this.#window.delay(id, Number.POSITIVE_INFINITY);
    try {
      for (const { corrupt } of failures) if (corrupt) await this.#mend(corrupt);
    } catch (error) {
      return this.#end(error);
    }
    this.#window.delay(id, 0);
    await this.#offerAgain(id);
  }

  #mend(corrupt: CorruptBlob): Promise<void> {
    const name = `${corrupt.key} ${corrupt.copies}`;
    const mend = this.#mends.get(name) ?? mendBlob(this.#run, corrupt);
    this.#mends.set(name, mend);
    return mend;
  }

  async #offerAgain(task: TaskId): Promise<void> {
    if (this.#isOver) return;
    try {
      await this.#window.offerAgain(task);
    } catch (error) {
      this.#warn('offer failed', error);
    }
  }

  /** Fills the window in groups: one publish round trip serves many. Less room is seen by the next pass. */
  #fillSoon(): void {
    if (this.#filling || this.#window.room < LIMITS.offerBatch) return;
    this.#filling = true;
    setImmediate(() => {
      this.#filling = false;
      if (!this.#isOver) void this.#fill();
    });
  }

  async #reconcileForever(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#run.clock.sleep(LIMITS.reconcileMs, signal);
      if (signal.aborted) return;
      try {
        await this.#reconcileOnce();
        await this.#fill();
      } catch (error) {
        this.#warn('reconcile failed', error);
      }
    }
  }

  async #reconcileOnce(): Promise<void> {
    const { clock, workers } = this.#run;
    const waiting = await this.#waiting();
    const nowMs = clock.monotonicMs();
    const wasAway = nowMs - this.#lastPassMs > 2 * LIMITS.reconcileMs; // paused, or a slow broker
    this.#lastPassMs = nowMs;
    if (!waiting || wasAway) this.#hearsSinceMs = nowMs;
    const actions = reconcile(this.#window.outstanding.values(), {
      nowMs,
      waiting,
      canTellLoss: nowMs - this.#hearsSinceMs >= LIMITS.heartbeatSilentMs,
      claimed: claimsOf(workers.live()),
      isLive: (worker) => workers.isLive(worker),
    });
    await mapParallel(actions.filter(isLost), LIMITS.lookupsParallel, (a) =>
      this.#recordLoss(a.task, a.worker),
    );
    await mapParallel(actions.filter(isLook), LIMITS.lookupsParallel, (a) => this.#look(a.task));
    for (const { kind, task } of actions) if (kind === 'offer') await this.#offerAgain(task);
  }

  /** Undefined where a broker does not answer. */
  async #waiting(): Promise<ReadonlySet<TaskId> | undefined> {
    const wanted = new Set([...this.#window.outstanding.values()].map((o) => o.task.numerics));
    try {
      const sets = await Promise.all([...wanted].map((p) => this.#run.queue.waiting(p)));
      return new Set(sets.flatMap((set) => [...set]));
    } catch (error) {
      this.#warn('queue does not answer', error);
      return undefined;
    }
  }

  async #recordLoss(task: TaskId, worker: WorkerId): Promise<void> {
    const one = this.#window.outstanding.get(task);
    this.#window.forgetClaim(task, worker);
    if (!one) return;
    this.#run.log.warn('worker lost', { worker, task });
    await recordFailure(this.#run.store, {
      formatVersion: 1,
      task,
      stage: one.task.stage,
      worker,
      kind: 'lost',
      error: { code: 'WORKER_LOST', message: `Worker ${worker} fell silent while it ran the task` },
      at: this.#run.clock.now(),
    });
  }

  #warn(message: string, error: unknown): void {
    if (!this.#isOver) this.#run.log.warn(message, { error });
  }
}

const isLost = (action: Action): action is Extract<Action, { kind: 'lost' }> =>
  action.kind === 'lost';
const isLook = (action: Action): action is Extract<Action, { kind: 'look' }> =>
  action.kind === 'look';

function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw abortError(signal);
}

const abortError = (signal: AbortSignal): GristmillError =>
  signal.reason instanceof GristmillError
    ? signal.reason
    : new GristmillError('CANCELLED', 'The tasks were cancelled');
