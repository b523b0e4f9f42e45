// The state of a run with its history: what a round changes, and what a checkpoint keeps.
// In: sums of rounds. Out: weights, losses by epoch, checkpoint bytes.
// Why the history belongs to the state: a joiner must end with the same losses as those who saw every round.
//
//   "GMTR" | header length u32 LE | header JSON, padded with spaces to 8 | checkpoint of the state
import {
  applyStep,
  decodeCheckpoint,
  encodeCheckpoint,
  initState,
  stateDigest,
  type TrainState,
} from '../../common/algorithm/gradients.ts';
import { roundCount, roundPlan } from '../../common/algorithm/schedule.ts';
import { summarizeValidation } from '../../common/algorithm/validation.ts';
import { GristmillError } from '../../common/errors.ts';
import { canonicalJson } from '../../common/ids.ts';
import type { TrainProgram, TrainResult } from '../../common/wire/program.ts';
import type { SumArray } from '../rounds/encode.ts';

type History = {
  /** Summed over the steps of the epoch under way. */
  lossSum: number;
  weightSum: number;
  /** Of the last step. */
  loss: number;
  readonly epochs: TrainResult['epochs'][number][];
};

export class Progress {
  readonly #program: TrainProgram;
  readonly #state: TrainState;
  readonly #history: History;
  /** Rows of a full step; fewer where there are not so many in all. */
  readonly #stepRows: number;
  #round: number;
  #digest: number | undefined;

  private constructor(program: TrainProgram, state: TrainState, history: History, round: number) {
    this.#program = program;
    this.#state = state;
    this.#history = history;
    const rows = program.laneRows.reduce((sum, n) => sum + n, 0);
    this.#stepRows = Math.min(program.batchRows, rows);
    this.#round = round;
  }

  static fromSeed(program: TrainProgram): Progress {
    const state = initState(program.parameters, program.optimizer, program.seed);
    return new Progress(program, state, { lossSum: 0, weightSum: 0, loss: 0, epochs: [] }, 0);
  }

  static fromCheckpoint(program: TrainProgram, bytes: Uint8Array): Progress {
    const { header, rest } = readHeader(bytes);
    const state = decodeCheckpoint(rest, program.parameters, program.optimizer);
    return new Progress(program, state, header.history, header.round);
  }

  /** The state stands before this round. */
  get round(): number {
    return this.#round;
  }
  get loss(): number {
    return this.#history.loss;
  }
  get weights(): Float32Array {
    return this.#state.weights;
  }

  digest(): number {
    this.#digest ??= stateDigest(this.#state);
    return this.#digest;
  }

  step(sum: SumArray): void {
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

  /** What a worker needs to go on from here. */
  encode(): Uint8Array {
    const header = { formatVersion: FORMAT_VERSION, round: this.#round, history: this.#history };
    return withHeader(header, encodeCheckpoint(this.#state));
  }

  /** The trained state alone. */
  encodeState(): Uint8Array {
    return encodeCheckpoint(this.#state);
  }

  result(): Omit<TrainResult, 'checkpoint'> {
    const rows = this.#program.laneRows.reduce((sum, count) => sum + count, 0);
    return {
      rounds: roundCount(this.#program),
      rows: rows * this.#program.epochs,
      epochs: this.#history.epochs,
    };
  }
}

const MAGIC = 'GMTR';
const FORMAT_VERSION = 1;
type Header = { readonly formatVersion: number; readonly round: number; readonly history: History };

function withHeader(header: Header, state: Uint8Array): Uint8Array {
  const text = new TextEncoder().encode(canonicalJson(header));
  const headerBytes = Math.ceil((8 + text.byteLength) / 8) * 8 - 8;
  const bytes = new Uint8Array(8 + headerBytes + state.byteLength);
  bytes.set(new TextEncoder().encode(MAGIC));
  new DataView(bytes.buffer).setUint32(4, headerBytes, true);
  bytes.fill(0x20, 8, 8 + headerBytes);
  bytes.set(text, 8);
  bytes.set(state, 8 + headerBytes);
  return bytes;
}

function readHeader(bytes: Uint8Array): { header: Header; rest: Uint8Array } {
  const magic = new TextDecoder().decode(bytes.subarray(0, 4));
  if (bytes.byteLength < 8 || magic !== MAGIC) throw refuse(JSON.stringify(magic), MAGIC);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true);
  const text = new TextDecoder().decode(bytes.subarray(8, 8 + length));
  const header = JSON.parse(text) as Header;
  if (header.formatVersion !== FORMAT_VERSION) {
    throw refuse(`format version ${header.formatVersion}`, `${FORMAT_VERSION}`);
  }
  return { header, rest: bytes.subarray(8 + length) };
}

const refuse = (found: string, expected: string): GristmillError =>
  new GristmillError(
    'FORMAT_UNKNOWN',
    `Cannot read checkpoint of a run: it begins with ${found}, expected ${expected}`,
  );
