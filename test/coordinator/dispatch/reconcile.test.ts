// What the pass over outstanding tasks decides, and when failures end a job.
import { expect, test } from 'vitest';
import type { Code } from '../../../common/errors.ts';
import type { TaskId, WorkerId } from '../../../common/ids.ts';
import { LIMITS } from '../../../common/limits.ts';
import type { Heartbeat } from '../../../common/wire/event.ts';
import { bytesHeld, type Failure } from '../../../common/wire/task.ts';
import {
  IdleWatch,
  judge,
  type Observation,
  type Outstanding,
  reconcile,
} from '../../../coordinator/dispatch/reconcile.ts';
import { makeTask } from '../../support/tasks.ts';

const task = makeTask(1);
const id = task.task;
const worker = 'w-1' as WorkerId;
const outstanding = (over: Partial<Outstanding> = {}): Outstanding => ({
  task,
  indices: [0],
  offeredAtMs: 0,
  movedAtMs: 0,
  notBeforeMs: 0,
  claimedBy: new Set(),
  freed: 0,
  ...over,
});
const seen = (over: Partial<Observation> = {}): Observation => ({
  nowMs: 100_000,
  waiting: new Set(),
  canTellLoss: true,
  claimed: new Set<TaskId>(),
  isLive: () => true,
  idle: [],
  ...over,
});

test('reconcile() leaves alone what the broker holds', () => {
  expect(reconcile([outstanding()], seen({ waiting: new Set([id]) }))).toEqual([]);
});

test('reconcile() offers again what has neither message nor worker', () => {
  expect(reconcile([outstanding()], seen())).toEqual([
    { kind: 'look', task: id },
    { kind: 'offer', task: id },
  ]);
});

test('reconcile() only looks while a live worker claims it, a backoff runs, or the broker is away', () => {
  const look = [{ kind: 'look', task: id }];
  expect(reconcile([outstanding()], seen({ claimed: new Set([id]) }))).toEqual(look);
  expect(reconcile([outstanding({ notBeforeMs: 100_001 })], seen())).toEqual(look);
  expect(reconcile([outstanding()], seen({ waiting: undefined }))).toEqual(look);
});

test('reconcile() waits for what was offered a moment ago', () => {
  expect(reconcile([outstanding({ offeredAtMs: 99_999 })], seen())).toEqual([]);
});

test('reconcile() tells a loss only when it could have heard the worker', () => {
  const claimed = outstanding({ claimedBy: new Set([worker]) });
  const silent = { waiting: new Set([id]), isLive: () => false };
  expect(reconcile([claimed], seen(silent))).toEqual([{ kind: 'lost', task: id, worker }]);
  expect(reconcile([claimed], seen({ ...silent, canTellLoss: false }))).toEqual([]);
});

const idle = [{ numerics: task.numerics, memoryBytes: bytesHeld(task) }];
const present = (over: Partial<Observation> = {}): Observation =>
  seen({ waiting: new Set([id]), idle, ...over });

test('reconcile() frees a message that lies there beside workers with nothing to do', () => {
  expect(reconcile([outstanding()], present())).toEqual([{ kind: 'free', task: id }]);
});

test.each<[string, Partial<Outstanding>, Partial<Observation>]>([
  ['young', { movedAtMs: 100_000 - LIMITS.stuckMs + 1 }, {}],
  ['claimed by a live worker', {}, { claimed: new Set([id]) }],
  ['in its backoff', { notBeforeMs: 100_001 }, {}],
  ['beside busy workers only', {}, { idle: [] }],
  ['beside workers of other numerics', {}, { idle: [{ ...idle[0]!, numerics: 'other' }] }],
  [
    'beside workers too small for it',
    {},
    { idle: [{ ...idle[0]!, memoryBytes: bytesHeld(task) - 1 }] },
  ],
])('reconcile() leaves alone a message that is %s', (_why, one, over) => {
  expect(reconcile([outstanding(one)], present(over))).toEqual([]);
});

test('reconcile() has a consumer made anew, once, where freeing did not help', () => {
  const other = makeTask(2);
  const all = [outstanding({ freed: 1 }), outstanding({ task: other, freed: 2 })];
  expect(reconcile(all, present({ waiting: new Set([id, other.task]) }))).toEqual([
    { kind: 'restart', numerics: task.numerics },
    { kind: 'free', task: id },
    { kind: 'free', task: other.task },
  ]);
});

test('IdleWatch tells of workers that have had nothing to do for a while', () => {
  const beat = (over: Partial<Heartbeat> = {}): Heartbeat => ({
    worker,
    host: 'h',
    pid: 1,
    numerics: 'n',
    device: 'cpu',
    threads: 2,
    threadsFree: 2,
    memoryBytes: 5,
    tasks: [],
    runs: [],
    draining: false,
    startedAt: 0,
    ...over,
  });
  const ids = (watch: IdleWatch, live: Heartbeat[], nowMs: number): unknown[] =>
    watch.see(live, nowMs).map(({ numerics }) => numerics);
  const watch = new IdleWatch();
  expect(ids(watch, [beat()], 0)).toEqual([]);
  expect(ids(watch, [beat()], LIMITS.idleMs - 1)).toEqual([]);
  expect(ids(watch, [beat()], LIMITS.idleMs)).toEqual(['n']);
  expect(ids(watch, [beat({ tasks: [id] })], LIMITS.idleMs + 1)).toEqual([]); // and it begins anew
  expect(ids(watch, [beat()], LIMITS.idleMs + 2)).toEqual([]);
  for (const one of [beat({ threadsFree: 0 }), beat({ draining: true })]) {
    const busy = new IdleWatch();
    expect(ids(busy, [one], 0)).toEqual([]);
    expect(ids(busy, [one], LIMITS.idleMs)).toEqual([]);
  }
  const later = new IdleWatch(); // a clock that does not begin at 0
  expect(ids(later, [beat()], 7)).toEqual([]);
  expect(ids(later, [beat()], 7 + LIMITS.idleMs)).toEqual(['n']);
});

const failure = (code: Code, kind: Failure['kind'] = 'error'): Failure => ({
  formatVersion: 1,
  task: id,
  stage: 'prepare',
  worker,
  kind,
  error: { code, message: 'it broke' },
  at: 0,
});

test('judge() doubles the delay, then fails with the code of the last error and the task named', () => {
  const delays = [1, 2, 3].map((n) => judge(task, Array(n).fill(failure('CHILD_LOST'))));
  expect(delays).toEqual([1000, 2000, 4000].map((delayMs) => ({ kind: 'retry', delayMs })));
  const verdict = judge(task, Array(LIMITS.taskFailuresMax).fill(failure('MEMORY')));
  expect(verdict).toMatchObject({
    kind: 'fail',
    error: { code: 'MEMORY', message: expect.stringContaining(id.slice(0, 12)) },
  });
});

test('judge() fails at once where trying again cannot help', () => {
  expect(judge(task, [failure('SHARD_UNREADABLE')])).toMatchObject({
    kind: 'fail',
    error: { code: 'SHARD_UNREADABLE' },
  });
});

test('judge() counts lost workers apart', () => {
  const losses = (n: number): Failure[] => Array(n).fill(failure('WORKER_LOST', 'lost'));
  expect(judge(task, losses(LIMITS.taskLossesMax - 1)).kind).toBe('retry');
  expect(judge(task, losses(LIMITS.taskLossesMax)).kind).toBe('fail');
});

test('reconcile() acts at its limits, not one millisecond before', () => {
  const free = [{ kind: 'free', task: id }];
  expect(reconcile([outstanding({ movedAtMs: 100_000 - LIMITS.stuckMs })], present())).toEqual(
    free,
  );
  expect(reconcile([outstanding({ notBeforeMs: 100_000 })], present())).toEqual(free);
  const again = [
    { kind: 'look', task: id },
    { kind: 'offer', task: id },
  ];
  const settled = outstanding({ offeredAtMs: 100_000 - LIMITS.reconcileMs });
  expect(reconcile([settled], seen())).toEqual(again);
  expect(reconcile([outstanding({ notBeforeMs: 100_000 })], seen())).toEqual(again);
});

test('reconcile() frees only what the broker is known to hold', () => {
  expect(reconcile([outstanding()], seen({ idle })).map(({ kind }) => kind)).toEqual([
    'look',
    'offer',
  ]);
  expect(reconcile([outstanding()], seen({ idle, waiting: undefined }))).toEqual([
    { kind: 'look', task: id },
  ]);
});

const said = (of: Failure, message: string): Failure => ({
  ...of,
  error: { ...of.error, message },
});
const errorOf = (failures: readonly Failure[]): string => {
  const verdict = judge(task, failures);
  return verdict.kind === 'fail' ? verdict.error.message : verdict.kind;
};

test('judge() tells the last of its kind, how many there were, and a task short enough to read', () => {
  const begin = `Cannot finish ${task.stage} task ${id.slice(0, 12)} after`;
  expect(errorOf([failure('SHARD_UNREADABLE')])).toBe(`${begin} 1 attempt: it broke`);
  const errors = Array.from({ length: LIMITS.taskFailuresMax }, (_, n) =>
    said(failure('MEMORY'), `error ${n + 1}`),
  );
  const most = LIMITS.taskFailuresMax;
  expect(errorOf(errors)).toBe(`${begin} ${most} attempts: error ${most}`);
  const losses = Array.from({ length: LIMITS.taskLossesMax }, (_, n) =>
    said(failure('WORKER_LOST', 'lost'), `loss ${n + 1}`),
  );
  const last = LIMITS.taskLossesMax;
  expect(errorOf([...losses, failure('MEMORY')])).toBe(`${begin} ${last} attempts: loss ${last}`);
});

test('judge() counts no error as a loss, and waits for errors alone', () => {
  const lost = failure('WORKER_LOST', 'lost');
  const few = Array<Failure>(LIMITS.taskLossesMax - 1).fill(lost);
  expect(judge(task, [...few, failure('MEMORY')])).toEqual({ kind: 'retry', delayMs: 1000 });
  expect(judge(task, [lost])).toEqual({ kind: 'retry', delayMs: 0 });
});
