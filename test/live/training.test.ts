// Training with real engines in real children: the result must not tell how many workers there were.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../common/clock.ts';
import { silentLog } from '../../common/log.ts';
import { createMemoryQueue, type MemoryQueue } from '../../common/queue/memory.ts';
import { memoryStore } from '../../common/store/memory.ts';
import type { Store } from '../../common/store/store.ts';
import type { TrainResult } from '../../common/wire/program.ts';
import { runTraining } from '../../coordinator/rounds/run.ts';
import {
  heartbeatsOf,
  makeSmallRun,
  type SmallRun,
  startTrainWorker,
  TRAIN_PROFILE,
  type TrainWorker,
} from '../support/training.ts';

const SIZE = { rows: 12_000, epochs: 3, batchRows: 64, lanes: 8 };
let folder: string;
let alone: TrainResult;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gm-training-'));
}, 60_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

type Trial = {
  readonly queue: MemoryQueue;
  readonly store: Store;
  readonly run: SmallRun;
  readonly workers: TrainWorker[];
  start(name: string, threads: number): TrainWorker;
  train(onRound?: (round: number) => void, signal?: AbortSignal): Promise<TrainResult>;
  end(): Promise<void>;
};

/** A store, a queue and a run of their own. */
async function startTrial(
  size: Partial<typeof SIZE> & { learningRate?: number } = {},
): Promise<Trial> {
  const store = memoryStore();
  const queue = createMemoryQueue(systemClock);
  const place = await mkdtemp(join(folder, 'trial-'));
  const run = await makeSmallRun(store, join(place, 'made'), { ...SIZE, ...size });
  const workers: TrainWorker[] = [];
  return {
    queue,
    store,
    run,
    workers,
    start(name, threads) {
      const worker = startTrainWorker({ name, threads, queue, store, folder: place });
      workers.push(worker);
      return worker;
    },
    async train(onRound, signal = new AbortController().signal) {
      const { result } = await runTraining({
        ...run,
        profile: TRAIN_PROFILE,
        queue,
        store,
        clock: systemClock,
        workers: heartbeatsOf(queue),
        signal,
        log: silentLog,
        onProgress: ({ view }) => onRound?.(view.round),
      });
      return result;
    },
    async end() {
      await Promise.all(workers.map((worker) => worker.close()));
    },
  };
}

test('runTraining() with one worker learns, and says so by epoch', async () => {
  const trial = await startTrial();
  trial.start('w-a', 2);
  alone = await trial.train();
  await trial.end();
  const { epochs } = alone;
  expect(epochs).toHaveLength(SIZE.epochs);
  expect(epochs.at(-1)!.validationAuc).toBeGreaterThan(0.7);
  expect(epochs.at(-1)!.loss).toBeLessThan(epochs[0]!.loss);
  expect(await trial.store.get(alone.checkpoint.key)).toHaveLength(alone.checkpoint.bytes);
}, 60_000);

test('runTraining() with three workers gives the same bytes and the same losses', async () => {
  const trial = await startTrial();
  trial.start('w-a', 1);
  trial.start('w-b', 2);
  trial.start('w-c', 1);
  const result = await trial.train();
  await trial.end();
  expect(result).toEqual(alone);
}, 60_000);

test('runTraining() gives the same bytes when a worker is lost in an epoch and another joins', async () => {
  const trial = await startTrial();
  trial.start('w-a', 1);
  const lost = trial.start('w-b', 1);
  let isLost = false;
  const result = await trial.train((round) => {
    if (isLost || round < 20) return;
    isLost = true;
    void lost.kill();
    trial.start('w-c', 1);
  });
  await trial.end();
  expect(isLost).toBe(true);
  expect(result).toEqual(alone);
}, 90_000);

test('runTraining() gives the same bytes when a child is killed', async () => {
  const trial = await startTrial();
  trial.start('w-a', 1);
  const hurt = trial.start('w-b', 1);
  let isHurt = false;
  const result = await trial.train((round) => {
    if (isHurt || round < 20) return;
    isHurt = true;
    hurt.child.kill('CHILD_LOST', 'by the test');
  });
  await trial.end();
  expect(isHurt).toBe(true);
  expect(result).toEqual(alone);
}, 90_000);

test('runTraining() goes on from the last checkpoint when every worker was lost', async () => {
  const trial = await startTrial();
  const first = trial.start('w-a', 2);
  const over = new AbortController();
  const firstTry = trial.train((round) => {
    if (round < 250 || over.signal.aborted) return;
    void first.kill();
    over.abort();
  }, over.signal);
  await expect(firstTry).rejects.toMatchObject({ code: 'CANCELLED' });
  trial.start('w-b', 1);
  let least = Number.POSITIVE_INFINITY;
  const result = await trial.train((round) => {
    if (round > 0) least = Math.min(least, round);
  });
  await trial.end();
  expect(least).toBeGreaterThanOrEqual(200);
  expect(result).toEqual(alone);
}, 90_000);

test('runTraining() returns a result that exists without asking anybody', async () => {
  const trial = await startTrial();
  trial.start('w-a', 2);
  const first = await trial.train();
  await trial.end();
  expect(await trial.train()).toEqual(first);
}, 60_000);

test('runTraining() fails with the error of the run: a learning rate that explodes', async () => {
  const trial = await startTrial({ learningRate: 1e38 });
  trial.start('w-a', 1);
  await expect(trial.train()).rejects.toMatchObject({ code: 'NONFINITE_LOSS' });
  await trial.end();
}, 60_000);
