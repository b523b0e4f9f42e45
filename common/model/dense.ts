// Dense layers over categories and numbers: what linear models and perceptrons have in common.
// In: the widths of the layers. Out: their parameters; the nodes from the model's inputs to the last layer.
//
//   codes [n,C] ─ + offsets ─ Gather rows of `categories` [V,H] ─ ReduceSum over C ─┐
//   numbers [n,D] ──────────── MatMul dense_0 [D,H] ───────────────────────────────┴ Add ─ + bias_0 [H]
//      ─ Relu ─ MatMul dense_1 + bias_1 ─ Relu ─ … ─ dense_k [·,outputs] + bias_k
//
// One table for all categories: a row is what a one-hot column would have in the first layer, and
// Gather + sum is that product without the zeros.
import { type GraphBuilder, int } from '../onnx/build.ts';
import type { ParameterSpec } from '../stage/train.ts';
import type { Widths } from './model.ts';

type Init = ParameterSpec['init'];
export type Starts = {
  /** By the inputs of a layer that are not zero: a category counts once. */
  readonly dense: (fanIn: number) => Init;
  /** Rows of the table. */
  readonly category: Init;
};

/** In the order of the layers. */
export function layerParameters(
  layers: readonly number[],
  { codeSizes, numbers }: Widths,
  starts: Starts,
): ParameterSpec[] {
  const rows = codeSizes.reduce((sum, size) => sum + size, 0);
  const parameters: ParameterSpec[] = [];
  let fanIn = codeSizes.length + numbers;
  for (const [layer, width] of layers.entries()) {
    const init = starts.dense(fanIn);
    const dense = (inputs: number): ParameterSpec => ({
      name: `dense_${layer}`,
      shape: [inputs, width],
      table: false,
      init,
    });
    if (layer > 0) parameters.push(dense(fanIn));
    if (layer === 0 && rows > 0)
      parameters.push({
        name: 'categories',
        shape: [rows, width],
        table: true,
        init: starts.category,
      });
    if (layer === 0 && numbers > 0) parameters.push(dense(numbers));
    parameters.push({ name: `bias_${layer}`, shape: [width], table: false, init: ZERO });
    fanIn = width;
  }
  return parameters;
}

export const ZERO: Init = { kind: 'zero' };

/** Appends everything up to the last of `layers` layers; Relu between them. */
export function writeLayers(
  b: GraphBuilder,
  layers: number,
  { codeSizes, numbers }: Widths,
): string {
  const summands: string[] = [];
  if (codeSizes.length > 0) {
    const rows = b.node('Add', ['codes', b.int64(offsetsOf(codeSizes))], { name: 'rows' });
    const picked = b.node('Gather', ['categories', rows], { name: 'picked' });
    const attributes = { keepdims: int(0) };
    summands.push(b.node('ReduceSum', [picked, b.int64([1])], { name: 'summed', attributes }));
  }
  if (numbers > 0) summands.push(b.node('MatMul', ['numbers', 'dense_0'], { name: 'weighed' }));
  let x = b.node('Add', [summands.reduce((a, c) => b.node('Add', [a, c])), 'bias_0']);
  for (let layer = 1; layer < layers; layer++) {
    const active = b.node('Relu', [x], { name: `active_${layer}` });
    x = b.node('Gemm', [active, `dense_${layer}`, `bias_${layer}`], { name: `layer_${layer}` });
  }
  return x;
}

/** Where each feature's rows begin in the common table. */
function offsetsOf(sizes: readonly number[]): number[] {
  let next = 0;
  return sizes.map((size) => {
    next += size;
    return next - size;
  });
}
