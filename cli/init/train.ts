// Which model, and how long it trains: from how many rows there are to learn from.
// In: rows with a label, features. Out: the model and train sections of a job, and why.
// Why by rows: a wide model learns a few hundred rows by heart, and large batches leave it too few steps.

import type { JobInput } from '../../common/wire/job.ts';
import { figure } from './names.ts';

export type TrainChoice = {
  readonly model: NonNullable<JobInput['model']>;
  readonly train: NonNullable<JobInput['train']>;
  readonly why: string;
};

/** The oldest or hashed share that trains: see split.ts. */
const TRAIN_SHARE = 0.7;

type Size = {
  /** Training rows from which on this is meant. */
  readonly from: number;
  readonly hidden: readonly number[];
  readonly batchRows: number;
  readonly lanes: 4 | 8 | 16 | 32;
  readonly learningRate: number;
  /** Times each row is seen. */
  readonly epochs: number;
};

const SIZES: readonly Size[] = [
  { from: 0, hidden: [], batchRows: 32, lanes: 4, learningRate: 0.02, epochs: 60 },
  { from: 1_000, hidden: [16], batchRows: 64, lanes: 4, learningRate: 0.005, epochs: 30 },
  { from: 5_000, hidden: [32, 16], batchRows: 128, lanes: 8, learningRate: 0.003, epochs: 15 },
  { from: 30_000, hidden: [64, 32], batchRows: 512, lanes: 8, learningRate: 0.003, epochs: 8 },
  { from: 150_000, hidden: [64, 32], batchRows: 2048, lanes: 16, learningRate: 0.002, epochs: 5 },
  {
    from: 1_000_000,
    hidden: [128, 64],
    batchRows: 4096,
    lanes: 32,
    learningRate: 0.002,
    epochs: 3,
  },
];

export function chooseTraining(labelledRows: number): TrainChoice {
  const rows = Math.round(labelledRows * TRAIN_SHARE);
  const { hidden, batchRows, lanes, learningRate, epochs } = SIZES.findLast(
    ({ from }) => rows >= from,
  )!;
  const steps = epochs * Math.ceil(rows / batchRows);
  const about = `about ${figure(rows)} training rows`;
  const seen = `each seen ${epochs} times in batches of ${figure(batchRows)}: ${figure(steps)} steps`;
  return {
    model: hidden.length === 0 ? { kind: 'linear' } : { kind: 'mlp', hidden: [...hidden] },
    // the schema's literals are numbers made by a map, which its type does not follow
    train: { optimizer: 'adam', learningRate, batchRows, epochs, lanes: lanes as never },
    why: `${hidden.length === 0 ? 'linear' : `mlp ${hidden.join('-')}`} for ${about}, ${seen}`,
  };
}
