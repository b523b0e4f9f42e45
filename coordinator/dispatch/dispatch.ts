// One dispatch from its first offer to its last result.
// In: a source of tasks. Out: each task's descriptor, once, or the error that ended it all.
// Why passes beside hints: hints are lost, brokers wiped, workers killed; a pass over what is out sees all of it.
//
//   source ─► feed (looks up commits) ─► window ─► offer ─► hint "settled" ─► read descriptor or failures ─► done, again, or fail
//                                          ▲                                        │
//                                          └──── every LIMITS.reconcileMs: what has neither result, message nor worker,
//                                                and what the broker sits on
import { makeDeferred } from '../../common/deferred.ts';
import { GristmillError, toWireError } from '../../common/errors.ts';
import type { TaskId, WorkerId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import { mapParallel } from '../../common/parallel.ts';
import { CHANNELS } from '../../common/queue/channels.ts';
import { readFailures, recordFailure } from '../../common/stored/failures.ts';
import type { Found } from '../../common/stored/groups.ts';
import { type CorruptBlob, type Failure, groupsPrefix } from '../../common/wire/task.ts';
import { Feed } from './feed.ts';
import type { TaskStream } from './offer.ts';
import { type Action, IdleWatch, judge, reconcile } from './reconcile.ts';
import type { Results } from './results.ts';
import type { Standing } from './waiting.ts';
import { Window } from './window.ts';
import { claimsOf } from './workers.ts';

/** What a dispatch asks of those around it. */
export type Acts = {
  readonly results: Results;
  readonly mend: (corrupt: CorruptBlob) => Promise<void>;
};

export class Dispatch {
  readonly #run: TaskStream;
  readonly #acts: Acts;
  readonly #feed: Feed;
  readonly #window: Window;
  /** Tasks being looked at now; true: look once more afterwards. */
  readonly #looking = new Map<TaskId, boolean>();
  /** How many failures of each task have been answered. */
  readonly #judged = new Map<TaskId, number>();
  readonly #ended = makeDeferred<void>();
  readonly #idle: IdleWatch;
  #filling: Promise<void> | undefined;
  #fillsSoon = false;
  /** Tasks are between the source and the window. */
  #isFeeding = false;
  #lastPassMs: number;
  /** Since when heartbeats have had a way to us: silence before that says nothing. */
  #hearsSinceMs: number;
  /** By key and copies: readers of one corrupt blob wait for one mend. */
  readonly #mends = new Map<string, Promise<void>>();
  /** Failures of earlier offers than this are those of an earlier run. */
  readonly #firstOffer: number;
  #isOver = false;
  /** When a task was last done; monotonic ms. */
  #progressMs: number;

  constructor(run: TaskStream, acts: Acts) {
    this.#run = run;
    this.#acts = acts;
    this.#feed = new Feed(run.tasks, {
      find: run.isNew ? undefined : (task) => acts.results.find(task),
      onFound: ({ descriptor, group }, index) =>
        run.onResult(descriptor, { index, isReused: true, group }),
      clock: run.clock,
      signal: run.signal,
    });
    this.#firstOffer = run.clock.now();
    this.#window = new Window(run.queue, run.clock);
    this.#idle = new IdleWatch();
    this.#lastPassMs = run.clock.monotonicMs();
    this.#progressMs = this.#lastPassMs;
    this.#hearsSinceMs = this.#lastPassMs;
  }

  async untilDone(): Promise<void> {
    const { queue, signal, workers, stand } = this.#run;
    const stops = [
      ...(stand ? [stand(() => this.#standing())] : []),
      queue.subscribe(CHANNELS.taskSettled, ({ task, group }) => this.#onHint(task, group)),
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
      await this.#feed.close();
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

  #onHint(task: TaskId, group: string | undefined): void {
    if (group !== undefined) void this.#readGroup(group);
    else if (this.#window.outstanding.has(task)) void this.#look(task);
  }

  /** One at a time: the source is read in order. The broker may be away: then the next pass offers what it lacks. */
  #fill(): Promise<void> {
    this.#filling ??= this.#fillOnce().finally(() => {
      this.#filling = undefined;
    });
    return this.#filling;
  }

  async #fillOnce(): Promise<void> {
    try {
      while (await this.#addOnce()) {}
      if (this.#isDone) this.#end();
    } catch (error) {
      if (toWireError(error).code === 'QUEUE_UNAVAILABLE') this.#warn('offer failed', error);
      else this.#end(error);
    }
  }

  /** False when there is no room, or nothing more to add. */
  async #addOnce(): Promise<boolean> {
    if (this.#isOver || this.#window.room <= 0) return false;
    this.#isFeeding = true;
    let added: Promise<void>;
    try {
      const next = await this.#feed.take(this.#window.room);
      if (this.#isOver || next.length === 0) return false;
      added = this.#window.add(next, { isNew: true });
    } finally {
      this.#isFeeding = false;
    }
    await added;
    return true;
  }

  get #isDone(): boolean {
    return !this.#isFeeding && this.#feed.isDry && this.#window.outstanding.size === 0;
  }

  /** What it holds of other dispatches is theirs to read. A read that fails is made good by the next pass. */
  async #readGroup(group: string): Promise<void> {
    const { outstanding } = this.#window;
    const isOurs = [...outstanding.values()].some(({ task }) =>
      group.startsWith(groupsPrefix(task)),
    );
    if (!isOurs) return;
    try {
      for (const [id, descriptor] of await this.#acts.results.read(group)) {
        if (this.#isOver) return;
        if (outstanding.get(id)?.task.commit === 1) this.#settle(id, { descriptor, group });
      }
    } catch (error) {
      this.#warn('group not read', error);
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
    const found = await this.#acts.results.search(one.task);
    if (this.#isOver) return;
    if (found) return this.#settle(id, found);
    const failures = await readFailures(store, id, { offeredFrom: this.#firstOffer });
    if (!this.#window.outstanding.has(id)) return; // its group was read meanwhile
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

  #settle(id: TaskId, { descriptor, group }: Found): void {
    const indices = this.#window.settle(id);
    this.#judged.delete(id);
    this.#progressMs = this.#run.clock.monotonicMs();
    for (const index of indices) {
      this.#run.onResult(descriptor, { index, isReused: false, group });
    }
    if (this.#isDone) this.#end();
    else this.#fillSoon();
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
    const mend = this.#mends.get(name) ?? this.#acts.mend(corrupt);
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
    if (this.#fillsSoon || this.#feed.isDry || this.#window.room < LIMITS.offerBatch) return;
    this.#fillsSoon = true;
    setImmediate(() => {
      this.#fillsSoon = false;
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
      idle: this.#idle.see(workers.live(), nowMs),
    });
    await mapParallel(actions.filter(isLost), LIMITS.lookupsParallel, (a) =>
      this.#recordLoss(a.task, a.worker),
    );
    await mapParallel(actions.filter(isLook), LIMITS.lookupsParallel, (a) => this.#look(a.task));
    await this.#unstick(actions);
    for (const action of actions) if (action.kind === 'offer') await this.#offerAgain(action.task);
  }

  /** What the broker sits on goes, and is offered under a new generation; a consumer that stands still is made anew. */
  async #unstick(actions: readonly Action[]): Promise<void> {
    const { queue, log } = this.#run;
    for (const action of actions) {
      if (action.kind === 'restart') {
        log.warn('queue delivers nothing: consumer made anew', { numerics: action.numerics });
        await queue.restart(action.numerics);
      }
      if (action.kind === 'free') {
        log.warn('message stuck: offered again', { task: action.task });
        await this.#window.free(action.task);
      }
    }
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
      offer: this.#run.clock.now(),
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

const abortError = (signal: AbortSignal): GristmillError =>
  signal.reason instanceof GristmillError
    ? signal.reason
    : new GristmillError('CANCELLED', 'The tasks were cancelled');
