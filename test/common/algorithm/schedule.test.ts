// Rounds of training by gradients, counted out for a small program.
import { expect, test } from 'vitest';
import {
  gradientSchedule,
  isKeptRound,
  laneBatchRows,
  roundCount,
  roundPlan,
  rowsBefore,
  stepRows,
} from '../../../common/algorithm/schedule.ts';
import { LIMITS } from '../../../common/limits.ts';
import type { TrainProgram } from '../../../common/stage/train.ts';

const program = {
  steps: 3,
  epochs: 2,
  batchRows: 8,
  lanes: 2,
  laneRows: [10, 5],
} as unknown as TrainProgram;

test('roundPlan() ends each epoch with a measure', () => {
  const kinds = Array.from({ length: roundCount(program) }, (_, r) => roundPlan(program, r).kind);
  const epoch = ['step', 'step', 'step', 'measure'];
  expect(kinds).toEqual([...epoch, ...epoch]);
  expect(roundPlan(program, 5)).toEqual({ kind: 'step', epoch: 1, step: 1 });
});

test('stepRows() takes every row of a lane once an epoch', () => {
  expect([0, 1, 2].map((step) => stepRows(program, step, 10))).toEqual([
    { start: 0, end: 4 },
    { start: 4, end: 8 },
    { start: 8, end: 10 },
  ]);
  expect(stepRows(program, 2, 5)).toEqual({ start: 5, end: 5 });
});

test('laneBatchRows() is never 1: a batch of one gives other bits', () => {
  expect(laneBatchRows({ batchRows: 32, lanes: 32 })).toBe(2);
  expect(laneBatchRows({ batchRows: 4096, lanes: 32 })).toBe(128);
});

test('rowsBefore() counts up to all rows of all epochs', () => {
  const counts = Array.from({ length: 9 }, (_, round) => rowsBefore(program, round));
  expect(counts).toEqual([0, 8, 13, 15, 15, 23, 28, 30, 30]);
});

test('isKeptRound() keeps the state after each epoch, never the first', () => {
  const kept = Array.from({ length: 9 }, (_, round) => round).filter((r) =>
    isKeptRound(program, r),
  );
  expect(kept).toEqual([4, 8]);
});

test('isKeptRound() keeps every so many rounds of a long epoch', () => {
  const long = { ...program, steps: 10 * LIMITS.checkpointRounds };
  const every = LIMITS.checkpointRounds;
  expect([0, every - 1, every, every + 1, 2 * every].map((r) => isKeptRound(long, r))).toEqual([
    false,
    false,
    true,
    false,
    true,
  ]);
});

test('gradientSchedule() tells all of one program', () => {
  const schedule = gradientSchedule(program);
  expect(schedule.rounds).toBe(8);
  expect([3, 4].map(schedule.isKept)).toEqual([false, true]);
  expect([1, 5].map(schedule.rowsBefore)).toEqual([8, 23]);
  expect([3, 4].map(schedule.epochsBefore)).toEqual([0, 1]);
});
