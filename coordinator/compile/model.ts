// The trainable part of a model: from codes and numbers to a prediction, and to a loss with gradients.
// In: a model spec and the widths of its inputs. Out: parameters, the forward graph and the step graph.
// The score is written once, here; backward.ts derives the gradients.
//
//   codes [n,C], numbers [n,D] ─ the model's layers (common/model) ─ [n,width] ─ Squeeze where 1 wide ─ score
//
// What a score is, and the loss of it, is the objective's: common/objective. Where a prediction is k numbers wide, so
// is the last layer, and nothing is squeezed.
import { GristmillError } from '../../common/errors.ts';
import type { Widths } from '../../common/model/model.ts';
import { type ModelSpec, modelParameters, writeModel } from '../../common/model/models.ts';
import { type LabelScale, UNSCALED } from '../../common/objective/objective.ts';
import { type LabelKind, OBJECTIVES } from '../../common/objective/objectives.ts';
import { GraphBuilder, int } from '../../common/onnx/build.ts';
import type { Graph } from '../../common/onnx/graph.ts';
import type { ParameterSpec } from '../../common/stage/train.ts';
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
  const { codeSizes, numbers, label } = inputs;
  if (codeSizes.length === 0 && numbers === 0) {
    throw new GristmillError('SPEC_INVALID', 'Cannot build model: 0 features, expected at least 1');
  }
  const widths: Widths = { codeSizes, numbers, outputs: OBJECTIVES[label].width };
  const parameters = modelParameters(spec, widths);
  const writeScore = (b: GraphBuilder): string => appendScore(b, { spec, parameters, widths });
  return {
    parameters,
    forward: writeForward(spec.kind, writeScore, inputs),
    step: writeStep(spec.kind, writeScore, { ...inputs, parameters }),
  };
}

type WriteScore = (b: GraphBuilder) => string;

function writeForward(name: string, writeScore: WriteScore, inputs: ModelInputs): Graph {
  const b = new GraphBuilder();
  const score = writeScore(b);
  const { graph: pieces, width } = OBJECTIVES[inputs.label];
  pieces.prediction(b, score, inputs.labelScale ?? UNSCALED);
  const shape = width === 1 ? ['n'] : ['n', width];
  const graph = b.finish(name, [{ name: 'prediction', type: 'float', shape }]);
  verifyGraph(graph, { after: `writing ${name}` });
  return graph;
}

function writeStep(
  name: string,
  writeScore: WriteScore,
  inputs: ModelInputs & Pick<Model, 'parameters'>,
): Graph {
  const b = new GraphBuilder();
  const score = writeScore(b);
  const label = b.input('label', 'float', ['n']);
  const weight = b.input('weight', 'float', ['n']);
  const { graph: pieces } = OBJECTIVES[inputs.label];
  const losses = pieces.losses(b, { score, label, scale: inputs.labelScale ?? UNSCALED });
  const weighted = b.node('Mul', [losses, weight]);
  const attributes = { keepdims: int(0) };
  b.nodeNamed('loss', 'ReduceSum', [weighted, b.int64([0])], { attributes });
  const forward = b.finish(name, [{ name: 'loss', type: 'float', shape: [] }]);
  return addGradients(forward, {
    loss: 'loss',
    parameters: inputs.parameters.map(({ name }) => name),
  });
}

/** Appends inputs, parameters and everything up to the score, [n] or [n, width]: what the objective makes sense of. */
function appendScore(
  b: GraphBuilder,
  {
    spec,
    parameters,
    widths,
  }: { spec: ModelSpec; parameters: readonly ParameterSpec[]; widths: Widths },
): string {
  const { codeSizes, numbers, outputs } = widths;
  if (codeSizes.length > 0) b.input('codes', 'int64', ['n', codeSizes.length]);
  if (numbers > 0) b.input('numbers', 'float', ['n', numbers]);
  for (const { name, shape } of parameters) b.input(name, 'float', shape);
  const last = writeModel(b, spec, widths);
  if (outputs > 1) return b.node('Identity', [last], { name: 'score' });
  return b.node('Squeeze', [last, b.int64([1])], { name: 'score' });
}
