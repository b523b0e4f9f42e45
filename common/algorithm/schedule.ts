// The rounds of training by gradients: which of them step and which measure, and which rows a step takes.
// In: a program of gradients. Out: round numbers and row ranges, the same for whoever asks.
//
//   epoch 0: step 0 … steps−1, measure · epoch 1: step 0 … steps−1, measure · …      rounds 0 … R−1
import { LIMITS } from '../limits.ts';
import type { GradientsProgram } from '../stage/train.ts';
import type { Schedule } from './algorithm.ts';

export const gradientSchedule = (program: GradientsProgram): Schedule => ({
  rounds: roundCount(program),
  isKept: (round) => isKeptRound(program, round),
  rowsBefore: (round) => rowsBefore(program, round),
  epochsBefore: (round) => roundPlan(program, round).epoch,
});

type Scheduled = Pick<GradientsProgram, 'steps' | 'epochs'>;

export type RoundPlan =
  | { readonly kind: 'step'; readonly epoch: number; readonly step: number }
  /** Validation partials; the state stays as it is. */
  | { readonly kind: 'measure'; readonly epoch: number };

export const roundCount = ({ steps, epochs }: Scheduled): number => epochs * (steps + 1);

export function roundPlan({ steps }: Scheduled, round: number): RoundPlan {
  const epoch = Math.floor(round / (steps + 1));
  const step = round % (steps + 1);
  return step === steps ? { kind: 'measure', epoch } : { kind: 'step', epoch, step };
}

/** Whether the state before `round` is kept in the store, whoever asks: at times, after epochs, at the end. */
export const isKeptRound = ({ steps }: Scheduled, round: number): boolean =>
  round > 0 && (round % LIMITS.checkpointRounds === 0 || round % (steps + 1) === 0);

type Batched = Pick<GradientsProgram, 'batchRows' | 'lanes'>;

/** A batch of 1 gives other bits. */
export const LANE_BATCH_ROWS_MIN = 2;

/** Rows of a lane in one call of its graphs: the one shape they run in. */
export const laneBatchRows = ({ batchRows, lanes }: Batched): number =>
  Math.max(LANE_BATCH_ROWS_MIN, Math.ceil(batchRows / lanes));

/** The places in a lane's epoch order that a step takes: [start, end). */
export function stepRows(
  { batchRows, lanes }: Batched,
  step: number,
  laneRows: number,
): { start: number; end: number } {
  const place = (at: number): number => Math.min(laneRows, Math.floor((at * batchRows) / lanes));
  return { start: place(step), end: place(step + 1) };
}

/** Training rows that all lanes together have taken before `round`. */
export function rowsBefore(program: GradientsProgram, round: number): number {
  const { epoch, step } = { step: program.steps, ...roundPlan(program, round) };
  const total = program.laneRows.reduce((sum, rows) => sum + rows, 0);
  const taken = program.laneRows.map((rows) => stepRows(program, step, rows).start);
  return epoch * total + taken.reduce((sum, rows) => sum + rows, 0);
}
