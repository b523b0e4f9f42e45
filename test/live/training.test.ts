// Training with real engines in real children: the result must not tell how many workers there were.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { systemClock } from '../../common/clock.ts';
import { silentLog } from '../../common/log.ts';
import { CHANNELS } from '../../common/queue/channels.ts';
import { createMemoryQueue, type MemoryQueue } from '../../common/queue/memory.ts';
import type { TrainResult } from '../../common/stage/train.ts';
import { memoryStore } from '../../common/store/memory.ts';
import type { Store } from '../../common/store/store.ts';
import { type EpochFigures, runTraining } from '../../coordinator/rounds/run.ts';
import { decodeMessage } from '../../worker/rounds/encode.ts';
import { readAll } from '../support/json.ts';
import {
  heartbeatsOf,
  makeSmallRun,
  type SmallRun,
  startTrainWorker,
  TRAIN_NUMERICS,
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
  /** Epochs as they were told, and whether that was before the result was there. */
  readonly told: { epoch: number; figures: EpochFigures }[];
  start(name: string, threads: number): TrainWorker;
  train(signal?: AbortSignal): Promise<TrainResult>;
  /** Calls back once, when the bus shows a sum of this round or a later one. */
  atRound(round: number, act: () => void): void;
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
  const told: Trial['told'] = [];
  return {
    told,
    queue,
    store,
    run,
    workers,
    start(name, threads) {
      const worker = startTrainWorker({ name, threads, queue, store, folder: place });
      workers.push(worker);
      return worker;
    },
    atRound(round, act) {
      const stop = queue.subscribe(CHANNELS.run(run.digest), ({ bytes }) => {
        const message = decodeMessage(bytes);
        if (message?.kind !== 'sum' || message.round < round) return;
        stop();
        act();
      });
    },
    async train(signal = new AbortController().signal) {
      const { result } = await runTraining({
        ...run,
        numerics: TRAIN_NUMERICS,
        queue,
        store,
        clock: systemClock,
        workers: heartbeatsOf(queue),
        signal,
        log: silentLog,
        onProgress: () => {},
        onEpoch: async (epoch, figures) => {
          told.push({ epoch, figures });
        },
      });
      return result;
    },
    async end() {
      await Promise.all(workers.map((worker) => worker.close()));
    },
  };
}

const generationsOf = async ({ store, run }: Trial): Promise<number> =>
  (await readAll(store, `checkpoints/${run.digest}/generations`)).length;

test('runTraining() with one worker learns, and says so by epoch', async () => {
  const trial = await startTrial();
  trial.start('w-a', 2);
  alone = await trial.train();
  await trial.end();
  const { epochs } = alone;
  const told = trial.told.map(({ epoch, figures }) => [epoch, figures]);
  expect(told).toEqual(epochs.map((figures, i) => [i + 1, figures]));
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
  const onLost = vi.fn(() => {
    void lost.kill();
    trial.start('w-c', 1);
  });
  trial.atRound(60, onLost);
  const result = await trial.train();
  await trial.end();
  expect(onLost).toHaveBeenCalledOnce();
  expect(result).toEqual(alone);
  expect(await generationsOf(trial)).toBeGreaterThan(1);
}, 90_000);

test('runTraining() gives the same bytes when a child is killed', async () => {
  const trial = await startTrial();
  trial.start('w-a', 1);
  const hurt = trial.start('w-b', 1);
  const onHurt = vi.fn(() => hurt.child.kill('CHILD_LOST', 'by the test'));
  trial.atRound(60, onHurt);
  const result = await trial.train();
  await trial.end();
  expect(onHurt).toHaveBeenCalledOnce();
  expect(result).toEqual(alone);
}, 90_000);

test('runTraining() goes on from the last checkpoint when every worker was lost', async () => {
  const trial = await startTrial();
  const first = trial.start('w-a', 1);
  const [whole, over] = [trial.store.create, new AbortController()];
  trial.store.create = (key, bytes) => {
    if (key.endsWith('/166.json')) void first.kill().then(() => over.abort());
    return whole(key, bytes);
  };
  await expect(trial.train(over.signal)).rejects.toMatchObject({ code: 'CANCELLED' });
  const rounds: number[] = [];
  trial.store.create = (key, bytes) => {
    const round = key.match(/(\d+)\.bin$/)?.[1];
    if (key.startsWith('checkpoints/') && round) rounds.push(Number(round));
    return whole(key, bytes);
  };
  trial.start('w-b', 1);
  const result = await trial.train();
  await trial.end();
  expect(rounds).toEqual([200, 332, 400, 498]);
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
