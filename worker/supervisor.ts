// A worker: the loop over tasks, its side of training, the heartbeat, and how it leaves.
// In: a queue, a store, a lake. Out: tasks done until it is told to stop. Never runs an engine itself.
// Why the heartbeat is here: this process never blocks, so silence means that the machine or the network is gone.
import { hostname } from 'node:os';
import type { Clock } from '../common/clock.ts';
import { DEFAULT_DEVICE, deviceIn } from '../common/engine/device/device.ts';
import { newWorkerId, type WorkerId } from '../common/ids.ts';
import { LIMITS } from '../common/limits.ts';
import type { Log } from '../common/log.ts';
import { CHANNELS } from '../common/queue/channels.ts';
import type { StoreHealth } from '../common/store/health.ts';
import type { Store } from '../common/store/store.ts';
import type { Heartbeat } from '../common/wire/event.ts';
import { bytesHeld } from '../common/wire/task.ts';
import { type Execute, type LoopOptions, startLoop } from './loop.ts';
import type { TrainingHost } from './train/host.ts';

export type WorkerOptions = {
  readonly worker?: WorkerId;
  readonly numerics: string;
  readonly threads: number;
  readonly memoryBytes: number;
  readonly queue: LoopOptions['queue'];
  readonly store: Store;
  /** What is wrong with the store travels with the heartbeat. Left out: it is taken to be well. */
  readonly storeHealth?: StoreHealth;
  readonly clock: Clock;
  readonly log: Log;
  readonly execute: Execute;
  /** Training shares the child's threads with tasks. Left out: this worker does not train. */
  readonly training?: TrainingHost;
  /** Tasks at once; left out, as many as threads and memory allow. */
  readonly slots?: number;
};

export type Worker = {
  readonly worker: WorkerId;
  /** What the next heartbeat would say. */
  status(): Heartbeat;
  /** When it last beat; monotonic ms. */
  beatMs(): number;
  /** Takes nothing new, finishes or hands back what it has within the grace, and leaves. */
  stop(graceMs?: number): Promise<void>;
};

export function startWorker(options: WorkerOptions): Worker {
  const { queue, clock, training } = options;
  const worker = options.worker ?? newWorkerId();
  const slots = options.slots ?? slotsFor(options);
  const startedAt = clock.now();
  const over = new AbortController();
  let draining = false;
  let beatMs = clock.monotonicMs();

  const loop = startLoop({
    ...options,
    worker,
    capacity: () => Math.min(slots, Math.max(0, options.threads - threadsTraining(training))),
  });

  const heartbeat = (): Heartbeat => {
    const tasks = loop.tasks();
    const trouble = options.storeHealth?.trouble();
    return {
      worker,
      host: hostname(),
      pid: process.pid,
      numerics: options.numerics,
      device: deviceIn(options.numerics) ?? DEFAULT_DEVICE,
      threads: options.threads,
      threadsFree: Math.max(0, options.threads - threadsTraining(training) - tasks.length),
      memoryBytes: options.memoryBytes,
      tasks,
      runs: training?.status() ?? [],
      draining,
      startedAt,
      ...(trouble ? { store: trouble } : {}),
    };
  };

  function beat(): void {
    if (over.signal.aborted) return;
    queue.publish(CHANNELS.heartbeat, heartbeat());
    beatMs = clock.monotonicMs();
    loop.wake(); // training may have let threads go
  }
  async function beatForever(): Promise<void> {
    for (; !over.signal.aborted; await clock.sleep(LIMITS.heartbeatMs, over.signal)) beat();
  }
  training?.onTurn(beat);
  void beatForever();

  return {
    worker,
    status: heartbeat,
    beatMs: () => beatMs,
    async stop(graceMs = LIMITS.drainGraceMs) {
      draining = true;
      queue.publish(CHANNELS.heartbeat, heartbeat());
      await loop.drain(graceMs);
      await training?.close();
      over.abort();
      queue.publish(CHANNELS.heartbeat, { ...heartbeat(), runs: [] }); // the last word: nothing is claimed any more
    },
  };
}

const threadsTraining = (training: TrainingHost | undefined): number =>
  training?.threadsUsed() ?? 0;

/** DuckDB takes its limit and some more: a child that holds more tasks than its memory is killed. */
const TASK_BYTES = bytesHeld({ memoryBytes: LIMITS.taskMemoryBytes });

/** None where no planned task fits: what is not pulled slows nobody, and a worker that holds it for a while does. */
const slotsFor = ({ threads, memoryBytes }: WorkerOptions): number =>
  Math.min(threads, Math.floor(memoryBytes / TASK_BYTES));

/** Why a worker can do none of the tasks that are planned today; undefined where it can. */
export function whyTooSmall(memoryBytes: number): string | undefined {
  if (memoryBytes >= TASK_BYTES) return undefined;
  const inMiB = (bytes: number): number => Math.floor(bytes / 2 ** 20);
  return `it may use ${inMiB(memoryBytes)} MiB, and a task is planned with ${inMiB(TASK_BYTES)} MiB, expected GRISTMILL_MEMORY of at least that`;
}
