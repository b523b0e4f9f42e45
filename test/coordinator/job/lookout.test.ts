// A job that stands still says so within seconds, and stops saying so when it goes on.
import { expect, test } from 'vitest';
import type { JobId, WorkerId } from '../../../common/ids.ts';
import { LIMITS } from '../../../common/limits.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import type { Heartbeat } from '../../../common/wire/event.ts';
import { countStates, countWaiting, jobSamples } from '../../../coordinator/job/figures.ts';
import { Lookout } from '../../../coordinator/job/lookout.ts';
import { JobRecord } from '../../../coordinator/job/record.ts';
import type { Machinery } from '../../../coordinator/stage/context.ts';
import { createTestClock } from '../../support/clock.ts';

function world() {
  const clock = createTestClock();
  const store = memoryStore();
  const at = { live: [] as Partial<Heartbeat>[], isConnected: true };
  const lookout = new Lookout({
    clock,
    queue: { uri: 'nats://q', isConnected: () => at.isConnected },
    workers: { live: () => at.live },
  } as unknown as Machinery);
  const job = (n: number) =>
    new JobRecord({ job: `j-${n}` as JobId, name: 'n', at: n, after: null }, { store, clock });
  return { clock, at, lookout, job };
}

const alive = (worker: string, of: Partial<Heartbeat> = {}): Partial<Heartbeat> => ({
  worker: worker as WorkerId,
  numerics: 'a',
  threadsFree: 1,
  memoryBytes: 1,
  tasks: [],
  runs: [],
  draining: false,
  ...of,
});
const SECONDS = 4 * LIMITS.heartbeatMs;

test('a training whose only worker dies says so within seconds, since when, and stops with the next one', async () => {
  const { clock, at, lookout, job } = world();
  const record = job(1);
  at.live = [alive('w-1')];
  const post = lookout.add(record);
  const owners = ['w-1' as WorkerId];
  post.stand(() => ({ kind: 'run', run: 'r', numerics: 'a', owners }));
  await clock.advance(SECONDS);
  expect(record.view.waiting).toBeNull();
  at.live = [];
  const killedAt = clock.now();
  await clock.advance(SECONDS);
  expect(record.view.waiting).toBe('no worker is alive');
  const { code, since } = record.view.waitingFor!;
  expect(code).toBe('NO_WORKER');
  expect(since - killedAt).toBeLessThanOrEqual(LIMITS.heartbeatMs);
  at.live = [alive('w-2')];
  await clock.advance(SECONDS);
  expect(record.view).toMatchObject({ waiting: null, waitingFor: null });
  post.leave();
});

test('after a queue was away, workers have their time to be heard again', async () => {
  const { clock, at, lookout, job } = world();
  const record = job(1);
  const post = lookout.add(record);
  post.stand(() => ({ kind: 'worker' }));
  at.isConnected = false;
  await clock.advance(SECONDS);
  expect(record.view.waitingFor?.code).toBe('QUEUE_AWAY');
  at.isConnected = true;
  await clock.advance(LIMITS.heartbeatMs);
  expect(record.view.waitingFor).toBeNull();
  await clock.advance(SECONDS);
  expect(record.view.waitingFor?.code).toBe('NO_WORKER');
  post.leave();
});

test('a second training names the job that is ahead of it', async () => {
  const { clock, at, lookout, job } = world();
  const [first, second] = [job(1), job(2)];
  const runs = [{ run: 'r1', phase: 'running' }] as unknown as Heartbeat['runs'];
  at.live = [alive('w-1', { runs })];
  const posts = [first, second].map((record) => lookout.add(record));
  posts.map((post, i) =>
    post.stand(() => ({ kind: 'run', run: `r${i + 1}`, numerics: 'a', owners: [] })),
  );
  await clock.advance(SECONDS);
  expect(first.view.waiting).toBeNull();
  expect(second.view.waiting).toBe(
    'the only worker is in the training of job j-1, which is ahead of it',
  );
  for (const post of posts) post.leave();
});

test('what a job has met is said at once and until it goes on; then nothing of it is left', async () => {
  const { clock, lookout, job } = world();
  const record = job(1);
  const post = lookout.add(record);
  post.meet({ code: 'STORE_FULL', words: 'the store is full' });
  expect(record.view.waiting).toBe('the store is full');
  await clock.advance(SECONDS);
  expect(record.view.waiting).toBe('the store is full');
  post.goOn();
  await clock.advance(SECONDS);
  expect(record.view.waiting).toBeNull();
  post.leave();
  const { version } = record;
  await clock.advance(SECONDS);
  expect(record.version).toBe(version);
});

test('what a job stood on and left is no reason any more', async () => {
  const { clock, lookout, job } = world();
  const record = job(1);
  const post = lookout.add(record);
  const leave = post.stand(() => ({ kind: 'worker' }));
  await clock.advance(SECONDS);
  expect(record.view.waiting).toBe('no worker is alive');
  leave();
  await clock.advance(SECONDS);
  expect(record.view.waiting).toBeNull();
  post.leave();
});

test('figures count states and reasons, name the oldest wait, and have a line for each reason', async () => {
  const { job } = world();
  const records = [job(1), job(2), job(3), job(4)];
  await records[3]!.journal.record({ kind: 'state', state: 'running' });
  const wait = (n: number, code: 'ROOM' | 'NO_WORKER', since: number): void =>
    records[n]!.show({ waiting: { code, words: `${code} ${n}`, since } });
  wait(0, 'ROOM', 9_000);
  wait(1, 'ROOM', 5_000);
  wait(3, 'NO_WORKER', 7_000);
  const waiting = countWaiting(records);
  expect(waiting).toEqual([
    { code: 'ROOM', words: 'ROOM 1', since: 5_000, jobs: 2 },
    { code: 'NO_WORKER', words: 'NO_WORKER 3', since: 7_000, jobs: 1 },
  ]);
  const states = countStates(records);
  expect(Object.fromEntries(states)).toEqual({ queued: 3, running: 1, cancelling: 0 });
  const samples = jobSamples({ states, ended: new Map([['failed', 2]]), waiting }, 10_000);
  const figureOf = (name: string, labels: object): number | undefined =>
    samples.find(
      (one) => one.name === name && JSON.stringify(one.labels) === JSON.stringify(labels),
    )?.value;
  expect(figureOf('gristmill_jobs', { state: 'queued' })).toBe(3);
  expect(figureOf('gristmill_jobs_ended_total', { state: 'failed' })).toBe(2);
  expect(figureOf('gristmill_jobs_waiting', { reason: 'ROOM' })).toBe(2);
  expect(figureOf('gristmill_job_waiting_seconds', { reason: 'ROOM' })).toBe(5);
  expect(figureOf('gristmill_jobs_waiting', { reason: 'STORE_FULL' })).toBe(0);
});
