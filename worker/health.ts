// Probes of a worker: is it alive, can it work, and some figures, over HTTP on a port of its own.
// In: the running worker, its queue and its child. Out: 200 or 503 with a sentence, Prometheus text, RFC 9457 problems.
// Why plain node:http: three answers without a body to read need no framework, and this process computes nothing.
//
//   GET /healthz   200 while the heartbeat ticks; it asks nobody, so a broker that is away restarts no worker
//   GET /readyz    503 while starting or stopping, without the queue, or when child after child is lost
//   GET /metrics   the process, its threads and its tasks
import {
  createServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
  STATUS_CODES,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Child } from '../common/child/host.ts';
import type { Clock } from '../common/clock.ts';
import { GristmillError, isRetryable, toProblem } from '../common/errors.ts';
import { LIMITS } from '../common/limits.ts';
import type { Queue } from '../common/queue/queue.ts';
import type { Execute } from './loop.ts';
import type { Worker } from './supervisor.ts';

/** What the probes tell of; before it is shown, the worker is starting. */
export type Subject = {
  readonly worker: Pick<Worker, 'status' | 'beatMs'>;
  readonly queue: Pick<Queue, 'isConnected' | 'uri'>;
  readonly child: Pick<ChildWatch, 'lossesInARow' | 'lastLoss'>;
  readonly clock: Clock;
};

export type Probes = {
  readonly address: string;
  show(subject: Subject): void;
  close(): Promise<void>;
};

/** Listens at once, so that a taken port is an error before any task is pulled. */
export async function openProbes(at: { host: string; port: number }): Promise<Probes> {
  let subject: Subject | undefined;
  const server = createServer((request, response) => answer(request, response, subject));
  server.headersTimeout = LIMITS.headersTimeoutMs;
  server.requestTimeout = LIMITS.requestTimeoutMs;
  server.maxConnections = LIMITS.probesMax;
  const { address, port } = await listen(server, at);
  return {
    address: `http://${address.includes(':') ? `[${address}]` : address}:${port}`,
    show(shown) {
      subject = shown;
    },
    close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      return closed;
    },
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

const ROUTES: Readonly<
  Record<string, (subject: Subject | undefined, response: ServerResponse) => void>
> = {
  '/healthz'(subject, response) {
    const silentMs = subject ? subject.clock.monotonicMs() - subject.worker.beatMs() : 0;
    if (silentMs > LIMITS.heartbeatSilentMs) {
      throw new GristmillError(
        'WORKER_LOST',
        `The heartbeat is silent for ${Math.round(silentMs)} ms, expected one each ${LIMITS.heartbeatMs} ms`,
      );
    }
    sendJson(response, 200, { status: 'ok', detail: subject ? 'Alive' : 'Starting' });
  },
  '/readyz'(subject, response) {
    const { tasks } = checkReady(subject);
    const detail = tasks === 0 ? 'Waits for tasks' : `Does ${tasks} tasks`;
    sendJson(response, 200, { status: 'ready', detail });
  },
  '/metrics'(subject, response) {
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
    response.end(renderMetrics(subject));
  },
};

function checkReady(subject: Subject | undefined): { tasks: number } {
  if (!subject)
    throw new GristmillError('NOT_WORKING', 'Cannot take tasks: the worker is starting');
  const { queue, child } = subject;
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
  return { tasks: tasks.length + runs.length };
}

function renderMetrics(subject: Subject | undefined): string {
  const { user, system } = process.cpuUsage();
  const status = subject?.worker.status();
  const figures: readonly (readonly [string, 'gauge' | 'counter', string, number])[] = [
    ['gristmill_worker_threads', 'gauge', 'Threads of this worker', status?.threads ?? 0],
    ['gristmill_worker_threads_free', 'gauge', 'Threads without a task', status?.threadsFree ?? 0],
    ['gristmill_tasks_running', 'gauge', 'Tasks in hand', status?.tasks.length ?? 0],
    ['gristmill_runs', 'gauge', 'Training runs that it takes part in', status?.runs.length ?? 0],
    ['gristmill_worker_draining', 'gauge', '1 while it stops', status?.draining ? 1 : 0],
    [
      'gristmill_child_losses_in_a_row',
      'gauge',
      'Processes that compute, lost since one last did something',
      subject?.child.lossesInARow() ?? 0,
    ],
    ['process_cpu_seconds_total', 'counter', 'CPU seconds, user and system', (user + system) / 1e6],
    ['process_resident_memory_bytes', 'gauge', 'Resident memory', process.memoryUsage.rss()],
  ];
  const labels = `{role="worker",node="${process.versions.node}"}`;
  const build = [
    '# HELP gristmill_build_info Always 1; the labels say what runs',
    '# TYPE gristmill_build_info gauge',
    `gristmill_build_info${labels} 1`,
  ];
  const lines = figures.flatMap(([name, type, help, value]) => [
    `# HELP ${name} ${help}`,
    `# TYPE ${name} ${type}`,
    `${name} ${value}`,
  ]);
  return `${[...build, ...lines].join('\n')}\n`;
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  subject: Subject | undefined,
): void {
  const path = (request.url ?? '/').split('?')[0]!.slice(0, 100);
  try {
    const route = Object.hasOwn(ROUTES, path) ? ROUTES[path] : undefined;
    if (!route) {
      const expected = Object.keys(ROUTES).join(', ');
      throw new GristmillError('NOT_FOUND', `Cannot find ${path}, expected one of ${expected}`);
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      throw new GristmillError('METHOD_UNKNOWN', `Cannot ${request.method} ${path}: expected GET`);
    }
    route(subject, response);
  } catch (error) {
    const problem = toProblem(error);
    if (isRetryable(error)) response.setHeader('retry-after', 1);
    sendJson(response, problem.status, problem, 'application/problem+json');
  }
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  type = 'application/json; charset=utf-8',
): void {
  const text = `${JSON.stringify(body)}\n`;
  const headers = { 'content-type': type, 'content-length': Buffer.byteLength(text) };
  response.writeHead(status, STATUS_CODES[status], headers).end(text);
}

async function listen(server: Server, at: { host: string; port: number }): Promise<AddressInfo> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(at.port, at.host, resolve);
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new GristmillError(
      'PORT_TAKEN',
      `Cannot listen on ${at.host}:${at.port}: the port is taken, expected a free one (GRISTMILL_PORT)`,
      { cause: error },
    );
  }
  return server.address() as AddressInfo;
}
