// The state of a run with its history: what a round changes, and what a checkpoint keeps.
// In: sums of rounds. Out: weights, losses by epoch, checkpoint bytes.
// Why the history belongs to the state: a joiner must end with the same losses as those who saw every round.
//
//   header: round, history | checkpoint of the state
import type { State, Sum } from '../../../../common/algorithm/algorithm.ts';
import {
  applyStep,
  decodeCheckpoint,
  encodeCheckpoint,
  initState,
  stateDigest,
  type TrainState,
} from '../../../../common/algorithm/gradients.ts';
import { type HeaderFormat, readHeaded, writeHeaded } from '../../../../common/algorithm/header.ts';
import { roundCount, roundPlan } from '../../../../common/algorithm/schedule.ts';
import { summarizeValidation } from '../../../../common/objective/validation.ts';
import type { GradientsProgram, TrainFigures } from '../../../../common/stage/train.ts';

type History = {
  /** Summed over the steps of the epoch under way. */
  lossSum: number;
  weightSum: number;
  /** Of the last step. */
  loss: number;
  readonly epochs: TrainFigures['epochs'][number][];
};

export class Progress implements State {
  readonly #program: GradientsProgram;
  readonly #state: TrainState;
  readonly #history: History;
  /** Rows of a full step; fewer where there are not so many in all. */
  readonly #stepRows: number;
  #round: number;
  #digest: number | undefined;

  private constructor(
    program: GradientsProgram,
    state: TrainState,
    history: History,
    round: number,
  ) {
    this.#program = program;
    this.#state = state;
    this.#history = history;
    const rows = program.laneRows.reduce((sum, n) => sum + n, 0);
    this.#stepRows = Math.min(program.batchRows, rows);
    this.#round = round;
  }

  static fromSeed(program: GradientsProgram): Progress {
    const state = initState(program.parameters, program.optimizer, program.seed);
    return new Progress(program, state, { lossSum: 0, weightSum: 0, loss: 0, epochs: [] }, 0);
  }

  static fromCheckpoint(program: GradientsProgram, bytes: Uint8Array): Progress {
    const { header, rest } = readHeaded<Header>(
      FORMAT,
      bytes,
      ({ round, history }) => Number.isSafeInteger(round) && Array.isArray(history?.epochs),
    );
    const state = decodeCheckpoint(rest, program.parameters, program.optimizer);
    return new Progress(program, state, header.history, header.round);
  }

  get round(): number {
    return this.#round;
  }
  get loss(): number {
    return this.#history.loss;
  }
  get shared(): Float32Array {
    return this.#state.weights;
  }
  get epochs(): TrainFigures['epochs'] {
    return this.#history.epochs;
  }

  digest(): number {
    this.#digest ??= stateDigest(this.#state);
    return this.#digest;
  }

  step(sum: Sum): void {
    const plan = roundPlan(this.#program, this.#round);
    if (plan.kind === 'measure') this.#measure(sum as Float64Array);
    else {
      applyStep(this.#state, sum as Float32Array, this.#stepRows);
      const [loss, weight] = [sum.at(-2)!, sum.at(-1)!];
      this.#history.loss = weight > 0 ? loss / weight : 0;
      this.#history.lossSum += loss;
      this.#history.weightSum += weight;
      this.#digest = undefined;
    }
    this.#round++;
  }

  #measure(sum: Float64Array): void {
    const history = this.#history;
    const { loss: validationLoss, auc } = summarizeValidation(this.#program.label, sum);
    const loss = history.lossSum / history.weightSum;
    history.epochs.push({ loss, validationLoss, validationAuc: auc });
    history.lossSum = 0;
    history.weightSum = 0;
  }

  encode(): Uint8Array {
    const header: Header = { round: this.#round, history: this.#history };
    return writeHeaded(FORMAT, header, [encodeCheckpoint(this.#state)]);
  }

  encodeTrained(): Uint8Array {
    return encodeCheckpoint(this.#state);
  }

  figures(): TrainFigures {
    const rows = this.#program.laneRows.reduce((sum, count) => sum + count, 0);
    return {
      rounds: roundCount(this.#program),
      rows: rows * this.#program.epochs,
      epochs: this.#history.epochs,
    };
  }
}

const FORMAT: HeaderFormat = { magic: 'GMTR', version: 1, what: 'checkpoint of a run' };
type Header = { readonly round: number; readonly history: History };
