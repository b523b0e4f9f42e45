// What a plan pins, and what a job that begins again takes from it.
import { expect, test } from 'vitest';
import { systemClock as clock } from '../../../common/clock.ts';
import { type Digest, digestOf, type JobId } from '../../../common/ids.ts';
import { LIMITS } from '../../../common/limits.ts';
import { silentLog as log } from '../../../common/log.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import { jsonBytes } from '../../../common/store/store.ts';
import { readStored } from '../../../common/stored/stored.ts';
import { type Plan, sameForAll } from '../../../common/wire/plan.ts';
import { programKey } from '../../../common/wire/task.ts';
import { prepareTasks } from '../../../coordinator/plan/prepare.ts';
import { cutShards } from '../../../coordinator/plan/shards.ts';
import { makeTask, saveProgram } from '../../../coordinator/plan/tasks.ts';
import { type CheckedSpec, prepareProgram } from '../../../coordinator/stage/check.ts';
import type { JobContext } from '../../../coordinator/stage/context.ts';
import { pinPlan, planKey } from '../../../coordinator/stage/pin.ts';
import { tempFolder } from '../../support/runner.ts';
import { snapshotOf } from '../../support/snapshots.ts';

const ID = 'j-1' as JobId;
const NUMERICS = 'n-1';
const groups = [30, 20, 30].map((megabytes, i) => ({ rows: 10 + i, bytes: megabytes * 2 ** 20 }));
const wanted = snapshotOf({ 'a.parquet': groups, 'b.parquet': groups });
const checked: CheckedSpec = {
  ...{ schema: wanted.schema, rules: [], label: null, split: null, features: null },
  ...{ keep: [], source: [{ name: 'a', type: 'BIGINT' }] },
};

async function world(repins: readonly string[] = []) {
  const [store, lake] = [memoryStore(), memoryStore()];
  for (const { key } of wanted.objects) await lake.create(key, new Uint8Array(10));
  const live = [{ numerics: NUMERICS, threads: 1, draining: false }];
  const job = {
    ...{ id: ID, store, lake, clock, log, repins, spec: { dataset: '*.parquet' } },
    scratch: tempFolder(),
    ...{ workers: { live: () => live }, signal: new AbortController().signal },
    readFooter: async ({ key }: { key: string }) => {
      const { rowGroups, rows, footerBytes } = wanted.objects.find((one) => one.key === key)!;
      return { schema: wanted.schema, rowGroups, rows, footerBytes };
    },
    record: async () => {},
  } as unknown as JobContext;
  const pin = (of: CheckedSpec = checked) => pinPlan(job, async () => of);
  return { store, job, pin };
}

const put = (store: Awaited<ReturnType<typeof world>>['store'], plan: object) =>
  store.overwrite(planKey(ID), jsonBytes(plan));
const namesOf = ({ prepare }: Awaited<ReturnType<typeof pinPlan>>) =>
  [...prepareTasks(prepare)].map(({ task }) => task);

test('pinPlan() pins what tasks follow from, and a job that begins again has the same', async () => {
  const { store, pin } = await world();
  const first = await pin();
  const program = digestOf(prepareProgram(checked));
  expect(await readStored(store, planKey(ID), 'plan')).toEqual({
    ...{ formatVersion: 3, job: ID, snapshot: first.plan.snapshot, numerics: sameForAll(NUMERICS) },
    prepare: {
      ...{ program, shardBytesMax: LIMITS.shardBytesMax, memoryBytes: LIMITS.taskMemoryBytes },
      ...{ deadlineMs: LIMITS.taskDeadlineMs, taskCount: 4, rowCount: 66 },
    },
  });
  const again = await pin();
  expect(again.plan).toEqual(first.plan);
  expect(namesOf(again)).toEqual(namesOf(first));
  expect([first.prepare.isNew, again.prepare.isNew]).toEqual([true, false]);
});

test("a plan's constants and program hold where today's are others", async () => {
  const { store, pin } = await world();
  const { plan } = await pin();
  const older = { ...prepareProgram(checked), reads: ['b'] };
  const program = await saveProgram(store, older);
  const prepare = { ...plan.prepare, program, shardBytesMax: 1, memoryBytes: 3, deadlineMs: 4 };
  put(store, { ...plan, prepare: { ...prepare, taskCount: 6 } } satisfies Plan);
  const { prepare: source, ...again } = await pin();
  const tasks = [...prepareTasks(source)];
  expect(again.plan.prepare.taskCount).toBe(6);
  expect(tasks.length).toBe(6);
  expect(tasks[0]).toMatchObject({ program, memoryBytes: 3, deadlineMs: 4 });
  const [[shard] = []] = cutShards(source.snapshot, { reads: ['b'], shardBytesMax: 1 });
  expect(tasks[0]!.input).toEqual({ kind: 'shard', shard });
});

test('a plan that lists its tasks goes on with tasks of the same names', async () => {
  const { store, pin } = await world();
  const { plan, prepare } = await pin();
  const program = plan.prepare.program;
  const listed = [
    ...cutShards(prepare.snapshot, {
      reads: ['a'],
      shardBytesMax: 64 * 2 ** 20,
    }),
  ]
    .flat()
    .map((shard) =>
      makeTask({ stage: 'prepare', program, input: { kind: 'shard', shard }, numerics: NUMERICS }),
    );
  put(store, { ...plan, formatVersion: 2, prepare: listed });
  const again = await pin();
  expect(namesOf(again)).toEqual(listed.map(({ task }) => task));
  expect(again.plan.prepare).toEqual(prepare.pins);
});

test('a job that goes on under other numerics has a plan of its own, of the same rows', async () => {
  const { store, job, pin } = await world();
  const first = await pin();
  const repinned = { ...job, repins: ['n-2'] };
  const second = await pinPlan(repinned, async () => checked);
  expect(second.plan).toEqual({ ...first.plan, numerics: sameForAll('n-2') });
  expect(second.prepare.numerics).toBe('n-2');
  expect(await readStored(store, planKey(ID, 1), 'plan')).toEqual(second.plan);
  expect(namesOf(second)).not.toEqual(namesOf(first));
  expect((await pinPlan(repinned, async () => checked)).plan).toEqual(second.plan);
});

test('a plan whose program is gone is told by its digest', async () => {
  const { store, pin } = await world();
  const { plan } = await pin();
  const program = digestOf('gone') as Digest;
  put(store, { ...plan, prepare: { ...plan.prepare, program } });
  await expect(pin()).rejects.toMatchObject({
    code: 'INTERNAL',
    message: `Cannot go on with the plan of job j-1: its program ${program} is not in memory:`,
  });
  expect(await store.get(programKey(program))).toBeUndefined();
});
