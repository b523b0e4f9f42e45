// The trainable part of a model: from codes and numbers to a prediction, and to a loss with gradients.
// In: a model spec and the widths of its inputs. Out: parameters, the forward graph and the step graph.
// The score is written once, here; backward.ts derives the gradients.
//
//   codes [n,C] ─ + offsets ─ Gather rows of `categories` [V,H] ─ ReduceSum over C ─┐
//   numbers [n,D] ──────────── MatMul dense_0 [D,H] ───────────────────────────────┴ Add ─ + bias_0 [H]
//      ─ Relu ─ MatMul dense_1 + bias_1 ─ Relu ─ … ─ dense_k [·,1] + bias_k ─ Squeeze ─ score [n]
//
// What a score is, and the loss of it, is the objective's: common/objective. Where a prediction is k numbers wide, so
// is the last layer, and nothing is squeezed.
//
// One table for all categories: a row is what a one-hot column would have in the first layer, and
// Gather + sum is that product without the zeros. `linear` is the same with H = 1 and no Relu.
import { GristmillError } from '../../common/errors.ts';
import { type LabelScale, UNSCALED } from '../../common/objective/objective.ts';
import { type LabelKind, OBJECTIVES } from '../../common/objective/objectives.ts';
import { GraphBuilder, int } from '../../common/onnx/build.ts';
import type { Graph } from '../../common/onnx/graph.ts';
import type { ModelSpec } from '../../common/wire/job/training.ts';
import type { ParameterSpec } from '../../common/wire/program.ts';
import { addGradients } from './backward.ts';
import { verifyGraph } from './verify.ts';

export type ModelInputs = {
  /** Codes a category feature can have, in model order. */
  readonly codeSizes: readonly number[];
  /** Numeric features. */
  readonly numbers: number;
  readonly label: LabelKind;
  /** Regression: mean and deviation of the training labels. Absent: 0 and 1. */
  readonly labelScale?: LabelScale;
};

export type Model = {
  readonly parameters: ParameterSpec[];
  /** codes, numbers, parameters → prediction, [n] or [n, width]. */
  readonly forward: Graph;
  /** The same with label and weight → loss [] and d_<parameter>. */
  readonly step: Graph;
};

export function buildModel(spec: ModelSpec, inputs: ModelInputs): Model {
  const { width } = OBJECTIVES[inputs.label];
  const widths = spec.kind === 'linear' ? [width] : [...spec.hidden, width];
  const parameters = listParameters(spec, widths, inputs);
  return {
    parameters,
    forward: writeForward(spec.kind, parameters, inputs),
    step: writeStep(spec.kind, parameters, inputs),
  };
}

/**
 * Starting values. Biases: zero. Dense layers: uniform within √(6 / fan-in) (He), fan-in being the inputs that are
 * not zero: a category counts once. Rows of the table: uniform within 0.05·√3, a deviation of 0.05, small because a
 * rare category keeps much of what it started with. A linear model is convex and starts at zero.
 */
function listParameters(
  spec: ModelSpec,
  widths: readonly number[],
  { codeSizes, numbers }: ModelInputs,
): ParameterSpec[] {
  if (codeSizes.length === 0 && numbers === 0) {
    throw new GristmillError('SPEC_INVALID', 'Cannot build model: 0 features, expected at least 1');
  }
  const parameters: ParameterSpec[] = [];
  const uniform = (bound: number): ParameterSpec['init'] =>
    spec.kind === 'linear' ? { kind: 'zero' } : { kind: 'uniform', bound };
  const rows = codeSizes.reduce((sum, size) => sum + size, 0);
  let fanIn = codeSizes.length + numbers;
  for (const [layer, width] of widths.entries()) {
    const he = uniform(Math.sqrt(6 / fanIn));
    const dense = (inputs: number): ParameterSpec => ({
      name: `dense_${layer}`,
      shape: [inputs, width],
      table: false,
      init: he,
    });
    if (layer > 0) parameters.push(dense(fanIn));
    if (layer === 0 && rows > 0) {
      const init = uniform(0.05 * Math.sqrt(3));
      parameters.push({ name: 'categories', shape: [rows, width], table: true, init });
    }
    if (layer === 0 && numbers > 0) parameters.push(dense(numbers));
    parameters.push({
      name: `bias_${layer}`,
      shape: [width],
      table: false,
      init: { kind: 'zero' },
    });
    fanIn = width;
  }
  return parameters;
}

function writeForward(
  name: string,
  parameters: readonly ParameterSpec[],
  inputs: ModelInputs,
): Graph {
  const b = new GraphBuilder();
  const score = writeScore(b, parameters, inputs);
  const { graph: pieces, width } = OBJECTIVES[inputs.label];
  pieces.prediction(b, score, inputs.labelScale ?? UNSCALED);
  const shape = width === 1 ? ['n'] : ['n', width];
  const graph = b.finish(name, [{ name: 'prediction', type: 'float', shape }]);
  verifyGraph(graph, { after: `writing ${name}` });
  return graph;
}

function writeStep(name: string, parameters: readonly ParameterSpec[], inputs: ModelInputs): Graph {
  const b = new GraphBuilder();
  const score = writeScore(b, parameters, inputs);
  const label = b.input('label', 'float', ['n']);
  const weight = b.input('weight', 'float', ['n']);
  const { graph: pieces } = OBJECTIVES[inputs.label];
  const losses = pieces.losses(b, { score, label, scale: inputs.labelScale ?? UNSCALED });
  const weighted = b.node('Mul', [losses, weight]);
  const attributes = { keepdims: int(0) };
  b.nodeNamed('loss', 'ReduceSum', [weighted, b.int64([0])], { attributes });
  const forward = b.finish(name, [{ name: 'loss', type: 'float', shape: [] }]);
  return addGradients(forward, { loss: 'loss', parameters: parameters.map((p) => p.name) });
}

/** Appends inputs, parameters and everything up to the score, [n] or [n, width]: what the objective makes sense of. */
function writeScore(
  b: GraphBuilder,
  parameters: readonly ParameterSpec[],
  { codeSizes, numbers, label }: ModelInputs,
): string {
  const codes = codeSizes.length > 0 ? b.input('codes', 'int64', ['n', codeSizes.length]) : '';
  const values = numbers > 0 ? b.input('numbers', 'float', ['n', numbers]) : '';
  for (const { name, shape } of parameters) b.input(name, 'float', shape);

  const summands: string[] = [];
  if (codes) {
    const rows = b.node('Add', [codes, b.int64(offsetsOf(codeSizes))], { name: 'rows' });
    const picked = b.node('Gather', ['categories', rows], { name: 'picked' });
    const attributes = { keepdims: int(0) };
    summands.push(b.node('ReduceSum', [picked, b.int64([1])], { name: 'summed', attributes }));
  }
  if (values) summands.push(b.node('MatMul', [values, 'dense_0'], { name: 'weighed' }));
  let x = b.node('Add', [summands.reduce((a, c) => b.node('Add', [a, c])), 'bias_0']);
  const layers = parameters.filter(({ name }) => name.startsWith('bias_')).length;
  for (let layer = 1; layer < layers; layer++) {
    const active = b.node('Relu', [x], { name: `active_${layer}` });
    x = b.node('Gemm', [active, `dense_${layer}`, `bias_${layer}`], { name: `layer_${layer}` });
  }
  if (OBJECTIVES[label].width > 1) return b.node('Identity', [x], { name: 'score' });
  return b.node('Squeeze', [x, b.int64([1])], { name: 'score' });
}

/** Where each feature's rows begin in the common table. */
function offsetsOf(sizes: readonly number[]): number[] {
  let next = 0;
  return sizes.map((size) => {
    next += size;
    return next - size;
  });
}
