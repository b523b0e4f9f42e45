// The accounts of prepare, folded as results come in any order.
import { expect, test } from 'vitest';
import { digestOf } from '../../../common/ids.ts';
import type { PrepareResult } from '../../../common/stage/prepare.ts';
import type { PartRef } from '../../../common/wire/task.ts';
import { pinPrepare } from '../../../coordinator/plan/prepare.ts';
import { prepareParts } from '../../../coordinator/stage/prepare.ts';
import type { StageRun } from '../../../coordinator/stage/run.ts';
import { snapshotOf } from '../../support/snapshots.ts';

const keys = ['a.parquet', 'b.parquet', 'c.parquet'];
const snapshot = snapshotOf(
  Object.fromEntries(keys.map((key) => [key, [{ rows: 10, bytes: 20 }]])),
);
const clock = { monotonicMs: () => 0 };
const program = digestOf('a program');
const source = {
  ...{ snapshot, reads: ['a'], numerics: 'n', isNew: true },
  pins: await pinPrepare(snapshot, { program, clock }),
};

const resultOf = (key: string, over: Partial<PrepareResult> = {}): PrepareResult => ({
  ...{ rowsIn: 10, rowsOut: 8, dropped: { 'a rule': 1, another: 1 }, labels: null },
  part: { key, source: { key, rowStart: 0 } } as PartRef,
  ...{ splitMin: 3, splitMax: 5, ...over },
});

/** Results come last first. */
const stageOf = (results: readonly PrepareResult[]): Pick<StageRun, 'run'> => ({
  run: async ({ tasks, count }, onResult) => {
    expect([...tasks].length).toBe(count);
    for (const [index, result] of [...results.entries()].toReversed())
      onResult({ result } as never, index, undefined);
  },
});

test('prepareParts() sums rows, and keeps parts in key order without what is not asked of them later', async () => {
  const none = { part: null, rowsOut: 0, dropped: { 'a rule': 10, another: 0 } };
  const prepared = await prepareParts(
    stageOf([
      resultOf('a', { splitMin: -1, splitMax: 9 }),
      resultOf('b', { ...none, splitMin: null, splitMax: null }),
      resultOf('c'),
    ]),
    source,
  );
  const partOf = (key: string) => ({ key, source: { key, rowStart: 0 } });
  expect(prepared).toEqual({
    ...{ rowsIn: 30, rowsOut: 16, dropped: { 'a rule': 12, another: 2 }, splitMax: 9 },
    parts: [
      { part: partOf('a'), splitMin: -1, splitMax: 9 },
      { part: partOf('c'), splitMin: 3, splitMax: 5 },
    ],
  });
});

test('prepareParts() has no newest split key where no row has one', async () => {
  const results = keys.map((key) => resultOf(key, { splitMin: null, splitMax: null }));
  expect(await prepareParts(stageOf(results), source)).toMatchObject({ splitMax: null });
});

test.each([
  [
    'fewer rows than were planned',
    { rowsIn: 9, rowsOut: 7 },
    '30 planned, 29 in, 23 out, 6 dropped',
  ],
  ['rows that are neither out nor dropped', { rowsOut: 7 }, '30 planned, 30 in, 23 out, 6 dropped'],
])('prepareParts() refuses %s', async (_what, wrong, words) => {
  const results = [resultOf('a'), resultOf('b', wrong), resultOf('c')];
  await expect(prepareParts(stageOf(results), source)).rejects.toMatchObject({
    code: 'INTERNAL',
    message: `Cannot account for rows: ${words}`,
  });
});
