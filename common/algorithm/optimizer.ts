// Adam and SGD over flat weights.
// In: a state, a summed gradient. Out: the state moved by one step, in place.
// Same bits everywhere: float64 arithmetic of + − × ÷ √ alone, which IEEE 754 fixes to the last bit, each result
// rounded once to float32. Math.pow and Math.exp may differ between engines, so powers are running products.
//
// Tables are lazy per row: a row whose summed gradient is all zero was in no row of data, and neither its
// weights nor its moments move. A dense layer's moments decay in every step.
import { sizeOf } from '../onnx/parameters.ts';
import type { OptimizerSpec, ParameterSpec } from '../stage/train.ts';

export type Moments =
  | {
      readonly kind: 'adam';
      readonly first: Float32Array<ArrayBuffer>;
      readonly second: Float32Array<ArrayBuffer>;
      /** β1 and β2 to the power of steps taken. */
      power1: number;
      power2: number;
    }
  | { readonly kind: 'sgd'; readonly velocity: Float32Array<ArrayBuffer> };

export const ADAM = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 } as const; // as in the paper

export function makeMoments(optimizer: OptimizerSpec, count: number): Moments {
  if (optimizer.kind === 'sgd') return { kind: 'sgd', velocity: new Float32Array(count) };
  return {
    kind: 'adam',
    first: new Float32Array(count),
    second: new Float32Array(count),
    power1: 1,
    power2: 1,
  };
}

type Trained = {
  readonly parameters: readonly ParameterSpec[];
  readonly optimizer: OptimizerSpec;
  readonly weights: Float32Array;
  readonly moments: Moments;
};

/** Moves every weight by gradient `sum · scale`. False where a result was not finite: the state is then spoilt. */
export function updateWeights(state: Trained, sum: Float32Array, scale: number): boolean {
  const update = prepareUpdate(state, sum, scale);
  let start = 0;
  let finite = true;
  for (const parameter of state.parameters) {
    const end = start + sizeOf(parameter);
    const stride = parameter.table ? sizeOf(parameter) / parameter.shape[0]! : end - start;
    for (let from = start; from < end; from += stride) {
      if (parameter.table && isAbsent(sum, from, from + stride)) continue;
      finite = update(from, from + stride) && finite;
    }
    start = end;
  }
  return finite;
}

/** The rule of this step for the weights [from, to). */
function prepareUpdate(
  { optimizer, moments, weights }: Trained,
  sum: Float32Array,
  scale: number,
): (from: number, to: number) => boolean {
  const rate = optimizer.learningRate;
  if (moments.kind === 'sgd') {
    const momentum = optimizer.kind === 'sgd' ? optimizer.momentum : 0;
    const rule = { rate, momentum, scale };
    return (from, to) => updateSgd(weights, moments.velocity, sum, rule, from, to);
  }
  moments.power1 *= ADAM.beta1;
  moments.power2 *= ADAM.beta2;
  // lr·(m/c1) / (√(v/c2) + ε), multiplied by √c2: one division a weight instead of three
  const correction = Math.sqrt(1 - moments.power2);
  const rule = {
    rate: (rate * correction) / (1 - moments.power1),
    epsilon: ADAM.epsilon * correction,
    scale,
  };
  return (from, to) => updateAdam(weights, moments.first, moments.second, sum, rule, from, to);
}

function isAbsent(sum: Float32Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (sum[i] !== 0) return false;
  return true;
}

/** v = μ·v + g; w = w − rate·v */
function updateSgd(
  weights: Float32Array,
  velocity: Float32Array,
  sum: Float32Array,
  rule: { readonly rate: number; readonly momentum: number; readonly scale: number },
  from: number,
  to: number,
): boolean {
  const { rate, momentum, scale } = rule;
  let finite = true;
  for (let i = from; i < to; i++) {
    const v = momentum * velocity[i]! + sum[i]! * scale;
    const w = weights[i]! - rate * v;
    velocity[i] = v;
    weights[i] = w;
    if (!(Math.abs(w) < FLOAT_MAX && Math.abs(v) < FLOAT_MAX)) finite = false;
  }
  return finite;
}

/** m = β1·m + (1−β1)·g; v = β2·v + (1−β2)·g²; w = w − rate·m/(√v + ε) */
function updateAdam(
  weights: Float32Array,
  first: Float32Array,
  second: Float32Array,
  sum: Float32Array,
  rule: { readonly rate: number; readonly epsilon: number; readonly scale: number },
  from: number,
  to: number,
): boolean {
  const { rate, epsilon, scale } = rule;
  const { beta1, beta2 } = ADAM;
  const [rest1, rest2] = [1 - beta1, 1 - beta2];
  let finite = true;
  for (let i = from; i < to; i++) {
    const g = sum[i]! * scale;
    const m = beta1 * first[i]! + rest1 * g;
    const v = beta2 * second[i]! + rest2 * (g * g);
    const w = weights[i]! - (rate * m) / (Math.sqrt(v) + epsilon);
    first[i] = m;
    second[i] = v;
    weights[i] = w;
    if (!(v < FLOAT_MAX)) finite = false; // a bad g shows in v; the step itself is bounded
  }
  return finite;
}

/** Above this a float32 is infinite. */
const FLOAT_MAX = 3.4028234e38;
