// Which model, and how long it trains: from how much there is to learn, and from how many rows.
// In: rows with a label, how many weights read them, how much the best column says. Out: sections of a job, and why.
// Why rows first: a wide model learns a few hundred rows by heart, and large batches leave it too few steps.
//
// Tried on 19 datasets of package registries, 14 of them in test/bench/own-data.ts: an mlp beat the linear model from 1,000 rows
// on (R² 0.87 against 0.78 on 4,367 rows of prices), but not where names of people and firms made 4 rows a weight (R² 0.39
// linear, −0.02 mlp on 2,089 films). Where no column said 5 % of the label, 15 epochs were worse than no model, 4 better.
import type { JobInput } from '../../common/wire/job/job.ts';
import { figure, percent } from './names.ts';

export type TrainChoice = {
  readonly model: NonNullable<JobInput['model']>;
  readonly train: NonNullable<JobInput['train']>;
  readonly why: string;
};

export type Lesson = {
  /** Rows that have a label, of all three shares. */
  readonly rows: number;
  /** Numbers and values of categories: what the first layer has weights for. */
  readonly inputs: number;
  /** The largest share of the label's variance that one feature's column says; null where unknown. */
  readonly signal: number | null;
};

/** The share that trains: see split.ts. */
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

const LINEAR: Size = {
  from: 0,
  hidden: [],
  batchRows: 32,
  lanes: 4,
  learningRate: 0.01,
  epochs: 30,
};
const SIZES: readonly Size[] = [
  LINEAR,
  { from: 1_000, hidden: [32], batchRows: 64, lanes: 4, learningRate: 0.003, epochs: 20 },
  { from: 5_000, hidden: [32, 16], batchRows: 128, lanes: 8, learningRate: 0.003, epochs: 10 },
  { from: 30_000, hidden: [64, 32], batchRows: 256, lanes: 8, learningRate: 0.003, epochs: 6 },
  { from: 150_000, hidden: [64, 32], batchRows: 1024, lanes: 16, learningRate: 0.002, epochs: 5 },
  {
    from: 1_000_000,
    hidden: [128, 64],
    batchRows: 4096,
    lanes: 32,
    learningRate: 0.002,
    epochs: 3,
  },
];

/** With fewer training rows a weight of its first layer, an mlp learns rows by heart. */
const ROWS_PER_INPUT = 6;
/** Where no column says more, what is learnt in many epochs is chance. */
export const WEAK_SIGNAL = 0.05;
const WEAK_EPOCHS = 1 / 3;
const EPOCHS_MIN = 3;

export function chooseTraining({ rows, inputs, signal }: Lesson): TrainChoice {
  const trained = Math.round(rows * TRAIN_SHARE);
  const bySize = SIZES.findLast(({ from }) => trained >= from)!;
  const isThin = trained < ROWS_PER_INPUT * inputs;
  const isWeak = signal !== null && signal < WEAK_SIGNAL;
  const { hidden, learningRate } = isThin ? LINEAR : bySize;
  const { batchRows, lanes } = bySize;
  const wanted = isThin ? Math.min(LINEAR.epochs, bySize.epochs) : bySize.epochs;
  const epochs = isWeak ? Math.max(EPOCHS_MIN, Math.round(wanted * WEAK_EPOCHS)) : wanted;
  const isLinear = hidden.length === 0;
  const steps = epochs * Math.ceil(trained / batchRows);
  return {
    model: isLinear ? { kind: 'linear' } : { kind: 'mlp', hidden: [...hidden] },
    // the schema's literals are numbers made by a map, which its type does not follow
    train: { optimizer: 'adam', learningRate, batchRows, epochs, lanes: lanes as never },
    why: [
      `${isLinear ? 'linear' : `mlp ${hidden.join('-')}`} for about ${figure(trained)} training rows`,
      ...(isThin && bySize.hidden.length > 0
        ? [`as ${figure(inputs)} weights would learn so few rows by heart in an mlp`]
        : []),
      `each seen ${epochs} times in batches of ${figure(batchRows)}: ${figure(steps)} steps`,
      ...(isWeak ? [`few, as no column says more than ${percent(signal)} of the label`] : []),
    ].join(', '),
  };
}
