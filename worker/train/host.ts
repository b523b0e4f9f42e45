// A worker's side of training in the supervisor: everything around the rounds that is I/O.
// In: run views and round messages from the queue. Out: round messages, checkpoints, the commit, run statuses.
// Why here: the child that computes is expendable; leases, store and NATS stay in this process.
// Flow: job → snapshot → plan → prepare → fit → [train] → evaluate → prove → publish → gate → predictions
import { join } from 'node:path';
import { type RunId, taskIdOfRun } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import { CHANNELS } from '../../common/queue/channels.ts';
import type { RunStatus } from '../../common/wire/event.ts';
import type { RunView } from '../../common/wire/round.ts';
import { commitKey } from '../../common/wire/task.ts';
import type { ToHost } from './messages.ts';
import { HostedRun, type TrainingHostOptions } from './run.ts';

export type TrainingHost = {
  /** For the heartbeat: the runs that this worker holds state of, loads rows for, or failed in. */
  status(): readonly RunStatus[];
  /** Threads of the child that training holds now: so many fewer are free for tasks. */
  threadsUsed(): number;
  /** Calls back when there is what others wait for: rows loaded, the result committed, a failure, threads given back. */
  onTurn(handler: () => void): void;
  close(): Promise<void>;
};

export function startTrainingHost(options: TrainingHostOptions): TrainingHost {
  const host = new Host(options);
  return {
    status: () => host.status(),
    threadsUsed: () => host.threadsUsed(),
    onTurn: (handler) => host.onTurn(handler),
    close: () => host.close(),
  };
}

/** Views in a row that do not name this worker before it lets go: two coordinators may differ for a moment. */
const UNNAMED_VIEWS = 3;

class Host {
  readonly #options: TrainingHostOptions;
  readonly #unsubscribe: () => void;
  readonly #watch: NodeJS.Timeout;
  /** The newest generation heard of each run: nothing older is listened to, also by a new child. */
  readonly #generations = new Map<RunId, number>();
  /** Runs that failed here, told until they end everywhere. */
  readonly #failed = new Map<RunId, RunStatus>();
  #run: HostedRun | undefined;
  #unnamed = 0;
  #turned: () => void = () => {};
  /** The run before this one, which gives its threads back first. */
  #left: HostedRun | undefined;
  #leaving: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(options: TrainingHostOptions) {
    this.#options = options;
    const { queue, child } = options;
    this.#unsubscribe = queue.subscribe(CHANNELS.runs, (view) => this.#onView(view));
    child.onPost((message) => {
      for (const run of this.#present()) run.onPost(message as ToHost);
    });
    child.onLost((error) => {
      for (const run of this.#present()) run.onChildLost(error);
    });
    this.#watch = setInterval(() => void this.#lookAround(), LIMITS.heartbeatMs);
    this.#watch.unref();
  }

  status(): readonly RunStatus[] {
    const statuses = [...this.#failed.values()];
    if (this.#run && !this.#failed.has(this.#run.digest)) statuses.push(this.#run.status());
    return statuses;
  }
  threadsUsed(): number {
    return this.#run?.threads ?? 0;
  }
  onTurn(handler: () => void): void {
    this.#turned = handler;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#unsubscribe();
    clearInterval(this.#watch);
    this.#leave();
    await this.#leaving;
  }

  #present(): HostedRun[] {
    return [this.#run, this.#left].filter((run) => run !== undefined);
  }

  #onView(view: RunView): void {
    if (this.#closed || view.numerics !== this.#options.numerics) return;
    if (view.generation < (this.#generations.get(view.run) ?? 0)) return;
    this.#generations.set(view.run, view.generation);
    if (view.ended) this.#onEnded(view.run);
    else if (!this.#failed.has(view.run)) this.#onLiving(view);
  }

  #onEnded(run: RunId): void {
    this.#failed.delete(run);
    this.#generations.delete(run);
    if (this.#run?.digest === run) this.#leave();
  }

  #onLiving(view: RunView): void {
    const { worker } = this.#options;
    const isNamed =
      view.laneOwner.includes(worker) || view.joining.some((each) => each.worker === worker);
    if (!this.#run && isNamed) this.#join(view.run);
    if (this.#run?.digest !== view.run) return;
    this.#unnamed = isNamed ? 0 : this.#unnamed + 1;
    if (this.#unnamed >= UNNAMED_VIEWS) this.#leave();
    else this.#run.onView(view);
  }

  #join(run: RunId): void {
    const { scratch } = this.#options;
    this.#unnamed = 0;
    this.#run = new HostedRun({
      ...this.#options,
      digest: run,
      scratch: join(scratch, `train-${run.slice(0, 16)}`),
      ready: this.#leaving,
      onTurn: () => this.#turned(),
      onFailed: (status) => {
        this.#failed.set(run, status);
        if (this.#run?.digest === run) this.#leave();
      },
    });
  }

  #leave(): void {
    const run = this.#run;
    if (!run) return;
    this.#run = undefined;
    this.#left = run;
    this.#leaving = run.stop().catch((error: unknown) => {
      this.#options.log.warn('training left behind files', { run: run.digest, error });
    });
    this.#turned();
  }

  /** Where `ended` was lost: a result, or silence for long, ends a run as well. */
  async #lookAround(): Promise<void> {
    const run = this.#run;
    if (!run) return;
    const silentMs = this.#options.clock.monotonicMs() - run.viewedMs;
    const isOver =
      silentMs > LIMITS.runSilentMs ||
      (run.status().phase === 'done' &&
        silentMs > LIMITS.heartbeatSilentMs &&
        (await this.#isCommitted(run.digest)));
    if (isOver && this.#run === run) this.#onEnded(run.digest);
  }

  async #isCommitted(run: RunId): Promise<boolean> {
    const key = commitKey('train', taskIdOfRun(run), 1);
    return (await this.#options.store.head(key).catch(() => undefined)) !== undefined;
  }
}
