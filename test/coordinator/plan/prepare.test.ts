import { expect, test } from 'vitest';
import { digestOf } from '../../../common/ids.ts';
import { LIMITS } from '../../../common/limits.ts';
import { shardsIn } from '../../../common/wire/task.ts';
import {
  type PrepareSource,
  pinPrepare,
  prepareTasks,
  shardsOfParts,
} from '../../../coordinator/plan/prepare.ts';
import { cutShards } from '../../../coordinator/plan/shards.ts';
import { makeTask } from '../../../coordinator/plan/tasks.ts';
import { snapshotOf } from '../../support/snapshots.ts';

const MiB = 1024 * 1024;
const program = digestOf('a program');
const snapshot = snapshotOf({
  'a.parquet': [40, 20, 30].map((megabytes, i) => ({ rows: 10 + i, bytes: megabytes * MiB })),
  'b.parquet': [{ rows: 5, bytes: 10 }],
  'c.parquet': [{ rows: 0, bytes: 10 }],
});
const pinned = (over: Partial<PrepareSource['pins']> = {}): PrepareSource => ({
  snapshot,
  pins: {
    ...{ program, shardBytesMax: LIMITS.shardBytesMax, taskCount: 3, rowCount: 38 },
    ...{ memoryBytes: LIMITS.taskMemoryBytes, deadlineMs: LIMITS.taskDeadlineMs, ...over },
  },
  reads: ['a'],
  numerics: 'n',
  isNew: false,
});

test('pinPrepare() pins the constants of today, and counts tasks and rows', async () => {
  const clock = { monotonicMs: () => 0 };
  expect(await pinPrepare(snapshot, { program, clock })).toEqual(pinned().pins);
});

test('pinPrepare() packs small objects where there are many, and none that DuckDB could not tell apart', async () => {
  const clock = { monotonicMs: () => 0 };
  const pin = async (count: number, columns: readonly string[] = []) => {
    const names = Array.from({ length: count }, (_, i) => `${String(i).padStart(4, '0')}.parquet`);
    const made = snapshotOf(
      Object.fromEntries(names.map((name) => [name, [{ rows: 2, bytes: 10 }]])),
    );
    const more = columns.map((name) => ({ name, type: 'BIGINT' }));
    return pinPrepare({ ...made, schema: [...made.schema, ...more] }, { program, clock });
  };
  const few = await pin(LIMITS.packFrom - 1);
  expect(few).toMatchObject({
    taskCount: LIMITS.packFrom - 1,
    rowCount: 2 * (LIMITS.packFrom - 1),
  });
  expect(few.packs).toBeUndefined();
  const { packs, taskCount, rowCount } = await pin(1_000);
  expect(packs).toMatchObject({ objectsMax: LIMITS.packObjectsMax });
  expect(rowCount).toBe(2_000);
  expect(taskCount).toBeLessThan(40);
  expect((await pin(1_000, ['File_Index'])).packs).toBeUndefined();
});

test('pinPrepare() lets others have the loop between objects', async () => {
  let nowMs = 0;
  const clock = { monotonicMs: () => (nowMs += LIMITS.pieceMs) };
  let turns = 0;
  const count = setInterval(() => (turns += 1), 0);
  await pinPrepare(
    { ...snapshot, objects: Array(500).fill({ ...snapshot.objects[1]!, bytes: 4 * MiB }) },
    { program, clock },
  );
  clearInterval(count);
  expect(turns).toBeGreaterThan(0);
});

test('prepareTasks() makes a task a shard, named as those that plans used to list', () => {
  const source = pinned();
  const shards = [
    ...cutShards(snapshot, { reads: ['a'], shardBytesMax: LIMITS.shardBytesMax }),
  ].flat();
  const listed = shards.map((shard) =>
    makeTask({ stage: 'prepare', program, input: { kind: 'shard', shard }, numerics: 'n' }),
  );
  expect([...prepareTasks(source)]).toEqual(listed);
  expect(listed.map(({ task }) => task.slice(0, 8))).toEqual(['27edd2b4', '7e885701', 'f5c8ae30']);
});

test('prepareTasks() makes each task when it is asked for, the same every time', () => {
  const source = pinned();
  const first = prepareTasks(source).next().value;
  expect(first).toEqual([...prepareTasks(source)][0]);
});

test("prepareTasks() cuts and limits by the plan's constants, whatever today's are", () => {
  const tasks = [...prepareTasks(pinned({ shardBytesMax: MiB, memoryBytes: 3, deadlineMs: 4 }))];
  expect(tasks.map(({ memoryBytes, deadlineMs }) => [memoryBytes, deadlineMs])).toEqual(
    Array(4).fill([3, 4]),
  );
});

test('shardsOfParts() finds what prepareTasks() made the parts of', () => {
  const source = pinned({ shardBytesMax: 60 * MiB });
  const runs = [...prepareTasks(source)].map(({ input }) => shardsIn(input));
  const parts = runs.map(([first]) => ({ source: first! })).toReversed();
  expect(shardsOfParts(source, parts)).toEqual(runs.toReversed());
  expect(() => shardsOfParts(source, [{ source: { key: 'a.parquet', rowStart: 1 } }])).toThrow(
    expect.objectContaining({
      code: 'INTERNAL',
      message: 'Cannot find what begins with row 1 of a.parquet: the snapshot has no such shard',
    }),
  );
});
