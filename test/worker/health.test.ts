// What the probes of a worker answer in each of its states.
// In: a worker's status, made up. Out: statuses and bodies over real HTTP on a free port.
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../common/clock.ts';
import { GristmillError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import { silentLog } from '../../common/log.ts';
import type { Heartbeat } from '../../common/wire/event.ts';
import { openProbes, type Subject, watchChild } from '../../worker/health.ts';
import type { Executed } from '../../worker/loop.ts';
import { whyTooSmall } from '../../worker/supervisor.ts';

const status = (change: Partial<Heartbeat> = {}): Heartbeat =>
  ({ threads: 4, threadsFree: 3, tasks: ['t'], runs: [], draining: false, ...change }) as Heartbeat;

type Lever = { nowMs: number; connected: boolean };

function subject(change: Partial<Heartbeat> = {}): Subject & Lever {
  const self: Subject & Lever = {
    nowMs: 0,
    connected: true,
    worker: { status: () => status(change), beatMs: () => 0 },
    queue: {
      isConnected: () => self.connected,
      uri: 'nats://here:4222',
      refused: () => new Map([['task', 3]]),
    },
    child: { lossesInARow: () => 0, lastLoss: (): string | undefined => undefined },
  };
  return self;
}

const at = { host: '127.0.0.1', port: 0 };
const still = { clock: systemClock, log: silentLog };

async function open(shown?: Subject & Partial<Lever>) {
  const clock = { ...systemClock, monotonicMs: () => shown?.nowMs ?? 0 };
  const probes = await openProbes(at, { clock, log: silentLog });
  onTestFinished(() => probes.close());
  if (shown) probes.show(shown);
  return async (path: string, method = 'GET') => {
    const response = await fetch(`${probes.address}${path}`, { method });
    const text = await response.text();
    const isJson = response.headers.get('content-type')?.includes('json') && text !== '';
    return {
      status: response.status,
      type: response.headers.get('content-type'),
      body: isJson ? (JSON.parse(text) as Record<string, unknown>) : text,
    };
  };
}

test('/healthz is 200 while the heartbeat ticks, also without the queue, and 503 when it is silent', async () => {
  const shown = subject();
  const ask = await open(shown);
  shown.connected = false;
  expect(await ask('/healthz')).toMatchObject({ status: 200, body: { status: 'ok' } });
  shown.nowMs = LIMITS.heartbeatSilentMs + 1;
  expect(await ask('/healthz')).toMatchObject({ status: 503, body: { code: 'WORKER_LOST' } });
});

test('/readyz is 503 while the worker starts, stops, or has no queue, each as problem details', async () => {
  const starting = await open();
  expect(await starting('/healthz')).toMatchObject({ status: 200 });
  expect(await starting('/readyz')).toMatchObject({
    status: 503,
    type: 'application/problem+json; charset=utf-8',
    body: { code: 'NOT_WORKING', detail: expect.stringContaining('starting') },
  });
  const shown = subject();
  const ask = await open(shown);
  expect(await ask('/readyz')).toMatchObject({
    status: 200,
    body: { status: 'ready', detail: 'Does 1 tasks' },
  });
  shown.connected = false;
  expect(await ask('/readyz')).toMatchObject({
    status: 503,
    body: { code: 'QUEUE_UNAVAILABLE', detail: expect.stringContaining('nats://here:4222') },
  });
  const stopping = await open(subject({ draining: true }));
  expect(await stopping('/readyz')).toMatchObject({ status: 503, body: { code: 'NOT_WORKING' } });
});

test('/readyz is 503 once child after child was lost, until one does something', async () => {
  const lost: ((error: GristmillError) => void)[] = [];
  const watch = watchChild({
    onLost: (handler) => void lost.push(handler),
    onPost: () => {},
  });
  const ask = await open({ ...subject(), child: watch });
  for (let n = 0; n < LIMITS.childLossesMax; n++) {
    expect((await ask('/readyz')).status).toBe(200);
    for (const tell of lost) tell(new GristmillError('CHILD_LOST', 'spawn EAGAIN'));
  }
  expect(await ask('/readyz')).toMatchObject({
    status: 503,
    body: { code: 'CHILD_LOST', detail: expect.stringContaining('spawn EAGAIN') },
  });
  await watch.watching(async () => ({}) as Executed)({} as never, {} as never);
  expect((await ask('/readyz')).status).toBe(200);
});

test('/metrics tells of tasks and the process in the text form of Prometheus', async () => {
  const ask = await open(subject());
  const { status, type, body } = await ask('/metrics');
  expect([status, type]).toEqual([200, 'text/plain; version=0.0.4; charset=utf-8']);
  expect(body).toMatch(/^gristmill_tasks_running 1$/m);
  expect(body).toMatch(/^gristmill_messages_refused_total\{channel="task"\} 3$/m);
  expect(body).toMatch(/^gristmill_messages_refused_total\{channel="heartbeat"\} 0$/m);
  expect(body).toMatch(/^process_resident_memory_bytes \d+$/m);
  for (const line of String(body).split('\n').filter(Boolean)) {
    expect(line).toMatch(/^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[^}]*\})? [\d.e+-]+)$/);
  }
});

test('another path is 404 and another method 405, with what there is instead', async () => {
  const ask = await open(subject());
  expect(await ask('/')).toMatchObject({
    status: 404,
    body: { code: 'PATH_UNKNOWN', detail: expect.stringContaining('/readyz') },
  });
  expect(await ask('/toString')).toMatchObject({ status: 404 });
  expect(await ask('/readyz', 'POST')).toMatchObject({ status: 405 });
  expect(await ask('/readyz', 'HEAD')).toMatchObject({ status: 200, body: '' });
});

test('openProbes() says which port is taken', async () => {
  const probes = await openProbes(at, still);
  onTestFinished(() => probes.close());
  const port = Number(new URL(probes.address).port);
  await expect(openProbes({ ...at, port }, still)).rejects.toMatchObject({
    code: 'PORT_TAKEN',
    message: expect.stringContaining(String(port)),
  });
});

test('/readyz of a worker that waits says for what; of one that is too small, how much it needs', async () => {
  const probes = await openProbes(at, still);
  onTestFinished(() => probes.close());
  const ask = async () => (await fetch(`${probes.address}/readyz`)).json();
  probes.wait(() => new GristmillError('QUEUE_UNAVAILABLE', 'Waits for the queue at nats://here'));
  expect(await ask()).toMatchObject({
    code: 'QUEUE_UNAVAILABLE',
    detail: 'Waits for the queue at nats://here',
  });
  const tooSmall = whyTooSmall(512 * 2 ** 20);
  probes.show({ ...subject(), tooSmall });
  expect(await ask()).toMatchObject({
    code: 'MEMORY',
    detail: expect.stringMatching(/may use 512 MiB, and a task is planned with 896 MiB/),
  });
  expect(whyTooSmall(LIMITS.taskMemoryBytes + LIMITS.taskOverheadBytes)).toBeUndefined();
});
