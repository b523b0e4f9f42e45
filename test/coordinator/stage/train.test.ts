// Training with its rounds told by heartbeats and its last task answered from a table: what is shown, recorded, reused.
import { expect, test } from 'vitest';
import { systemClock } from '../../../common/clock.ts';
import { type Digest, type RunId, taskIdOfRun, type WorkerId } from '../../../common/ids.ts';
import type { LabelKind } from '../../../common/objective/objectives.ts';
import { CHANNELS } from '../../../common/queue/channels.ts';
import type { TrainProgram, TrainResult } from '../../../common/stage/train.ts';
import { createJson } from '../../../common/store/store.ts';
import { commitKey, programKey } from '../../../common/wire/task.ts';
import type { FeatureSet } from '../../../coordinator/compile/tree.ts';
import type { TrainingContext } from '../../../coordinator/stage/context.ts';
import { trainModel } from '../../../coordinator/stage/train.ts';
import { getJson } from '../../support/json.ts';
import { GIVEN, RANGES, stageJob } from '../../support/stage-job.ts';
import { NUMERICS } from '../../support/tasks.ts';

const MODEL = { key: 'parts/train/t/model.onnx', sha256: 'f'.repeat(64) as Digest, bytes: 9 };
const features: FeatureSet = {
  columns: [{ name: 'x', type: 'number', fileType: 'DOUBLE' }],
  codes: [],
  numbers: [{ feature: 'x', sql: 'x', node: { kind: 'column', name: 'x' } }],
};
const training = {
  model: { kind: 'linear' },
  train: {
    ...{ optimizer: 'sgd', learningRate: 0.1, momentum: 0.9 },
    ...{ batchRows: 8, epochs: 2, lanes: 2 },
  },
};
/** 24 and 8 rows: two lanes of 32 buckets; an epoch has six steps of four rows a lane, and a measure. */
const bucketRows = Array.from({ length: 64 }, (_, bucket) =>
  bucket === 0 ? 24 : bucket === 63 ? 8 : 0,
);
const givenOf = (kind: LabelKind, labelScale: { mean: number; std: number } | null = null) => ({
  ...{ plan: GIVEN.plan, prepared: GIVEN.prepared, features, label: { kind } },
  fitted: {
    ...GIVEN.fitted,
    ...{ labelScale, load: { codes: [], numbers: [{ feature: 'x', sql: 'x' }] } },
    counts: { train: bucketRows, validation: [], test: [] } as never,
  },
});
const RESULT: TrainResult = {
  ...{ rounds: 14, rows: 64 },
  epochs: [
    { loss: 0.5, validationLoss: 3, validationAuc: 0.6 },
    { loss: 0.25, validationLoss: 2, validationAuc: 0.7 },
  ],
  checkpoint: { key: 'checkpoints/r/14.bin', sha256: 'e'.repeat(64) as Digest, bytes: 1 },
};
type Job = Awaited<ReturnType<typeof stageJob>>;

/** The coordinator looks at a run each second: here fifty times as often. */
const hurried = (job: TrainingContext): TrainingContext => ({
  ...job,
  clock: { ...systemClock, sleep: (ms, signal) => systemClock.sleep(ms / 50, signal) },
});

/** The run is named by its program: the one that the stage has stored. */
async function runOf({ store }: Job): Promise<{ run: RunId; program: TrainProgram }> {
  for (;;) {
    for (const name of await store.listNames('stages/')) {
      const digest = name.replace(/\.json$/, '') as Digest;
      const program = await getJson<TrainProgram>(store, programKey(digest));
      if (program?.kind === 'train') return { run: digest as unknown as RunId, program };
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Workers whose rounds are over: their result lies there, and one says so. */
async function finishRounds(w: Job): Promise<{ run: RunId; program: TrainProgram }> {
  const found = await runOf(w);
  const { run } = found;
  const attempt = { cpuSeconds: 0 };
  const task = taskIdOfRun(run);
  w.queue.publish(CHANNELS.heartbeat, beatOf(run));
  while (w.shown.length < 2) await new Promise((resolve) => setTimeout(resolve, 10));
  const trained = { formatVersion: 1, task, stage: 'train', result: RESULT, attempt };
  await createJson(w.store, commitKey('train', task, 1), trained);
  return found;
}

const beatOf = (run: RunId) => ({
  ...{ worker: 'w-a' as WorkerId, host: 'h', pid: 1, numerics: NUMERICS, device: 'cpu' as const },
  ...{ threads: 1, threadsFree: 1, memoryBytes: 2 ** 30, tasks: [], draining: false, startedAt: 0 },
  runs: [
    {
      ...{ run, generation: 0, round: 7, lanesLoaded: [], phase: 'done' as const, rows: 32 },
      ...{ loss: 0.125, cpuSeconds: 3 },
    },
  ],
});

const assemble = () => ({ model: MODEL });

test('trainModel() shows the rounds while they run, then puts the file together from their checkpoint', async () => {
  await using w = await stageJob({ assemble }, training);
  const running = trainModel(hurried(w.job), givenOf('binary'));
  const { run, program } = await finishRounds(w);
  const trained = await running;
  expect(trained).toEqual({
    ...{ trainDigest: run, model: MODEL, epochs: RESULT.epochs },
    signature: {
      ...{ inputs: [{ name: 'x', type: 'number' }], label: 'binary' },
      ...{ codes: [], numbers: ['x'] },
    },
  });
  expect(program).toMatchObject({
    ...{
      seed: 7,
      label: 'binary',
      split: RANGES,
      lanes: 2,
      laneRows: [24, 8],
      steps: 6,
      epochs: 2,
    },
    optimizer: { kind: 'sgd', learningRate: 0.1, momentum: 0.9 },
    parts: GIVEN.prepared.parts.map(({ part }) => part),
  });
  expect(w.programsOf('assemble')).toMatchObject([
    { checkpoint: RESULT.checkpoint, signature: trained.signature, parameters: program.parameters },
  ]);
  expect(w.shown).toContainEqual(expect.objectContaining({ round: 7, rounds: 14, loss: 0.125 }));
  expect(w.shown.at(-1)).toMatchObject({ round: 14, rounds: 14 });
});

test('trainModel() records each epoch, then what the rounds and the one task took', async () => {
  await using w = await stageJob({ assemble }, training);
  const running = trainModel(hurried(w.job), givenOf('binary'));
  await finishRounds(w);
  await running;
  expect(w.facts).toMatchObject([
    { kind: 'found', stage: 'train', value: { epochs: [{ epoch: 1, ...RESULT.epochs[0] }] } },
    { kind: 'found', stage: 'train', value: { epochs: [{ epoch: 2, ...RESULT.epochs[1] }] } },
    {
      kind: 'stage',
      view: { stage: 'train', tasks: { done: 15, total: 15, reused: 0 }, rows: 64 },
    },
  ]);
});

test('trainModel() run again shows no rounds, runs no task, and tells the same epochs', async () => {
  await using w = await stageJob({ assemble }, training);
  const running = trainModel(hurried(w.job), givenOf('binary'));
  await finishRounds(w);
  const first = await running;
  const [shown, told] = [w.shown.length, w.facts.slice(0, 2)];
  expect(await trainModel(hurried(w.job), givenOf('binary'))).toEqual(first);
  expect(w.kinds()).toEqual(['assemble']);
  expect(w.shown).toHaveLength(shown);
  expect(w.facts.slice(3, 5)).toEqual(told);
  expect(w.facts[5]).toMatchObject({
    view: { tasks: { done: 15, total: 15, reused: 15 }, cpuSeconds: 0, bytes: 0 },
  });
});

test('trainModel() tells the loss of a number in the unit of its metric, and leaves that of validation as it is', async () => {
  await using w = await stageJob({ assemble }, training);
  const running = trainModel(hurried(w.job), givenOf('regression', { mean: 100, std: 10 }));
  await finishRounds(w);
  const { epochs } = await running;
  const inUnit = RESULT.epochs.map((epoch) => ({ ...epoch, loss: epoch.loss * 100 }));
  expect(epochs).toEqual(inUnit);
  expect(w.facts[0]).toMatchObject({ value: { epochs: [{ epoch: 1, ...inUnit[0] }] } });
  expect(w.shown).toContainEqual(expect.objectContaining({ round: 7, loss: 12.5 }));
});

test('trainModel() names another run where the label is scaled otherwise', async () => {
  const runWith = async (std: number): Promise<RunId> => {
    await using w = await stageJob({ assemble }, training);
    const running = trainModel(hurried(w.job), givenOf('regression', { mean: 100, std }));
    await finishRounds(w);
    return (await running).trainDigest;
  };
  expect(await runWith(10)).not.toBe(await runWith(11));
});

test('trainModel() ends with CANCELLED where its job is, and puts nothing together', async () => {
  await using w = await stageJob({ assemble }, training);
  const over = new AbortController();
  const running = trainModel({ ...hurried(w.job), signal: over.signal }, givenOf('binary'));
  const ended = expect(running).rejects.toMatchObject({ code: 'CANCELLED' });
  const { run } = await runOf(w);
  over.abort();
  await ended;
  expect(w.ran).toEqual([]);
  expect(w.facts).toEqual([]);
  expect(run).toMatch(/^[0-9a-f]{64}$/);
});
