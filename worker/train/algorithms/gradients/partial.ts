// What a thread contributes to a round: the partials of its lanes, added up along the tree.
// In: lanes' rows, weights, a round. Out: the sum of a node, in place.
// Why one call a lane: its rows have one fixed shape and its sum the same bits, whoever computes it and with
// how many other lanes; 32 calls of 128 rows take no longer than one of 4,096.
import type { Partials } from '../../../../common/algorithm/algorithm.ts';
import { placesOf, weightCount } from '../../../../common/algorithm/gradients.ts';
import { epochOrder } from '../../../../common/algorithm/order.ts';
import {
  laneBatchRows,
  type RoundPlan,
  roundPlan,
  stepRows,
} from '../../../../common/algorithm/schedule.ts';
import { type FeedTensor, openSession, type Session } from '../../../../common/engine/onnx.ts';
import { GristmillError } from '../../../../common/errors.ts';
import { OBJECTIVES } from '../../../../common/objective/objectives.ts';
import { addValidation, validationPartial } from '../../../../common/objective/validation.ts';
import type { GradientsProgram } from '../../../../common/stage/train.ts';
import type { LaneRows, Rows } from '../../rows.ts';
import { type Arena, makeArena } from '../../simd.ts';

type Step = Extract<RoundPlan, { kind: 'step' }>;

export class GradientPartials implements Partials<LaneRows> {
  readonly #program: GradientsProgram;
  readonly #rows: Map<number, LaneRows> = new Map();
  readonly #stepSession: Session;
  readonly #forwardSession: Session;
  readonly #weights: Float32Array<ArrayBuffer>;
  readonly #batch: Batch;
  /** A stack of sums: one a level of the tree, and one for the lane under way. */
  readonly #arena: Arena;
  readonly #outputs: readonly Readonly<Record<string, FeedTensor>>[];
  readonly #orders = new Map<number, { readonly epoch: number; readonly order: Uint32Array }>();

  constructor(program: GradientsProgram, sessions: { step: Session; forward: Session }) {
    this.#program = program;
    this.#stepSession = sessions.step;
    this.#forwardSession = sessions.forward;
    const count = weightCount(program.parameters);
    this.#weights = new Float32Array(count);
    this.#batch = new Batch(program, this.#weights);
    this.#arena = makeArena(count + 2, Math.log2(program.lanes) + 2);
    this.#outputs = this.#arena.slots.map((slot) => outputsIn(program, slot));
  }

  get lanes(): readonly number[] {
    return [...this.#rows.keys()];
  }
  hold(loaded: ReadonlyMap<number, LaneRows>, keep: readonly number[]): void {
    for (const lane of this.lanes) {
      if (!keep.includes(lane)) this.#rows.delete(lane);
      if (!keep.includes(lane)) this.#orders.delete(lane);
    }
    for (const [lane, rows] of loaded) this.#rows.set(lane, rows);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stepSession[Symbol.asyncDispose]();
    await this.#forwardSession[Symbol.asyncDispose]();
  }

  share(weights: Float32Array): void {
    this.#weights.set(weights); // ONNX Runtime refuses shared memory
  }

  async sumInto(node: number, round: number, target: SharedArrayBuffer): Promise<void> {
    const plan = roundPlan(this.#program, round);
    if (plan.kind === 'step') {
      await this.#addStep(node, plan, 0);
      new Float32Array(target).set(this.#arena.slots[0]!);
    } else new Float64Array(target).set(await this.#addValidation(node));
  }

  /** The sum of `node` into slot `depth`: the left half there, the right half above it. */
  async #addStep(node: number, plan: Step, depth: number): Promise<void> {
    if (node >= this.#program.lanes) {
      await this.#stepLane(node - this.#program.lanes, plan, depth);
      return;
    }
    await this.#addStep(2 * node, plan, depth);
    await this.#addStep(2 * node + 1, plan, depth + 1);
    this.#arena.add(depth, depth + 1);
  }

  async #stepLane(lane: number, { epoch, step }: Step, depth: number): Promise<void> {
    const { train } = this.#held(lane);
    const { start, end } = stepRows(this.#program, step, train.count);
    const slot = this.#arena.slots[depth]!;
    if (start === end) {
      slot.fill(0);
      return;
    }
    this.#batch.fill(train, this.#order(lane, epoch, train.count).subarray(start, end));
    await this.#stepSession.run(this.#batch.stepFeeds, this.#outputs[depth]!);
    slot[slot.length - 1] = end - start;
  }

  #order(lane: number, epoch: number, rows: number): Uint32Array {
    const known = this.#orders.get(lane);
    if (known?.epoch === epoch) return known.order;
    const order = epochOrder({ seed: this.#program.seed, epoch, lane, rows });
    this.#orders.set(lane, { epoch, order });
    return order;
  }

  async #addValidation(node: number): Promise<Float64Array> {
    if (node >= this.#program.lanes) return this.#validateLane(node - this.#program.lanes);
    const left = await this.#addValidation(2 * node);
    addValidation(left, left, await this.#addValidation(2 * node + 1));
    return left;
  }

  async #validateLane(lane: number): Promise<Float64Array> {
    const { validation: rows } = this.#held(lane);
    const { width } = OBJECTIVES[this.#program.label];
    const scores = new Float32Array(rows.count * width);
    for (let start = 0; start < rows.count; start += this.#batch.rows) {
      const count = Math.min(this.#batch.rows, rows.count - start);
      this.#batch.fill(
        rows,
        Uint32Array.from({ length: count }, (_, i) => start + i),
      );
      const { prediction } = await this.#forwardSession.run(this.#batch.forwardFeeds);
      scores.set((prediction!.data as Float32Array).subarray(0, count * width), start * width);
    }
    const labels = rows.labels.subarray(0, rows.count);
    return validationPartial(this.#program.label, { scores, labels });
  }

  #held(lane: number): LaneRows {
    const rows = this.#rows.get(lane);
    if (rows) return rows;
    throw new GristmillError('INTERNAL', `Cannot compute lane ${lane}: its rows are not loaded`);
  }
}

export async function openPartials(program: GradientsProgram): Promise<GradientPartials> {
  const step = await openSession(Buffer.from(program.stepGraph, 'base64'));
  const forward = await openSession(Buffer.from(program.forwardGraph, 'base64'));
  return new GradientPartials(program, { step, forward });
}

/** Where the step graph writes: every gradient at its place of the sum, the loss behind them. */
function outputsIn(
  { parameters }: GradientsProgram,
  slot: Float32Array<ArrayBuffer>,
): Record<string, FeedTensor> {
  const gradients = placesOf(parameters).map(({ parameter, start, end }) => {
    const data = slot.subarray(start, end);
    return [`d_${parameter.name}`, { type: 'float', dims: parameter.shape, data }] as const;
  });
  const loss = slot.subarray(slot.length - 2, slot.length - 1);
  return { loss: { type: 'float', dims: [], data: loss }, ...Object.fromEntries(gradients) };
}

/** The inputs of both graphs, filled again for every call. Rows past the end have weight 0. */
class Batch {
  readonly rows: number;
  readonly stepFeeds: Readonly<Record<string, FeedTensor>>;
  readonly forwardFeeds: Readonly<Record<string, FeedTensor>>;
  /** The low halves of the int64 codes: a BigInt a value would cost more than the graph. */
  readonly #codes: Int32Array;
  readonly #numbers: Float32Array;
  readonly #labels: Float32Array;
  readonly #weights: Float32Array;

  constructor(program: GradientsProgram, parameters: Float32Array<ArrayBuffer>) {
    const { codes, numbers } = program.load;
    const rows = laneBatchRows(program);
    const wide = new BigInt64Array(rows * codes.length);
    this.rows = rows;
    this.#codes = new Int32Array(wide.buffer);
    this.#numbers = new Float32Array(rows * numbers.length);
    this.#labels = new Float32Array(rows);
    this.#weights = new Float32Array(rows);
    const float = (data: Float32Array, dims: readonly number[]): FeedTensor => ({
      type: 'float',
      dims,
      data,
    });
    const values = placesOf(program.parameters).map(
      ({ parameter, start, end }) =>
        [parameter.name, float(parameters.subarray(start, end), parameter.shape)] as const,
    );
    this.forwardFeeds = {
      ...(codes.length > 0
        ? { codes: { type: 'int64', dims: [rows, codes.length], data: wide } }
        : {}),
      ...(numbers.length > 0 ? { numbers: float(this.#numbers, [rows, numbers.length]) } : {}),
      ...Object.fromEntries(values),
    };
    this.stepFeeds = {
      ...this.forwardFeeds,
      label: float(this.#labels, [rows]),
      weight: float(this.#weights, [rows]),
    };
  }

  fill(from: Rows, places: Uint32Array): void {
    const { codeCount, numberCount } = from;
    for (let i = 0; i < places.length; i++) {
      const row = places[i]!;
      for (let c = 0; c < codeCount; c++) {
        this.#codes[2 * (i * codeCount + c)] = from.codes[row * codeCount + c]!;
      }
      for (let d = 0; d < numberCount; d++) {
        this.#numbers[i * numberCount + d] = from.numbers[row * numberCount + d]!;
      }
      this.#labels[i] = from.labels[row]!;
    }
    this.#codes.fill(0, 2 * places.length * codeCount);
    this.#numbers.fill(0, places.length * numberCount);
    this.#labels.fill(0, places.length);
    this.#weights.fill(1, 0, places.length);
    this.#weights.fill(0, places.length);
  }
}
