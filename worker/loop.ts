// Leases live here alone: pull when a thread is free, run, commit, tell, ack.
// In: leases. Out: commits and failures in the store, hints. Runs in the supervisor, which never runs an engine.
// Why the order: data → descriptor → hint → ack. Whoever dies between two of them leaves what the next one finds.
// Flow: job → snapshot → plan → [prepare → fit → train → evaluate → prove] → publish → gate → predictions
//
//   pull ─► not new, and commit there already? ─► execute ─► commit, alone or in a group ─► hint ─► ack
//                                       └─ error ─► failures/<task>/<n>.json ─► hint ─► ack
//                                       └─ the store is away, or not this task's fault ─► release
import type { Clock } from '../common/clock.ts';
import { crashPoint } from '../common/crash.ts';
import { type Code, GristmillError, toWireError } from '../common/errors.ts';
import type { TaskId, WorkerId } from '../common/ids.ts';
import { LIMITS } from '../common/limits.ts';
import type { Log } from '../common/log.ts';
import type { Bus } from '../common/queue/bus.ts';
import { CHANNELS } from '../common/queue/channels.ts';
import type { Lease, TaskQueue } from '../common/queue/tasks.ts';
import type { Store } from '../common/store/store.ts';
import { corruptOf } from '../common/store/verified.ts';
import { recordFailure } from '../common/stored/failures.ts';
import { bytesHeld, type Task } from '../common/wire/task.ts';
import { commit, fetchCommit } from './commit.ts';
import { type Committed, Committer } from './group.ts';
import { Recovery } from './recover.ts';
import type { Outcome } from './stage/runner.ts';

/** What an execution gives back; disposed after the commit: its files are needed until then. */
export type Executed = AsyncDisposable & {
  readonly outcome: Outcome;
  readonly cpuSeconds: number;
  readonly bytesRead: number;
};
export type Execute = (task: Task, limits: ExecuteLimits) => Promise<Executed>;
export type ExecuteLimits = { readonly deadlineMs: number; readonly signal: AbortSignal };

export type LoopOptions = {
  readonly worker: WorkerId;
  readonly numerics: string;
  readonly queue: Pick<TaskQueue, 'pull'> & Pick<Bus, 'publish'>;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly execute: Execute;
  /** How many tasks may run now; asked again at every occasion. */
  readonly capacity: () => number;
  /** A task that is planned with more memory is left to another worker. */
  readonly memoryBytes: number;
};

export type Loop = {
  /** Tasks in hand, for the heartbeat. */
  tasks(): readonly TaskId[];
  /** Looks at the capacity again. */
  wake(): void;
  /** Pulls no more; resolves when everything in hand is done, or handed back after `graceMs`. */
  drain(graceMs: number): Promise<void>;
};

type Running = {
  readonly done: Promise<void>;
  /** The lease is not extended past this: what still runs then is stuck, and another worker may try. */
  readonly untilMs: number;
};

export function startLoop(options: LoopOptions): Loop {
  const { queue, store, clock, log, worker, numerics } = options;
  const running = new Map<Lease, Running>();
  const ids = new Set<TaskId>();
  /** Tasks that failed here, each until when it is left to others (monotonic ms). */
  const failedHere = new Map<TaskId, number>();
  const pulls = new AbortController();
  const executions = new AbortController();
  const over = new AbortController();
  let pulling = 0;
  const recovery = new Recovery(store);
  const committer = new Committer({
    store,
    clock,
    onGroup: (group, [first]) => tell(first!.task, { ok: true, group }),
  });

  function fill(): void {
    while (!pulls.signal.aborted && pulling + running.size < options.capacity()) {
      pulling += 1;
      void pullOne();
    }
  }

  async function pullOne(): Promise<void> {
    let lease: Lease | undefined;
    try {
      lease = await queue.pull(numerics, LIMITS.queuePullMs, pulls.signal);
    } catch (error) {
      log.warn('pull failed', { error });
      await clock.sleep(LIMITS.queueRetryMs, pulls.signal);
    }
    pulling -= 1;
    if (lease) accept(lease);
    fill();
  }

  function accept(lease: Lease): void {
    const { task } = lease;
    const delayMs = refusal(task);
    if (delayMs !== undefined) {
      lease.release(delayMs);
      return;
    }
    ids.add(task.task);
    const done = handle(lease).finally(() => {
      ids.delete(task.task);
      running.delete(lease);
      fill();
    });
    const untilMs = clock.monotonicMs() + task.deadlineMs + LIMITS.ackWaitMs;
    running.set(lease, { done, untilMs });
  }

  /** After how long somebody else, or we again, may have a task that we cannot take now. */
  function refusal(task: Task): number | undefined {
    if (bytesHeld(task) > options.memoryBytes) return LIMITS.leaseExtendMs;
    if (ids.has(task.task)) return LIMITS.leaseExtendMs; // our own lapsed lease
    if (pulls.signal.aborted || running.size >= options.capacity()) return 0;
    const othersUntilMs = failedHere.get(task.task) ?? 0;
    return clock.monotonicMs() < othersUntilMs ? LIMITS.passOnMs : undefined;
  }

  async function handle(lease: Lease): Promise<void> {
    const { task } = lease;
    try {
      crashPoint('task.afterPull');
      const found = lease.isNew ? undefined : await find(lease);
      const { group } = found ?? (await attempt(task));
      if (found || !group) tell(task.task, { ok: true, ...(group ? { group } : {}) });
      await acknowledge(lease);
    } catch (error) {
      await settleError(lease, error);
    }
  }

  /**
   * Whoever had it before may have died with a group just written. A first delivery is not looked for in groups: the
   * dispatcher has done that, and offers what it finds there to nobody.
   */
  async function find(lease: Lease): Promise<Pick<Committed, 'group'> | undefined> {
    const { task, deliveries } = lease;
    if (await fetchCommit(store, task)) return {};
    if (deliveries === 1 || task.commit > 1) return undefined;
    const group = await recovery.find(lease);
    return group === undefined ? undefined : { group };
  }

  /** One loop for all leases: a timer each would cost more than a short task. */
  async function extendForever(): Promise<void> {
    while (!over.signal.aborted) {
      await clock.sleep(LIMITS.leaseExtendMs, over.signal);
      const nowMs = clock.monotonicMs();
      for (const [lease, { untilMs }] of running) if (nowMs <= untilMs) lease.extend();
    }
  }

  async function attempt(task: Task): Promise<Committed> {
    const startMs = clock.monotonicMs();
    const limits = { deadlineMs: task.deadlineMs, signal: executions.signal };
    await using executed = await options.execute(task, limits);
    crashPoint('task.afterRun');
    const { outcome, cpuSeconds, bytesRead } = executed;
    const seconds = (clock.monotonicMs() - startMs) / 1000;
    const spent = { seconds, cpuSeconds, bytesRead };
    return await commit(store, task, { outcome, ...spent }, { worker, log, committer });
  }

  function tell(task: TaskId, of: { readonly ok: boolean; readonly group?: string }): void {
    queue.publish(CHANNELS.taskSettled, { task, ...of });
  }

  async function acknowledge(lease: Lease): Promise<void> {
    await lease.ack();
    crashPoint('commit.afterAck');
  }

  async function settleError(lease: Lease, error: unknown): Promise<void> {
    const { task } = lease;
    const wire = toWireError(error);
    const fields = { task: task.task, stage: task.stage, code: wire.code, error: wire.message };
    if (isNotItsFault(error)) {
      log.warn('task handed back', fields);
      lease.release(isStoreAway(wire.code) ? LIMITS.taskRetryMs : 0);
      return;
    }
    log.warn('task failed', fields);
    if (failedHere.size >= LIMITS.failedHereMax) failedHere.clear();
    failedHere.set(task.task, clock.monotonicMs() + LIMITS.othersFirstMs);
    const corrupt = corruptOf(error);
    if (wire.code === 'INTERNAL') log.error('stack', { stack: (error as Error).stack });
    try {
      await recordFailure(store, {
        formatVersion: 1,
        task: task.task,
        stage: task.stage,
        worker,
        ...(corrupt ? { kind: 'corrupt', corrupt } : { kind: 'error' }),
        error: wire,
        at: clock.now(),
        offer: lease.generation,
      });
      tell(task.task, { ok: false });
      await acknowledge(lease);
    } catch (cause) {
      log.warn('failure not recorded', { task: task.task, error: cause });
      lease.release(LIMITS.taskRetryMs);
    }
  }

  fill();
  void extendForever();
  return {
    tasks: () => [...ids],
    wake: fill,
    async drain(graceMs) {
      pulls.abort();
      const all = (): Promise<unknown> =>
        Promise.all([...running.values()].map(({ done }) => done));
      const grace = new AbortController();
      await Promise.race([all(), clock.sleep(graceMs, grace.signal)]);
      grace.abort();
      executions.abort(new GristmillError('CANCELLED', 'The worker is stopping'));
      await all();
      over.abort();
    },
  };
}

/** Away, or full: it comes back, and the task is done then. */
const isStoreAway = (code: Code): boolean => code === 'STORE_UNAVAILABLE' || code === 'STORE_FULL';

/** The store is away, the worker stops, or a neighbour in the child took it down: no attempt of this task. */
function isNotItsFault(error: unknown): boolean {
  if (!(error instanceof GristmillError)) return false;
  if (isStoreAway(error.code) || error.code === 'CANCELLED') return true;
  return error.code === 'CHILD_LOST' && error.cause instanceof GristmillError;
}
