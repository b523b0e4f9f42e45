// Probes of a worker: is it alive, can it work, and some figures, over HTTP on a port of its own.
// In: the running worker, its queue and its child. Out: 200 or 503 with a sentence, Prometheus text, RFC 9457 problems.
// Why the common service for three answers: they count, refuse and time out as those of coordinator and gateway do.
//
//   GET /healthz   200 while the heartbeat ticks; it asks nobody, so a broker that is away restarts no worker
//   GET /readyz    503 while starting (with what it waits for) or stopping, without the queue, when child after child is
//                  lost, or with less memory than a task is planned with
//   GET /metrics   the process, its threads and its tasks
import type { Child } from '../common/child/host.ts';
import type { Clock } from '../common/clock.ts';
import { GristmillError } from '../common/errors.ts';
import { listen } from '../common/http/listen.ts';
import { type MetricName, Metrics, type Sample } from '../common/http/metrics.ts';
import { makeService } from '../common/http/service.ts';
import { LIMITS } from '../common/limits.ts';
import type { Log } from '../common/log.ts';
import type { Queue } from '../common/queue/queue.ts';
import { refusedSamples } from '../common/queue/refused.ts';
import type { Execute } from './loop.ts';
import type { Worker } from './supervisor.ts';

/** What the probes tell of; before it is shown, the worker is starting. */
export type Subject = {
  readonly worker: Pick<Worker, 'status' | 'beatMs'>;
  readonly queue: Pick<Queue, 'isConnected' | 'uri' | 'refused'>;
  readonly child: Pick<ChildWatch, 'lossesInARow' | 'lastLoss'>;
  /** Why no task that is planned fits into its memory. */
  readonly tooSmall?: string | undefined;
};

export type Probes = {
  readonly address: string;
  /** Until it is shown: what it waits for. */
  wait(why: () => GristmillError | undefined): void;
  show(subject: Subject): void;
  close(): Promise<void>;
};

/** Listens at once, so that a taken port is an error before any task is pulled. */
export async function openProbes(
  at: { readonly host: string; readonly port: number },
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<Probes> {
  let subject: Subject | undefined;
  let why: () => GristmillError | undefined = () => undefined;
  const metrics = new Metrics('worker');
  metrics.read(() => samplesOf(subject));
  const app = await makeService({
    routes: [],
    probes: { alive: () => checkAlive(subject, clock), ready: () => checkReady(subject, why()) },
    metrics,
    bodies: 'bytes',
    connectionsMax: LIMITS.probesMax,
    clock,
    log,
  });
  return {
    address: await listen(app, at),
    wait(asked) {
      why = asked;
    },
    show(shown) {
      subject = shown;
    },
    close: () => app.close(),
  };
}

/** Counts the children lost since one last did something. */
export type ChildWatch = {
  lossesInARow(): number;
  lastLoss(): string | undefined;
  /** The same execution, whose success shows that the child runs. */
  watching(execute: Execute): Execute;
};

export function watchChild(child: Pick<Child, 'onLost' | 'onPost'>): ChildWatch {
  let losses = 0;
  let last: string | undefined;
  const isWell = (): void => {
    losses = 0;
    last = undefined;
  };
  child.onLost((error) => {
    losses += 1;
    last = error.message;
  });
  child.onPost(isWell); // training speaks
  return {
    lossesInARow: () => losses,
    lastLoss: () => last,
    watching: (execute) => async (task, limits) => {
      const executed = await execute(task, limits);
      isWell();
      return executed;
    },
  };
}

function checkAlive(subject: Subject | undefined, clock: Clock): string {
  if (!subject) return 'Starting';
  const silentMs = clock.monotonicMs() - subject.worker.beatMs();
  if (silentMs <= LIMITS.heartbeatSilentMs) return 'Alive';
  throw new GristmillError(
    'WORKER_LOST',
    `The heartbeat is silent for ${Math.round(silentMs)} ms, expected one each ${LIMITS.heartbeatMs} ms`,
  );
}

function checkReady(subject: Subject | undefined, why: GristmillError | undefined): string {
  if (!subject)
    throw why ?? new GristmillError('NOT_WORKING', 'Cannot take tasks: the worker is starting');
  const { queue, child, tooSmall } = subject;
  if (tooSmall !== undefined) {
    throw new GristmillError('MEMORY', `Cannot take tasks: the worker is too small: ${tooSmall}`);
  }
  const { draining, tasks, runs } = subject.worker.status();
  if (draining)
    throw new GristmillError('NOT_WORKING', 'Cannot take tasks: the worker is stopping');
  if (!queue.isConnected()) {
    const message = `Cannot take tasks: the queue at ${queue.uri} does not answer`;
    throw new GristmillError('QUEUE_UNAVAILABLE', message);
  }
  const losses = child.lossesInARow();
  if (losses >= LIMITS.childLossesMax) {
    const message = `Cannot do tasks: ${losses} processes that compute were lost in a row, the last one so: ${child.lastLoss()}`;
    throw new GristmillError('CHILD_LOST', message);
  }
  const work = tasks.length + runs.length;
  return work === 0 ? 'Waits for tasks' : `Does ${work} tasks`;
}

function samplesOf(subject: Subject | undefined): readonly Sample[] {
  const status = subject?.worker.status();
  const gauge = (name: MetricName, help: string, value = 0): Sample => ({
    ...{ name, help, value },
    type: 'gauge',
  });
  return [
    gauge('gristmill_worker_threads', 'Threads of this worker', status?.threads),
    gauge('gristmill_worker_threads_free', 'Threads without a task', status?.threadsFree),
    gauge('gristmill_tasks_running', 'Tasks in hand', status?.tasks.length),
    gauge('gristmill_runs', 'Training runs that it takes part in', status?.runs.length),
    gauge('gristmill_worker_draining', '1 while it stops', status?.draining ? 1 : 0),
    gauge(
      'gristmill_queue_connected',
      '1 while the queue answers',
      subject?.queue.isConnected() ? 1 : 0,
    ),
    gauge(
      'gristmill_child_losses_in_a_row',
      'Processes that compute, lost since one last did something',
      subject?.child.lossesInARow(),
    ),
    ...refusedSamples(subject?.queue.refused() ?? new Map()),
  ];
}
