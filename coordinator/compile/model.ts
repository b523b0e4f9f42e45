// The trainable part of a model: from codes and numbers to a prediction, and to a loss with gradients.
// In: a model spec and the widths of its inputs. Out: parameters, the forward graph and the step graph.
// The score is written once, here; backward.ts derives the gradients.
//
//   codes [n,C] ─ + offsets ─ Gather rows of `categories` [V,H] ─ ReduceSum over C ─┐
//   numbers [n,D] ──────────── MatMul dense_0 [D,H] ───────────────────────────────┴ Add ─ + bias_0 [H]
//      ─ Relu ─ MatMul dense_1 + bias_1 ─ Relu ─ … ─ dense_k [·,1] + bias_k ─ Squeeze ─ score [n]
//
// A binary score is a logit. A regression score is a standardized label: the prediction is score · std + mean, and the
// loss is (score − (label − mean) / std)². Labels of any size then train alike with one learning rate; a model that
// says the mean has a loss of 1.
//
// One table for all categories: a row is what a one-hot column would have in the first layer, and
// Gather + sum is that product without the zeros. `linear` is the same with H = 1 and no Relu.
import { GristmillError } from '../../common/errors.ts';
import { GraphBuilder, int } from '../../common/onnx/build.ts';
import type { Graph } from '../../common/onnx/graph.ts';
import type { ModelSpec } from '../../common/wire/job/training.ts';
import type { LabelKind, ParameterSpec } from '../../common/wire/program.ts';
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

export type LabelScale = { readonly mean: number; readonly std: number };

export type Model = {
  readonly parameters: ParameterSpec[];
  /** codes, numbers, parameters → prediction [n]. */
  readonly forward: Graph;
  /** The same with label and weight → loss [] and d_<parameter>. */
  readonly step: Graph;
};

export function buildModel(spec: ModelSpec, inputs: ModelInputs): Model {
  const widths = spec.kind === 'linear' ? [1] : [...spec.hidden, 1];
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
  PREDICTIONS[inputs.label](b, score, inputs.labelScale ?? UNSCALED);
  const graph = b.finish(name, [{ name: 'prediction', type: 'float', shape: ['n'] }]);
  verifyGraph(graph, { after: `writing ${name}` });
  return graph;
}

function writeStep(name: string, parameters: readonly ParameterSpec[], inputs: ModelInputs): Graph {
  const b = new GraphBuilder();
  const score = writeScore(b, parameters, inputs);
  const label = b.input('label', 'float', ['n']);
  const weight = b.input('weight', 'float', ['n']);
  const losses = LOSSES[inputs.label](b, score, label, inputs.labelScale ?? UNSCALED);
  const weighted = b.node('Mul', [losses, weight]);
  const attributes = { keepdims: int(0) };
  b.nodeNamed('loss', 'ReduceSum', [weighted, b.int64([0])], { attributes });
  const forward = b.finish(name, [{ name: 'loss', type: 'float', shape: [] }]);
  return addGradients(forward, { loss: 'loss', parameters: parameters.map((p) => p.name) });
}

/** Appends inputs, parameters and everything up to the score [n]: a logit, or the value itself. */
function writeScore(
  b: GraphBuilder,
  parameters: readonly ParameterSpec[],
  { codeSizes, numbers }: ModelInputs,
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

const UNSCALED: LabelScale = { mean: 0, std: 1 };

type Prediction = (b: GraphBuilder, score: string, scale: LabelScale) => string;

const PREDICTIONS: Readonly<Record<LabelKind, Prediction>> = {
  binary: (b, z) => b.nodeNamed('prediction', 'Sigmoid', [z]),
  // z·std + mean
  regression: (b, z, { mean, std }) => {
    const scaled = b.node('Mul', [z, b.scalar('float', std)], { name: 'scaled' });
    return b.nodeNamed('prediction', 'Add', [scaled, b.scalar('float', mean)]);
  },
};

type Loss = (b: GraphBuilder, score: string, label: string, scale: LabelScale) => string;

const LOSSES: Readonly<Record<LabelKind, Loss>> = {
  // −y·ln σ(z) − (1−y)·ln(1−σ(z)) = softplus(z) − z·y. Stable: softplus(z) = max(z,0) + ln(1+e^−|z|) is how
  // the engine computes it, and its gradient is σ(z) − y for every z, also at 0.
  binary: (b, z, y) => b.node('Sub', [b.node('Softplus', [z]), b.node('Mul', [z, y])]),
  // (z − (y − mean)/std)²
  regression: (b, z, y, { mean, std }) => {
    const centred = b.node('Sub', [y, b.scalar('float', mean)]);
    const target = b.node('Div', [centred, b.scalar('float', std)], { name: 'target' });
    const difference = b.node('Sub', [z, target]);
    return b.node('Mul', [difference, difference]);
  },
};
