// Tasks through real processes: killed between any two writes, paused, with the broker wiped under them.
// What must hold each time: every task has exactly one commit, its data are what the commit names, nothing is left waiting.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../../common/clock.ts';
import { CRASH_POINTS } from '../../common/crash.ts';
import { silentLog } from '../../common/log.ts';
import { openJetStream } from '../../common/queue/jetstream.ts';
import type { Queue } from '../../common/queue/queue.ts';
import { numericsToken } from '../../common/queue/tasks.ts';
import { openStore } from '../../common/store/open.ts';
import type { Store } from '../../common/store/store.ts';
import { getVerified } from '../../common/store/verified.ts';
import { type BlobRef, type Descriptor, groupsPrefix, type Task } from '../../common/wire/task.ts';
import { runTasks } from '../../coordinator/dispatch/offer.ts';
import { watchWorkers } from '../../coordinator/dispatch/workers.ts';
import { findNats, type Nats, startNats } from '../support/nats.ts';
import { startWorkerProcess, type WorkerProcess, type WorkerSetup } from '../support/processes.ts';
import { idsOf, makeTasks } from '../support/tasks.ts';
import { countCommits } from '../support/work.ts';

const ACK_WAIT_MS = 1000;

type World = AsyncDisposable & {
  readonly tasks: readonly Task[];
  readonly queue: Queue;
  readonly store: Store;
  worker(over?: Partial<WorkerSetup>): Promise<WorkerProcess>;
  /** All tasks through the dispatcher, and the checks. */
  finish(onDone?: (done: number) => void): Promise<void>;
};

async function makeWorld(nats: Nats, numerics: string, count: number): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'gristmill-tasks-'));
  const uri = pathToFileURL(folder).href;
  const store = await openStore(uri, {});
  const queue = await openJetStream({
    servers: nats.url,
    source: 'the test',
    name: 'test-boss',
    log: silentLog,
    ackWaitMs: ACK_WAIT_MS,
  });
  const workers = watchWorkers(queue, systemClock);
  const tasks = makeTasks(count, { numerics });
  const processes: WorkerProcess[] = [];
  return {
    tasks,
    queue,
    store,
    async worker(over = {}) {
      const setup = { nats: nats.url, store: uri, numerics, slots: 4, taskMs: 20, blob: true };
      const worker = await startWorkerProcess({ ...setup, ackWaitMs: ACK_WAIT_MS, ...over });
      processes.push(worker);
      return worker;
    },
    async finish(onDone = () => {}) {
      const signal = new AbortController().signal;
      const found = await runTasks({
        ...{ tasks, queue, store, workers, signal, clock: systemClock, log: silentLog },
        onProgress: ({ done }) => onDone(done),
      });
      expect([...found.keys()].sort()).toEqual(idsOf(tasks));
      expect(await countCommits(store, tasks)).toEqual({ 1: count });
      await Promise.all([...found.values()].map((descriptor) => checkData(store, descriptor)));
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(processes.map((process) => process[Symbol.asyncDispose]()));
      workers.close();
      await queue.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function checkData(store: Store, { task, result }: Descriptor): Promise<void> {
  const { ran, data } = result as { ran: string; data?: BlobRef };
  expect(ran).toBe(task);
  if (!data) return;
  expect(new TextDecoder().decode(await getVerified(store, data))).toBe(`data of ${task}`);
}

/** A lone task passes all but one; of several at once, each result is durable in a group before any is acked. */
const ALONE = CRASH_POINTS.filter((point) => point !== 'commit.afterGroup');
const GROUPED = [
  'task.afterRun:90',
  'commit.afterGroup:1',
  'commit.afterGroup:4',
  'commit.afterAck:90',
];

async function groupsOf({ store, tasks }: World): Promise<number> {
  return (await store.listNames(groupsPrefix(tasks[0]!))).length;
}

describe.skipIf(!findNats())('tasks over nats-server', () => {
  let nats: Nats;
  beforeAll(async () => {
    nats = await startNats();
  });
  afterAll(async () => {
    await nats[Symbol.asyncDispose]();
  });

  test.each(ALONE)('a worker killed at %s: every task has one commit', async (point) => {
    await using world = await makeWorld(nats, `crash-${point}`, 40);
    const dying = await world.worker({ crash: `${point}:7` });
    const finished = world.finish();
    expect(await dying.ended).toBe('SIGKILL');
    await world.worker();
    await finished;
  });

  test.each(GROUPED)(
    'a worker of many small tasks killed at %s: each has one commit, nearly all in groups',
    async (point) => {
      const numerics = `groups-${point.replace(':', '-')}`;
      await using world = await makeWorld(nats, numerics, 600);
      const many = { slots: 32, taskMs: 1, blob: false };
      const dying = await world.worker({ ...many, crash: point });
      const finished = world.finish();
      expect(await dying.ended).toBe('SIGKILL');
      await world.worker(many);
      await finished;
      expect(await groupsOf(world)).toBeGreaterThan(1);
    },
  );

  test('tasks delivered twice have one commit', async () => {
    await using world = await makeWorld(nats, 'twice', 40);
    for (const task of world.tasks) await world.queue.offer(task, 1);
    for (const task of world.tasks) await world.queue.offer(task, 2);
    await Promise.all([world.worker(), world.worker()]);
    await world.finish();
    await expect
      .poll(async () => (await world.queue.waiting('twice')).size, { timeout: 20_000 })
      .toBe(0);
  });

  test('a paused worker loses its tasks to another, and wakes to find them done', async () => {
    await using world = await makeWorld(nats, 'paused', 40);
    const sleeper = await world.worker({ taskMs: 500 });
    const finished = world.finish((done) => {
      if (done === 4) sleeper.send('SIGSTOP');
    });
    await world.worker();
    await finished;
    sleeper.send('SIGCONT');
    await expect
      .poll(async () => (await world.queue.waiting('paused')).size, { timeout: 20_000 })
      .toBe(0);
    expect(await countCommits(world.store, world.tasks)).toEqual({ 1: 40 });
  });

  test('a stopped worker hands back what it holds', async () => {
    await using world = await makeWorld(nats, 'stopped', 40);
    const leaving = await world.worker({ taskMs: 300 });
    const finished = world.finish((done) => {
      if (done === 4) leaving.send('SIGTERM');
    });
    expect(await leaving.ended).toBe(0);
    await world.worker();
    await finished;
  });

  test('NATS killed, wiped and started again in the middle: every task has one commit', async () => {
    await using world = await makeWorld(nats, 'wiped', 120);
    await Promise.all([world.worker(), world.worker()]);
    let wiped: Promise<void> | undefined;
    const wipe = async (): Promise<void> => {
      await nats.kill();
      await nats.start({ wipe: true });
    };
    await world.finish((done) => {
      if (done === 20) wiped = wipe();
    });
    await wiped;
  });

  test('NATS paused for longer than leases last: every task has one commit', async () => {
    await using world = await makeWorld(nats, 'frozen', 60);
    await world.worker();
    await world.finish((done) => {
      if (done !== 20) return;
      nats.pause();
      setTimeout(() => nats.resume(), 2 * ACK_WAIT_MS);
    });
  });

  test('a message that another holder sits on, and a consumer that delivers nothing, hang nobody', async () => {
    const [held, paused] = [
      await makeWorld(nats, 'held', 4),
      await makeWorld(nats, 'stopped-consumer', 4),
    ];
    await using _held = held;
    await using _paused = paused;
    const never = new AbortController().signal;
    await held.queue.offer(held.tasks[0]!, 1);
    const lease = await held.queue.pull('held', 5000, never);
    const sits = setInterval(() => lease!.extend(), 500); // a holder that hangs, and never says so
    await paused.queue.waiting('stopped-consumer'); // the consumer is there
    await pauseConsumer(nats.url, 'stopped-consumer');
    await Promise.all([held.worker(), paused.worker()]);
    await Promise.all([held.finish(), paused.finish()]);
    clearInterval(sits);
  }, 120_000);
});

/** It delivers nothing for an hour, though messages are pending and pulls are asked for. */
async function pauseConsumer(url: string, numerics: string): Promise<void> {
  const { connect } = await import('@nats-io/transport-node');
  const { jetstreamManager } = await import('@nats-io/jetstream');
  const connection = await connect({ servers: url });
  const manager = await jetstreamManager(connection);
  const until = new Date(Date.now() + 3_600_000);
  await manager.consumers.pause('GRISTMILL_TASKS', `w-${numericsToken(numerics)}`, until);
  await connection.close();
}
