// The state of training by gradients: a lane's gradients are its partial, the optimizer is the step.
// In: parameter specs, a seed, sums of gradients. Out: the state, the same bits in every holder.
// Why flat: all parameters lie one after the other in one Float32Array, in spec order, so that sums travel,
// merge and step without ever being taken apart.
//
//   weights  [ parameter 0 | parameter 1 | … ]
//   a sum    [ d_0         | d_1         | … | loss sum | weight sum ]
import { crc32 } from 'node:zlib';
import { GristmillError } from '../errors.ts';
import { canonicalJson } from '../ids.ts';
import { sizeOf } from '../onnx/parameters.ts';
import { Philox } from '../random.ts';
import type { OptimizerSpec, ParameterSpec } from '../stage/train.ts';
import { bytesOf, type HeaderFormat, readHeaded, refuseFormat, writeHeaded } from './header.ts';
import { type Moments, makeMoments, updateWeights } from './optimizer.ts';

/** What every worker of a run holds. Changed in place by applyStep. */
export type TrainState = {
  readonly parameters: readonly ParameterSpec[];
  readonly optimizer: OptimizerSpec;
  /** Steps taken. */
  step: number;
  readonly weights: Float32Array<ArrayBuffer>;
  readonly moments: Moments;
};

export const weightCount = (parameters: readonly ParameterSpec[]): number =>
  parameters.reduce((sum, parameter) => sum + sizeOf(parameter), 0);

/** Numbers in a sum: a gradient a weight, then the loss sum and the weight sum. */
export const sumLength = (parameters: readonly ParameterSpec[]): number =>
  weightCount(parameters) + 2;

/** Where each parameter's numbers lie in the flat array. */
export function placesOf(
  parameters: readonly ParameterSpec[],
): { readonly parameter: ParameterSpec; readonly start: number; readonly end: number }[] {
  let next = 0;
  return parameters.map((parameter) => {
    const start = next;
    next += sizeOf(parameter);
    return { parameter, start, end: next };
  });
}

/** The state before the first step. Each parameter has its own stream of random numbers, keyed by its name. */
export function initState(
  parameters: readonly ParameterSpec[],
  optimizer: OptimizerSpec,
  seed: number,
): TrainState {
  const weights = new Float32Array(weightCount(parameters));
  for (const { parameter, start, end } of placesOf(parameters)) {
    if (parameter.init.kind === 'zero') continue;
    const random = new Philox(seed, 'init', parameter.name);
    const { bound } = parameter.init;
    for (let i = start; i < end; i++) weights[i] = (2 * random.uniform() - 1) * bound;
  }
  return {
    parameters,
    optimizer,
    step: 0,
    weights,
    moments: makeMoments(optimizer, weights.length),
  };
}

/** into = left + right, number by number: the merge of the lane tree. */
export function addGradients(into: Float32Array, left: Float32Array, right: Float32Array): void {
  const whole = into.length - (into.length % 4);
  // Four at a time: V8's float conversions may chain each sum to the one before; 0.12–0.21 ms for 95 k numbers
  // instead of 0.25–0.38 (test/bench/step)
  for (let i = 0; i < whole; i += 4) {
    const a = left[i]! + right[i]!;
    const b = left[i + 1]! + right[i + 1]!;
    const c = left[i + 2]! + right[i + 2]!;
    const d = left[i + 3]! + right[i + 3]!;
    into[i] = a;
    into[i + 1] = b;
    into[i + 2] = c;
    into[i + 3] = d;
  }
  for (let i = whole; i < into.length; i++) into[i] = left[i]! + right[i]!;
}

/**
 * Takes one step: gradients are divided by `stepRows`, the rows of a full step, not by those of this one. An
 * epoch ends when its longest lane does, so its last steps hold a few rows only: divided by their own number,
 * each would move the weights as far as 4,096 rows do (flights: AUC 0.691 and 0.683 so, 0.693 and 0.704 now).
 */
export function applyStep(state: TrainState, sum: Float32Array, stepRows: number): void {
  const count = state.weights.length;
  if (sum.length !== count + 2) {
    throw new GristmillError(
      'INTERNAL',
      `Cannot apply step ${state.step}: sum of ${sum.length} numbers, expected ${count + 2}`,
    );
  }
  const [loss, weight] = [sum[count]!, sum[count + 1]!];
  if (!Number.isFinite(loss) || !Number.isFinite(weight)) throw notFinite(state, `loss ${loss}`);
  if (weight > 0) {
    const finite = updateWeights(state, sum, 1 / stepRows);
    if (!finite) throw notFinite(state, 'a gradient that is not finite');
  }
  state.step += 1;
}

/** CRC-32 of weights: holders that differ stop the run. */
export const stateDigest = (state: TrainState): number => crc32(bytesOf(state.weights));

const notFinite = (state: TrainState, found: string): GristmillError =>
  new GristmillError(
    'NONFINITE_LOSS',
    `Cannot apply step ${state.step}: ${found}, expected finite numbers`,
  );

// Checkpoints. The same state gives the same bytes; reading checks every length.
//
//   header (header.ts) | weights | moments, float32

const FORMAT: HeaderFormat = { magic: 'GMCK', version: 1, what: 'checkpoint' };

type Header = {
  readonly formatVersion: 1;
  readonly step: number;
  readonly optimizer: OptimizerSpec;
  /** Name and shape in order: a checkpoint of another model is refused. */
  readonly parameters: readonly (readonly [name: string, shape: readonly number[]])[];
  /** β1 and β2 to the power of the steps; JSON keeps a double exactly. */
  readonly powers: readonly number[];
};

export const encodeCheckpoint = (state: TrainState): Uint8Array<ArrayBuffer> =>
  writeHeaded(FORMAT, headerOf(state), [state.weights, ...arraysOf(state.moments)]);

/** Reads a checkpoint of exactly these parameters and this optimizer. */
export function decodeCheckpoint(
  bytes: Uint8Array,
  parameters: readonly ParameterSpec[],
  optimizer: OptimizerSpec,
): TrainState {
  const { header, rest } = readHeaded<Header>(
    FORMAT,
    bytes,
    ({ step, powers }) => Number.isSafeInteger(step) && Array.isArray(powers),
  );
  const state = initState(parameters.map(withoutValues), optimizer, 0);
  const expected = headerOf({ ...state, step: header.step });
  if (canonicalJson({ ...expected, powers: header.powers }) !== canonicalJson(header)) {
    throw refuseFormat(FORMAT, 'another model or optimizer', 'the one of this run');
  }
  const arrays = [state.weights, ...arraysOf(state.moments)];
  const length = 4 * state.weights.length * arrays.length;
  if (rest.byteLength !== length) {
    throw refuseFormat(FORMAT, `${rest.byteLength} bytes of numbers`, `${length}`);
  }
  let at = 0;
  for (const array of arrays) {
    bytesOf(array).set(rest.subarray(at, at + array.byteLength));
    at += array.byteLength;
  }
  const { moments } = state;
  if (moments.kind === 'adam') [moments.power1, moments.power2] = header.powers as [number, number];
  return { ...state, parameters, step: header.step };
}

/** The trained values by name, for withParameters: views into the state. */
export function parametersOf(state: TrainState): Record<string, Float32Array> {
  const named = placesOf(state.parameters).map(
    ({ parameter, start, end }) => [parameter.name, state.weights.subarray(start, end)] as const,
  );
  return Object.fromEntries(named);
}

function headerOf({ step, optimizer, parameters, moments }: TrainState): Header {
  return {
    formatVersion: 1,
    step,
    optimizer,
    parameters: parameters.map(({ name, shape }) => [name, shape]),
    powers: moments.kind === 'adam' ? [moments.power1, moments.power2] : [],
  };
}

const arraysOf = (moments: Moments): Float32Array[] =>
  moments.kind === 'adam' ? [moments.first, moments.second] : [moments.velocity];

/** Zeros instead of random numbers: they are overwritten. */
const withoutValues = (spec: ParameterSpec): ParameterSpec => ({ ...spec, init: { kind: 'zero' } });
