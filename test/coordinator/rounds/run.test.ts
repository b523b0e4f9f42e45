// One training as the coordinator sees it: checkpoints and a result in a store, heartbeats, a clock moved by hand.
import { expect, test } from 'vitest';
import { type Digest, type RunId, taskIdOfRun, type WorkerId } from '../../../common/ids.ts';
import { LIMITS } from '../../../common/limits.ts';
import { silentLog } from '../../../common/log.ts';
import { createMemoryQueue } from '../../../common/queue/memory.ts';
import type { TrainProgram } from '../../../common/stage/train.ts';
import { entryKey } from '../../../common/store/journal.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import { createJson } from '../../../common/store/store.ts';
import type { Heartbeat } from '../../../common/wire/event.ts';
import { commitKey } from '../../../common/wire/task.ts';
import {
  type EpochFigures,
  newestCheckpoint,
  runTraining,
} from '../../../coordinator/rounds/run.ts';
import { createTestClock } from '../../support/clock.ts';

const RUN = 'a'.repeat(64) as RunId;
const EPOCHS: readonly EpochFigures[] = [0.7, 0.6, 0.5].map((loss) => ({
  loss,
  validationLoss: loss + 0.1,
  validationAuc: 0.6,
}));
/** Three epochs of four steps and a measure: rounds 5, 10 and 15 end them. */
const program = {
  steps: 4,
  epochs: 3,
  batchRows: 8,
  lanes: 2,
  laneRows: [16, 16],
} as unknown as TrainProgram;

const RESULT_KEY = commitKey('train', taskIdOfRun(RUN), 1);
const resultOf = (epochs: readonly EpochFigures[]) => ({
  ...{ task: taskIdOfRun(RUN), stage: 'train', attempt: { worker: 'w-a' } },
  result: { rounds: 15, rows: 96, epochs, checkpoint: { key: 'k', sha256: 's', bytes: 1 } },
});

function startTrial(epochs = EPOCHS) {
  const [store, clock, over] = [memoryStore(), createTestClock(), new AbortController()];
  const told: [number, EpochFigures][] = [];
  const heard: ((heartbeat: Heartbeat) => void)[] = [];
  const start = () =>
    runTraining({
      program,
      digest: RUN,
      numerics: 'p',
      queue: createMemoryQueue(clock),
      store,
      clock,
      workers: {
        live: () => [],
        onHeartbeat(handler) {
          heard.push(handler);
          return () => {};
        },
      },
      signal: over.signal,
      log: silentLog,
      onProgress: () => {},
      onEpoch: async (epoch, figures) => void told.push([epoch, figures]),
    });
  return {
    store,
    clock,
    told,
    over,
    start,
    save: (round: number, ended?: number) =>
      createJson(store, `checkpoints/${RUN}/${round}.json`, {
        formatVersion: 1,
        round,
        blob: { key: `checkpoints/${RUN}/${round}.bin`, sha256: 'b'.repeat(64), bytes: 1 },
        ...(ended === undefined ? {} : { epochs: epochs.slice(0, ended) }),
      }),
    finish: () => createJson(store, RESULT_KEY, { formatVersion: 1, ...resultOf(epochs) }),
    /** A worker says that it stands before this round. */
    at(round: number, phase: 'running' | 'done' = 'running', generation = 0) {
      const run = { run: RUN, generation, round, lanesLoaded: [], phase, rows: 0, loss: 0 };
      const worker = 'w-a' as WorkerId;
      for (const hear of heard) hear({ worker, numerics: 'p', threads: 1, runs: [run] } as never);
    },
  };
}

const second = LIMITS.heartbeatMs;
const numbered = (count: number): [number, EpochFigures][] =>
  EPOCHS.slice(0, count).map((figures, i) => [i + 1, figures]);

test('runTraining() tells an epoch within a second of its checkpoint, and each once', async () => {
  const trial = startTrial();
  const running = trial.start();
  await trial.clock.advance(second);
  trial.at(6);
  await trial.clock.advance(second);
  expect(trial.told).toEqual([]); // not saved yet
  await trial.save(5, 1);
  await trial.clock.advance(second);
  expect(trial.told).toEqual(numbered(1));
  await trial.clock.advance(20 * second);
  expect(trial.told).toEqual(numbered(1));
  await trial.save(10, 2);
  trial.at(11);
  await trial.clock.advance(second);
  expect(trial.told).toEqual(numbered(2));
  await trial.finish();
  trial.at(15, 'done');
  await trial.clock.advance(second);
  await running;
  expect(trial.told).toEqual(numbered(3));
});

test('runTraining() returns as soon as a worker says that it is done, without the next second', async () => {
  const trial = startTrial();
  const running = trial.start();
  await trial.clock.advance(second);
  trial.at(14);
  await trial.clock.advance(second / 4);
  await trial.finish();
  trial.at(15, 'done');
  await trial.clock.advance(0);
  expect((await running).result.rounds).toBe(15);
});

test('runTraining() whose worker is done before its result can be read looks once a second', async () => {
  const trial = startTrial();
  const running = trial.start();
  await trial.clock.advance(second);
  const before = trial.store.reads;
  for (let n = 0; n < 20; n++) {
    trial.at(15, 'done');
    await trial.clock.advance(second / 10);
  }
  expect(trial.store.reads - before).toBeLessThanOrEqual(3);
  await trial.finish();
  await trial.clock.advance(second);
  expect((await running).result.rounds).toBe(15);
});

test('runTraining() does not look at checkpoints every second while no epoch ends', async () => {
  const trial = startTrial();
  const running = trial.start();
  await trial.clock.advance(second);
  trial.at(3);
  await trial.clock.advance(second);
  const before = trial.store.lists;
  await trial.clock.advance(50 * second);
  expect(trial.store.lists - before).toBeLessThanOrEqual(11);
  const ended = expect(running).rejects.toMatchObject({ code: 'CANCELLED' });
  trial.over.abort();
  await trial.clock.advance(second);
  await ended;
});

test('runTraining() that takes a run up tells its epochs from the first, also those whose checkpoints it never saw', async () => {
  const trial = startTrial();
  await trial.save(10, 2);
  const running = trial.start();
  await trial.clock.advance(second);
  trial.at(12);
  await trial.clock.advance(second);
  expect(trial.told).toEqual(numbered(2));
  await trial.finish();
  trial.at(15, 'done');
  await trial.clock.advance(second);
  await running;
  expect(trial.told).toEqual(numbered(3));
  await trial.start();
  expect(trial.told.slice(3)).toEqual(numbered(3)); // a result that was there
});

test('newestCheckpoint() reads what earlier programs wrote, without epochs', async () => {
  const trial = startTrial();
  expect(await newestCheckpoint(trial.store, RUN)).toBeUndefined();
  await trial.save(9);
  await trial.save(10);
  const blob = { key: `checkpoints/${RUN}/10.bin`, sha256: 'b'.repeat(64) as Digest, bytes: 1 };
  expect(await newestCheckpoint(trial.store, RUN)).toEqual({
    checkpoint: { round: 10, blob },
    epochs: [],
  });
});

/** What a newer program left of a run: of a form that this one does not know, though every field is there. */
const NEWER = [
  [
    'a generation of a training run',
    entryKey(`checkpoints/${RUN}/generations`, 1),
    { generation: 1, laneOwner: ['w-a', 'w-a'] },
  ],
  [
    'a checkpoint of a training run',
    `checkpoints/${RUN}/10.json`,
    { round: 10, blob: { key: `checkpoints/${RUN}/10.bin`, sha256: 'b'.repeat(64), bytes: 1 } },
  ],
  ['the result of a training run', RESULT_KEY, resultOf(EPOCHS)],
] as const;

test.each(NEWER)(
  'runTraining() ends with FORMAT_UNKNOWN where %s is newer',
  async (what, key, fields) => {
    const trial = startTrial();
    await createJson(trial.store, key, { formatVersion: 2, ...fields });
    await expect(trial.start()).rejects.toMatchObject({
      code: 'FORMAT_UNKNOWN',
      message: `Cannot read ${key} as ${what}: its formatVersion is 2, and this program knows 1`,
    });
    expect(trial.told).toEqual([]);
  },
);

test.each(NEWER.slice(0, 2))(
  'runTraining() starts over %s in the form that it knows',
  async (_what, key, fields) => {
    const trial = startTrial();
    await createJson(trial.store, key, { formatVersion: 1, ...fields });
    const running = trial.start();
    await trial.clock.advance(second);
    await trial.finish();
    trial.at(15, 'done');
    await trial.clock.advance(second);
    expect((await running).result.rounds).toBe(15);
  },
);

test('runTraining() ends with FORMAT_UNKNOWN where a newer coordinator has written a checkpoint meanwhile', async () => {
  const trial = startTrial();
  const running = trial.start();
  const ended = expect(running).rejects.toMatchObject({ code: 'FORMAT_UNKNOWN' });
  await trial.clock.advance(second);
  const [, key, fields] = NEWER[1];
  await createJson(trial.store, key, { formatVersion: 2, ...fields });
  trial.at(11);
  await trial.clock.advance(second);
  await ended;
});

test('runTraining() ends with FORMAT_UNKNOWN where a newer coordinator has written a generation meanwhile', async () => {
  const trial = startTrial();
  const running = trial.start();
  const ended = expect(running).rejects.toMatchObject({ code: 'FORMAT_UNKNOWN' });
  await trial.clock.advance(second);
  const [, key, fields] = NEWER[0];
  await createJson(trial.store, key, { formatVersion: 2, ...fields });
  trial.at(0, 'running', 1); // of a generation that is not known here: the journal is read for it
  await trial.clock.advance(second);
  await ended;
});

test('runTraining() ends with FORMAT_UNKNOWN where a newer worker has finished it meanwhile', async () => {
  const trial = startTrial();
  const running = trial.start();
  const ended = expect(running).rejects.toMatchObject({ code: 'FORMAT_UNKNOWN' });
  await trial.clock.advance(second);
  await createJson(trial.store, RESULT_KEY, { formatVersion: 2, ...resultOf(EPOCHS) });
  trial.at(15, 'done');
  await trial.clock.advance(second);
  await ended;
});

test('runTraining() refuses a result that says nothing of its epochs', async () => {
  const trial = startTrial();
  const { result, ...rest } = resultOf(EPOCHS);
  const { epochs: _, ...without } = result;
  await createJson(trial.store, RESULT_KEY, { formatVersion: 1, ...rest, result: without });
  await expect(trial.start()).rejects.toMatchObject({
    code: 'FORMAT_UNKNOWN',
    message: `Cannot read ${RESULT_KEY} as the result of a training run: /result/epochs is missing`,
  });
});
