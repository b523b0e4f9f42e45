// Proving with a worker that answers from a table: which rows are replayed, what is recorded, what is refused.
import { expect, test } from 'vitest';
import { GristmillError } from '../../../common/errors.ts';
import { digestOf } from '../../../common/ids.ts';
import { LIMITS } from '../../../common/limits.ts';
import type { ProveProgram, ProveResult } from '../../../common/stage/prove.ts';
import { pinPrepare } from '../../../coordinator/plan/prepare.ts';
import { proveServing } from '../../../coordinator/stage/prove.ts';
import { snapshotOf } from '../../support/snapshots.ts';
import { type Answers, GIVEN, partOf, RANGES, stageJob } from '../../support/stage-job.ts';
import { NUMERICS } from '../../support/tasks.ts';

const groups = [{ rows: 10, bytes: 20 }];
const prepareOf = async (names: readonly string[]) => {
  const { objects, ...made } = snapshotOf(
    Object.fromEntries(names.map((n) => [`${n}.parquet`, groups])),
  );
  // a part each: as large objects have
  const snapshot = { ...made, objects: objects.map((one) => ({ ...one, bytes: 2 ** 23 })) };
  const of = { program: digestOf('a program'), clock: { monotonicMs: () => 0 } };
  const pins = await pinPrepare(snapshot, of);
  return { ...{ snapshot, pins, reads: ['a'], numerics: NUMERICS, isNew: false } };
};
const prepare = await prepareOf(['a', 'b', 'c', 'd']);
const given = { ...GIVEN, prepare };

/** Ten rows of each part; the second part, of the file "c", differs the most from what was served. */
const answers = (
  differences: ProveResult['differences'] = [],
  golden: (program: ProveProgram) => number = () => 1,
): Answers => ({
  prove: (program, { input }) => ({
    ...{ rows: 10, differences },
    maxDifference: input.kind === 'replay' && input.shard.key === 'c.parquet' ? 2 ** -20 : 2 ** -22,
    golden: Array.from({ length: golden(program) }, (_, x) => ({ row: { x }, prediction: 0.5 })),
  }),
});

test('proveServing() replays the parts that can hold test rows, each from its own shard, and records the proof', async () => {
  await using w = await stageJob(answers());
  const proof = await proveServing(w.job, given);
  expect(proof).toMatchObject({ rows: 20, maxDifference: 2 ** -20 });
  expect(proof.golden).toHaveLength(2);
  expect(w.facts).toMatchObject([
    {
      ...{ kind: 'stage', view: { stage: 'prove', rows: 20, bytes: 10, cpuSeconds: 2 } },
    },
    {
      ...{ kind: 'found', stage: 'prove' },
      value: { proof: { rows: 20, maxDifference: 2 ** -20 } },
    },
  ]);
  expect(w.facts[0]).toMatchObject({ view: { tasks: { done: 2, total: 2, reused: 0 } } });
  const inputs = w.ran.map(({ task: { input } }) => input.kind === 'replay' && input);
  const read = inputs.map((input) => input && [input.part.source.key, input.shard.key]);
  expect(read.sort()).toEqual([
    ['a.parquet', 'a.parquet'],
    ['c.parquet', 'c.parquet'],
  ]);
  expect(w.programsOf('prove')[0]).toMatchObject({
    ...{ where: RANGES.test, seed: 7, model: given.trained.model },
    ...{ rows: LIMITS.proofRows / 2, golden: LIMITS.goldenRows / 2 },
  });
});

test('proveServing() run again computes nothing and finds the same proof', async () => {
  await using w = await stageJob(answers());
  const first = await proveServing(w.job, given);
  expect(await proveServing(w.job, given)).toEqual(first);
  expect(w.kinds()).toEqual(['prove', 'prove']);
  expect(w.facts[2]).toMatchObject({ view: { tasks: { reused: 2 }, cpuSeconds: 0, bytes: 0 } });
});

test('proveServing() asks a share of the rows of each part, rounded up, and keeps no more golden rows than a version has', async () => {
  const names = ['a', 'b', 'c'];
  const parts = names.map((name) => partOf(name, [250, 250]));
  await using w = await stageJob(answers([], ({ golden }) => golden));
  const { golden } = await proveServing(w.job, {
    ...{ ...given, prepare: await prepareOf(names) },
    prepared: { ...given.prepared, parts },
  });
  const [program] = w.programsOf('prove');
  expect([program!.rows, program!.golden]).toEqual([334, 7]);
  expect(golden.map(({ row }) => row.x)).toEqual([
    0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5, 6, 0, 1, 2, 3, 4, 5,
  ]);
});

test('proveServing() replays parts from the first to the last where they are more than rows', async () => {
  const names = Array.from({ length: LIMITS.proofRows + 1 }, (_, i) => String(i).padStart(4, '0'));
  const parts = names.map((name) => partOf(name, [250, 250]));
  await using w = await stageJob(answers());
  await proveServing(w.job, {
    ...{ ...given, prepare: await prepareOf(names) },
    prepared: { ...given.prepared, parts },
  });
  const keys = w.ran.map(({ task }) => task.input.kind === 'replay' && task.input.shard.key);
  expect(keys.length).toBe(LIMITS.proofRows);
  expect(keys).toContain(`${names[0]}.parquet`);
  expect(keys).toContain(`${names.at(-1)}.parquet`);
  expect(w.programsOf('prove')[0]).toMatchObject({ rows: 1, golden: 1 });
});

test('proveServing() refuses a model that is served otherwise: it names row, file and feature, and records no proof', async () => {
  const difference = { row: 3, feature: 'log(x)', batch: 1, serving: 2 };
  await using w = await stageJob(answers([difference, { ...difference, row: 4 }]));
  await expect(proveServing(w.job, given)).rejects.toMatchObject({
    code: 'PROOF_FAILED',
    message:
      'Cannot publish: row 3 of a.parquet has log(x) 1 in the batch and 2 when served, expected the same (2 such differences)',
  });
  expect(w.facts.map(({ kind }) => kind)).toEqual(['stage']);
});

test('proveServing() ends with the error of a task that no attempt could end otherwise', async () => {
  const prove = () => {
    throw new GristmillError('FEATURE_MISSING', 'as the engine said');
  };
  await using w = await stageJob({ prove });
  await expect(proveServing(w.job, given)).rejects.toMatchObject({
    code: 'FEATURE_MISSING',
    message: expect.stringMatching(/^Cannot finish prove task \w+ after .*: as the engine said$/),
  });
  expect(w.facts).toEqual([]);
});

test('proveServing() refuses a part whose shard the snapshot does not hold', async () => {
  await using w = await stageJob(answers());
  const lacking = { ...given, prepare: await prepareOf(['a', 'b']) };
  await expect(proveServing(w.job, lacking)).rejects.toMatchObject({
    code: 'INTERNAL',
    message: expect.stringContaining('Cannot find what begins with row 0 of c.parquet'),
  });
  expect(w.ran).toEqual([]);
});
