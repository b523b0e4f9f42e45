// The queue over a real nats-server: delivery, lapsed leases, restarts and wiped stores.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { silentLog } from '../../common/log.ts';
import { CHANNELS } from '../../common/queue/channels.ts';
import { openJetStream } from '../../common/queue/jetstream.ts';
import type { Queue } from '../../common/queue/queue.ts';
import type { Lease } from '../../common/queue/tasks.ts';
import { findNats, type Nats, startNats } from '../support/nats.ts';
import { freePort } from '../support/ports.ts';
import { idsOf, makeTask, makeTasks, NUMERICS } from '../support/tasks.ts';

const never = new AbortController().signal;
const open = (url: string, ackWaitMs = 1000): Promise<Queue> =>
  openJetStream({ servers: url, source: 'the test', name: 'test', log: silentLog, ackWaitMs });

async function pullAll(queue: Queue, numerics: string, count: number): Promise<Lease[]> {
  const pulls = Array.from({ length: count }, () => queue.pull(numerics, 8000, never));
  return (await Promise.all(pulls)).filter((lease) => lease !== undefined);
}

test('openJetStream() says where it looked and what to do', async () => {
  const port = await freePort();
  await expect(open(`nats://127.0.0.1:${port}`)).rejects.toMatchObject({
    code: 'QUEUE_UNAVAILABLE',
    message: expect.stringMatching(`127.0.0.1:${port} \\(from the test\\).*nats-server -js`),
  });
});

test('openJetStream() refuses an address that is none, and shows no password', async () => {
  await expect(open('http://ada:secret@host/x')).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    message: expect.not.stringContaining('secret'),
  });
});

describe.skipIf(!findNats())('over nats-server', () => {
  let nats: Nats;
  beforeAll(async () => {
    nats = await startNats();
  });
  afterAll(async () => {
    await nats[Symbol.asyncDispose]();
  });

  test('pull() delivers each task once to several workers', async () => {
    const numerics = 'numerics-once';
    const [boss, a, b] = [await open(nats.url), await open(nats.url), await open(nats.url)];
    const tasks = makeTasks(40, { numerics });
    const pulls = [pullAll(a, numerics, 20), pullAll(b, numerics, 20)];
    await Promise.all(tasks.map((task) => boss.offer(task, 1)));
    const leases = (await Promise.all(pulls)).flat();
    expect(idsOf(leases.map((l) => l.task))).toEqual(idsOf(tasks));
    expect((await boss.waiting(numerics)).size).toBe(40);
    await Promise.all(leases.map((lease) => lease.ack()));
    await Promise.all([a.close(), b.close()]);
    await expect.poll(async () => (await boss.waiting(numerics)).size).toBe(0);
    await boss.close();
  });

  test('pull() delivers a lapsed lease again, an extended one not', async () => {
    const queue = await open(nats.url);
    const [lapsing, held] = [makeTask('lapsing'), makeTask('held')];
    await queue.offer(lapsing, 1);
    await queue.offer(held, 1);
    const leases = await pullAll(queue, NUMERICS, 2);
    const holder = leases.find((l) => l.task.task === held.task)!;
    const timer = setInterval(() => holder.extend(), 300);
    const again = await queue.pull(NUMERICS, 5000, never);
    expect([again!.task.task, again!.deliveries]).toEqual([lapsing.task, 2]);
    clearInterval(timer);
    await Promise.all([again!.ack(), holder.ack()]);
    await expect.poll(async () => (await queue.waiting(NUMERICS)).size).toBe(0);
    await queue.close();
  });

  test('release() hands a lease back; withdraw() removes what waits', async () => {
    const queue = await open(nats.url);
    const tasks = makeTasks(3);
    for (const task of tasks) await queue.offer(task, 7);
    const first = await queue.pull(NUMERICS, 5000, never);
    first!.release();
    const leases = await pullAll(queue, NUMERICS, 3);
    expect(idsOf(leases.map((l) => l.task))).toEqual(idsOf(tasks));
    for (const lease of leases) lease.release();
    await queue.withdraw(NUMERICS, [tasks[0]!.task, tasks[1]!.task]);
    expect(await queue.waiting(NUMERICS)).toEqual(new Set([tasks[2]!.task]));
    await queue.withdraw(NUMERICS, [tasks[2]!.task]);
    await queue.close();
  });

  test('offer() drops a repeat of a generation', async () => {
    const queue = await open(nats.url);
    await queue.offer(makeTask('repeat'), 1);
    await queue.offer(makeTask('repeat'), 1);
    const lease = await queue.pull(NUMERICS, 5000, never);
    await lease!.ack();
    expect(await queue.pull(NUMERICS, 300, never)).toBeUndefined();
    await queue.close();
  });

  test('offer() refuses a message that NATS would not carry', async () => {
    const queue = await open(nats.url);
    const big = { ...makeTask('big'), numerics: NUMERICS, host: 'x'.repeat(1_000_000) };
    await expect(queue.offer(big, 1)).rejects.toMatchObject({ code: 'INTERNAL' });
    await queue.close();
  });

  test('pull() goes on after the server was killed and its store wiped', async () => {
    const queue = await open(nats.url);
    await queue.offer(makeTask('before'), 1);
    await nats.kill();
    await expect.poll(() => queue.isConnected()).toBe(false);
    const pull = queue.pull(NUMERICS, 20_000, never);
    await delay(200);
    await nats.start({ wipe: true });
    await expect.poll(() => queue.isConnected(), { timeout: 10_000 }).toBe(true);
    await queue.offer(makeTask('after'), 1);
    const lease = await pull;
    expect(lease!.task.task).toBe(makeTask('after').task);
    await lease!.ack();
    await queue.close();
  }, 30_000);

  test('pull() and offer() create again what somebody deleted under them', async () => {
    const queue = await open(nats.url);
    const pull = queue.pull(NUMERICS, 20_000, never);
    await delay(200);
    await deleteStream(nats.url);
    await queue.offer(makeTask('recreated'), 1);
    expect((await pull)!.task.task).toBe(makeTask('recreated').task);
    await queue.close();
  }, 30_000);

  test('subscribe() hears other processes, and only what conforms', async () => {
    const [a, b] = [await open(nats.url), await open(nats.url)];
    const seen: unknown[] = [];
    b.subscribe(CHANNELS.heartbeat, (heartbeat) => seen.push(heartbeat));
    b.subscribe(CHANNELS.taskSettled, (settled) => seen.push(settled));
    await b.waiting(NUMERICS); // a round trip: the subscriptions are known
    a.publish(CHANNELS.heartbeat, {} as never);
    a.publish(
      { ...CHANNELS.taskSettled, gathers: false, encode: () => new Uint8Array([0]) },
      {} as never,
    );
    const settled = { task: makeTask(1).task, ok: true };
    a.publish(CHANNELS.taskSettled, settled);
    await expect.poll(() => seen).toEqual([settled]);
    expect(Object.fromEntries(b.refused())).toEqual({ heartbeat: 1, taskSettled: 1 });
    await Promise.all([a.close(), b.close()]);
  });

  test('pull() never hands out a message whose id is not the name of what it says', async () => {
    const queue = await open(nats.url);
    const forged = makeTask('other', { task: makeTask('mine').task, numerics: 'forged' });
    await queue.offer(forged, 1);
    expect(await queue.pull('forged', 500, never)).toBeUndefined();
    expect([(await queue.waiting('forged')).size, queue.refused().get('task')]).toEqual([0, 1]);
    await queue.close();
  });
});

async function deleteStream(url: string): Promise<void> {
  const { connect } = await import('@nats-io/transport-node');
  const { jetstreamManager } = await import('@nats-io/jetstream');
  const connection = await connect({ servers: url });
  const manager = await jetstreamManager(connection);
  await manager.streams.delete('GRISTMILL_TASKS');
  await connection.close();
}
