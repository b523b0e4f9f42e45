// Training as an Algorithm: a lane's gradients are its partial, the optimizer is the step.
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
import type { OptimizerSpec, ParameterSpec } from '../wire/program.ts';
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

/** left += right, number by number: the merge of the lane tree. */
export function addInto(left: Float32Array, right: Float32Array): Float32Array {
  const whole = left.length - (left.length % 4);
  // Four at a time: V8's float conversions may chain each sum to the one before, 0.4–0.7 ms for 95 k numbers
  // by the luck of register allocation; so it is 0.1 ms in every run (test/bench/step)
  for (let i = 0; i < whole; i += 4) {
    const a = left[i]! + right[i]!;
    const b = left[i + 1]! + right[i + 1]!;
    const c = left[i + 2]! + right[i + 2]!;
    const d = left[i + 3]! + right[i + 3]!;
    left[i] = a;
    left[i + 1] = b;
    left[i + 2] = c;
    left[i + 3] = d;
  }
  for (let i = whole; i < left.length; i++) left[i]! += right[i]!;
  return left;
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
//   "GMCK" | header length u32 | header JSON, padded with spaces to 8 | weights | moments, float32 little-endian

const MAGIC = 'GMCK';
const FORMAT_VERSION = 1;

type Header = {
  readonly formatVersion: number;
  readonly step: number;
  readonly optimizer: OptimizerSpec;
  /** Name and shape in order: a checkpoint of another model is refused. */
  readonly parameters: readonly (readonly [name: string, shape: readonly number[]])[];
  /** β1 and β2 to the power of the steps; JSON keeps a double exactly. */
  readonly powers: readonly number[];
};

export function encodeCheckpoint(state: TrainState): Uint8Array<ArrayBuffer> {
  const header = new TextEncoder().encode(canonicalJson(headerOf(state)));
  const headerBytes = Math.ceil((8 + header.byteLength) / 8) * 8 - 8;
  const arrays = [state.weights, ...arraysOf(state.moments)];
  const bytes = new Uint8Array(8 + headerBytes + 4 * state.weights.length * arrays.length);
  bytes.set(new TextEncoder().encode(MAGIC));
  new DataView(bytes.buffer).setUint32(4, headerBytes, true);
  bytes.fill(0x20, 8, 8 + headerBytes);
  bytes.set(header, 8);
  let at = 8 + headerBytes;
  for (const array of arrays) {
    bytes.set(bytesOf(array), at);
    at += array.byteLength;
  }
  return bytes;
}

/** Reads a checkpoint of exactly these parameters and this optimizer. */
export function decodeCheckpoint(
  bytes: Uint8Array,
  parameters: readonly ParameterSpec[],
  optimizer: OptimizerSpec,
): TrainState {
  const { header, rest } = readHeader(bytes);
  const state = initState(parameters.map(withoutValues), optimizer, 0);
  const expected = headerOf({ ...state, step: header.step });
  if (canonicalJson({ ...expected, powers: header.powers }) !== canonicalJson(header)) {
    throw refuse('another model or optimizer', 'the one of this run');
  }
  const arrays = [state.weights, ...arraysOf(state.moments)];
  const length = 4 * state.weights.length * arrays.length;
  if (rest.byteLength !== length) throw refuse(`${rest.byteLength} bytes of numbers`, `${length}`);
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
    formatVersion: FORMAT_VERSION,
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

function readHeader(bytes: Uint8Array): { header: Header; rest: Uint8Array } {
  const magic = new TextDecoder().decode(bytes.subarray(0, 4));
  if (bytes.byteLength < 8 || magic !== MAGIC) {
    throw refuse(`the beginning ${JSON.stringify(magic)}`, MAGIC);
  }
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(4, true);
  if (8 + length > bytes.byteLength) throw refuse(`a header of ${length} bytes`, 'a shorter one');
  const header = parseHeader(bytes.subarray(8, 8 + length));
  if (header.formatVersion !== FORMAT_VERSION) {
    throw refuse(`format version ${header.formatVersion}`, `${FORMAT_VERSION}`);
  }
  return { header, rest: bytes.subarray(8 + length) };
}

function parseHeader(bytes: Uint8Array): Header {
  let header: Partial<Header> | null;
  try {
    header = JSON.parse(new TextDecoder().decode(bytes)) as Partial<Header> | null;
  } catch (cause) {
    throw refuse('a header that is no JSON', 'one', cause);
  }
  const sound = Number.isSafeInteger(header?.step) && Array.isArray(header?.powers);
  if (!sound) throw refuse('a header without step or powers', 'both');
  return header as Header;
}

const refuse = (found: string, expected: string, cause?: unknown): GristmillError =>
  new GristmillError(
    'FORMAT_UNKNOWN',
    `Cannot read checkpoint: it has ${found}, expected ${expected}`,
    { cause },
  );

const bytesOf = (view: ArrayBufferView): Uint8Array =>
  new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
