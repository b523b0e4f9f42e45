// Every way in which work can stand still, and what is said of it.
import { describe, expect, test } from 'vitest';
import type { JobId, TaskId, WorkerId } from '../../../common/ids.ts';
import { LIMITS } from '../../../common/limits.ts';
import type { Heartbeat, RunStatus } from '../../../common/wire/event.ts';
import { WAITING } from '../../../common/wire/waiting.ts';
import {
  hold,
  isSaid,
  type Observation,
  type OfferedTask,
  type Standing,
  whyWaiting,
} from '../../../coordinator/dispatch/waiting.ts';

const NUMERICS = 'duckdb-1.5.6+onnxruntime-1.30.0+code-1+cpu-avx2';
const NEWER = 'duckdb-1.5.6+onnxruntime-1.30.0+code-2+cpu-avx2';
const MiB = 2 ** 20;
const NOW = 100_000;

const worker = (of: Partial<Heartbeat> = {}): Heartbeat => ({
  worker: 'w-1' as WorkerId,
  host: 'h',
  pid: 1,
  numerics: NUMERICS,
  device: 'cpu',
  threads: 2,
  threadsFree: 2,
  memoryBytes: 4096 * MiB,
  tasks: [],
  runs: [],
  draining: false,
  startedAt: 1,
  ...of,
});
const run = (name: string, phase: RunStatus['phase'] = 'running'): RunStatus => ({
  run: name,
  generation: 1,
  round: 1,
  lanesLoaded: [],
  phase,
  rows: 0,
  loss: 0,
});
const task = (of: Partial<OfferedTask> = {}): OfferedTask => ({
  task: 't-1' as TaskId,
  numerics: NUMERICS,
  memoryBytes: 768 * MiB,
  notBeforeMs: 0,
  ...of,
});
const tasks = (some: readonly OfferedTask[] = [task()], standsMs = 60_000): Standing => ({
  kind: 'tasks',
  tasks: some,
  progressMs: NOW - standsMs,
});
const training = (owners: readonly string[] = []): Standing => ({
  kind: 'run',
  run: 'mine',
  numerics: NUMERICS,
  owners: owners as WorkerId[],
});
const why = (standing: Standing | readonly Standing[], of: Partial<Observation> = {}) =>
  whyWaiting({
    nowMs: NOW,
    queue: { uri: 'nats://q', isConnected: true },
    hearsSinceMs: 0,
    store: null,
    live: [worker()],
    standings: [standing].flat() as readonly Standing[],
    jobOf: (name) => (name === 'other' ? ('j-7' as JobId) : undefined),
    ...of,
  });

describe.each([
  ['a plan', { kind: 'worker' } as const],
  ['tasks', tasks()],
  ['a training', training()],
  ['a training whose only owner was killed', training(['w-9'])],
])('whyWaiting() of %s', (_, standing) => {
  test('without a worker', () => {
    expect(why(standing, { live: [] })).toEqual({ code: 'NO_WORKER', words: 'no worker is alive' });
  });

  test('with a worker that is stopping, and no other', () => {
    expect(why(standing, { live: [worker({ draining: true })] })?.code).toBe('NO_WORKER');
  });

  test('says nothing of workers before it can have heard them', () => {
    expect(why(standing, { live: [], hearsSinceMs: NOW - 1_000 })).toBeNull();
  });

  test('names a queue that does not answer, whoever was alive', () => {
    const queue = { uri: 'nats://q:4222', isConnected: false };
    const words = 'the queue at nats://q:4222 does not answer';
    expect(why(standing, { queue, live: [] })).toEqual({ code: 'QUEUE_AWAY', words });
  });

  test('names a store that is full, also where only a worker has met it', () => {
    const store = { code: 'STORE_FULL', message: 'Cannot create x: ENOSPC' } as const;
    expect(why(standing, { store })?.words).toBe('the store is full: Cannot create x: ENOSPC');
    expect(why(standing, { live: [worker({ store })] })?.code).toBe('STORE_FULL');
  });

  test('names a store that does not answer', () => {
    const store = { code: 'STORE_UNAVAILABLE', message: 'Cannot read x' } as const;
    expect(why(standing, { store })?.code).toBe('STORE_AWAY');
  });
});

test('a plan waits for no numerics in particular', () => {
  expect(why({ kind: 'worker' }, { live: [worker({ numerics: NEWER })] })).toBeNull();
});

test.each([
  ['tasks', tasks([task()], 0)],
  ['a training', training()],
])('%s of other numerics than anybody has: what differs is named', (_, standing) => {
  expect(why(standing, { live: [worker({ numerics: NEWER })] })).toEqual({
    code: 'OTHER_NUMERICS',
    words: 'no live worker has the numerics it was planned for: it wants code 1; there is code 2',
  });
});

describe('whyWaiting() of tasks', () => {
  test('names the memory that they need and that there is', () => {
    const small = [
      worker({ memoryBytes: 512 * MiB }),
      worker({ worker: 'w-2' as WorkerId, memoryBytes: 640 * MiB }),
    ];
    expect(why(tasks([task()], 0), { live: small })).toEqual({
      code: 'MEMORY_SMALL',
      words: 'its tasks need 896 MiB of memory, and the largest live worker has 640 MiB',
    });
    expect(why(tasks(), { live: [...small, worker()] })?.code).not.toBe('MEMORY_SMALL');
  });

  test('says nothing while one is claimed, or waits for its next attempt, or was just offered', () => {
    const busy = { threadsFree: 0 };
    expect(why(tasks(), { live: [worker({ ...busy, tasks: ['t-1' as TaskId] })] })).toBeNull();
    expect(why(tasks([task({ notBeforeMs: NOW + 1 })]), { live: [worker(busy)] })).toBeNull();
    expect(why(tasks([task()], 1_000), { live: [worker(busy)] })).toBeNull();
    expect(why(tasks([]), { live: [] })).toBeNull();
  });

  test('tells tasks of other jobs from a training', () => {
    const other = { threadsFree: 0, tasks: ['t-9' as TaskId] };
    const words = 'the only worker is busy with tasks of other jobs';
    expect(why(tasks(), { live: [worker(other)] })).toEqual({ code: 'WORKERS_BUSY', words });
    const trains = worker({ threadsFree: 0, runs: [run('other')] });
    expect(why(tasks(), { live: [trains] })).toEqual({
      code: 'TRAINING_AHEAD',
      words: 'the only worker is in the training of job j-7, which is ahead of it',
    });
  });

  test('says so where free workers are given nothing for long', () => {
    expect(why(tasks([task()], LIMITS.undeliveredMs - 1))).toBeNull();
    expect(why(tasks([task(), task()], LIMITS.undeliveredMs))).toEqual({
      code: 'UNDELIVERED',
      words: '2 tasks are offered for 15 s, and none is given to the workers that are free',
    });
  });
});

describe('whyWaiting() of a training', () => {
  test('says nothing while an owner lives, or somebody loads rows for it, or is about to join', () => {
    expect(why(training(['w-1']))).toBeNull();
    expect(why(training(), { live: [worker({ runs: [run('mine', 'loading')] })] })).toBeNull();
    expect(why(training())).toBeNull();
    expect(why(training(), { live: [worker({ runs: [run('other', 'done')] })] })).toBeNull();
  });

  test('names the job whose training is ahead', () => {
    const two = ['w-1', 'w-2'].map((name) =>
      worker({ worker: name as WorkerId, runs: [run('other')] }),
    );
    expect(why(training(), { live: two })).toEqual({
      code: 'TRAINING_AHEAD',
      words: 'all 2 workers are in the training of job j-7, which is ahead of it',
    });
    const unknown = [worker({ runs: [run('somebody’s')] })];
    expect(why(training(), { live: unknown })?.words).toBe(
      'the only worker is in another training, which is ahead of it',
    );
  });
});

test('whyWaiting() of several says nothing while one of them goes on, or where the coordinator works itself', () => {
  expect(why([training(['w-9']), tasks([])], { live: [] })).toBeNull();
  expect(why([])).toBeNull();
  expect(why([], { queue: { uri: 'nats://q', isConnected: false } })).toBeNull();
});

test('hold() keeps since when a reason holds, whatever its words become; isSaid() lets some settle first', () => {
  const busy = (words: string) => ({ code: 'WORKERS_BUSY', words }) as const;
  const first = hold(null, busy('a'), { now: 5, nowMs: 1 });
  const later = hold(first, busy('b'), { now: 9, nowMs: 3 });
  expect(later?.waiting).toEqual({ code: 'WORKERS_BUSY', words: 'b', since: 5 });
  const { holdMs } = WAITING.WORKERS_BUSY;
  expect([isSaid(later, holdMs), isSaid(later, 1 + holdMs), isSaid(null, 9)]).toEqual([
    false,
    true,
    false,
  ]);
  const other = hold(later, { code: 'NO_WORKER', words: 'c' }, { now: 11, nowMs: 7 });
  expect(other?.waiting.since).toBe(11);
  expect(isSaid(other, 7)).toBe(true);
  expect(hold(other, null, { now: 12, nowMs: 8 })).toBeNull();
});

describe('whyWaiting() at its limits', () => {
  const named = (name: string, of: Partial<Heartbeat>) =>
    worker({ worker: name as WorkerId, ...of });
  const other = { threadsFree: 0, tasks: ['t-9' as TaskId] };

  test('the smallest task decides whether memory is too small, and may fill it', () => {
    const both = tasks([task({ memoryBytes: 9000 * MiB }), task()]);
    const live = [worker({ ...other, memoryBytes: 896 * MiB })];
    expect(why(both, { live })?.code).toBe('WORKERS_BUSY');
    expect(why(both, { live: [worker({ memoryBytes: 896 * MiB - 1 })] })?.code).toBe(
      'MEMORY_SMALL',
    );
  });

  test('tasks stand once a heartbeat would have told of a claim, and a backoff is over', () => {
    const live = [worker(other)];
    expect(why(tasks([task()], 2 * LIMITS.heartbeatMs - 1), { live })).toBeNull();
    expect(why(tasks([task()], 2 * LIMITS.heartbeatMs), { live })?.code).toBe('WORKERS_BUSY');
    expect(why(tasks([task({ notBeforeMs: NOW })]), { live })?.code).toBe('WORKERS_BUSY');
  });

  test('tasks do not stand while one of them is claimed', () => {
    const live = [worker({ threadsFree: 0, tasks: ['t-2' as TaskId] })];
    expect(why(tasks([task(), task({ task: 't-2' as TaskId })]), { live })).toBeNull();
  });

  test('one free worker among many should have been given a task', () => {
    const live = [named('w-1', other), named('w-2', {})];
    expect(why(tasks(), { live })).toEqual({
      code: 'UNDELIVERED',
      words: '1 task is offered for 60 s, and none is given to the workers that are free',
    });
  });

  test('a training is ahead where all train; one that works on tasks will be free', () => {
    const trains = named('w-2', { threadsFree: 0, runs: [run('old', 'done'), run('other')] });
    expect(why(tasks(), { live: [named('w-1', other), trains] })?.code).toBe('WORKERS_BUSY');
    expect(why(tasks(), { live: [trains] })?.code).toBe('TRAINING_AHEAD');
  });

  test.each(['done', 'failed'] as const)('a training that is %s is ahead of nothing', (phase) => {
    const over = worker({ threadsFree: 0, runs: [run('other', phase)] });
    expect(why(tasks(), { live: [over] })?.code).toBe('WORKERS_BUSY');
    expect(why(training(), { live: [over] })).toBeNull();
    const beside = worker({ threadsFree: 0, runs: [run('other', phase), run('unknown')] });
    expect(why(tasks(), { live: [beside] })?.words).toContain('in another training');
    const mine = worker({ runs: [run('mine', phase), run('other')] });
    expect(why(training(), { live: [mine] })?.code).toBe('TRAINING_AHEAD');
  });

  test('a training goes on by one that takes part, whatever else it and others do', () => {
    const elsewhere = named('w-2', { runs: [run('other')] });
    const both = named('w-1', { runs: [run('other'), run('mine', 'loading')] });
    expect(why(training(), { live: [both, elsewhere] })).toBeNull();
    const owner = named('w-1', { runs: [run('other')] });
    expect(why(training(['w-1']), { live: [owner, elsewhere] })).toBeNull();
    expect(why(training(), { live: [owner, elsewhere] })?.code).toBe('TRAINING_AHEAD');
  });

  test('silence tells something after half the time that makes a worker lost', () => {
    const half = LIMITS.heartbeatSilentMs / 2;
    const code = (hearsSinceMs: number) => why(tasks(), { live: [], hearsSinceMs })?.code;
    expect([code(NOW - half + 1), code(NOW - half)]).toEqual([undefined, 'NO_WORKER']);
  });

  test('workers that are stopping are told apart from none', () => {
    expect(why(tasks(), { live: [worker({ draining: true })] })?.words).toBe(
      'no worker is alive but such as are stopping',
    );
  });
});
