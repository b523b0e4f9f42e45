// What the pass over outstanding tasks decides, and when failures end a job.
import { expect, test } from 'vitest';
import type { Code } from '../../../common/errors.ts';
import type { TaskId, WorkerId } from '../../../common/ids.ts';
import { LIMITS } from '../../../common/limits.ts';
import type { Failure } from '../../../common/wire/task.ts';
import {
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
  offeredAtMs: 0,
  notBeforeMs: 0,
  claimedBy: new Set(),
  ...over,
});
const seen = (over: Partial<Observation> = {}): Observation => ({
  nowMs: 100_000,
  waiting: new Set(),
  canTellLoss: true,
  claimed: new Set<TaskId>(),
  isLive: () => true,
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
