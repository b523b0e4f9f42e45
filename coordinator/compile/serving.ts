// One graph from raw columns to predictions: features first, then the model.
// In: the feature graph and the forward graph. Out: both in one; parameters are still inputs.
// Why prefixes: either may call a value `add`, and a column may be called `categories`: inner names go under
// `features/` and `model/`, parameters too; withParameters finds them there.
import { GristmillError } from '../../common/errors.ts';
import { prune } from '../../common/onnx/build.ts';
import type { Graph, ValueInfo } from '../../common/onnx/graph.ts';
import { PARAMETER_PREFIX } from '../../common/onnx/parameters.ts';
import { verifyGraph } from './verify.ts';

/** What the feature graph gives and the model takes. */
const BETWEEN = ['codes', 'numbers'];
const FEATURES_PREFIX = 'features/';

/**
 * Inputs: the raw columns, then the parameters as `model/<name>`. Outputs: prediction [n], and codes and
 * numbers as far as the features have them.
 */
export function servingGraph(features: Graph, forward: Graph): Graph {
  const between = features.outputs.filter(({ name }) => BETWEEN.includes(name));
  checkJoin(between, forward);
  const outer = [...forward.outputs, ...between].map(({ name }) => name);
  const raw = features.inputs.map(({ name }) => name);
  const clash = raw.find((name) => outer.includes(name) || /^(model|features)\//.test(name));
  if (clash !== undefined) {
    throw new GristmillError(
      'SPEC_INVALID',
      `Cannot serve column ${JSON.stringify(clash)}: a model's own value has this name, expected another name`,
    );
  }
  const before = prefixed(features, FEATURES_PREFIX, new Set([...raw, ...BETWEEN]));
  const model = prefixed(forward, PARAMETER_PREFIX, new Set([...outer, ...BETWEEN]));
  const graph = prune({
    name: `${forward.name}_serving`,
    inputs: [...features.inputs, ...model.inputs.filter(({ name }) => !BETWEEN.includes(name))],
    outputs: [...forward.outputs, ...between],
    initializers: { ...before.initializers, ...model.initializers },
    nodes: [...before.nodes, ...model.nodes],
  });
  verifyGraph(graph, { after: `joining ${features.name} and ${forward.name}` });
  return graph;
}

function checkJoin(between: readonly ValueInfo[], forward: Graph): void {
  for (const input of forward.inputs.filter(({ name }) => BETWEEN.includes(name))) {
    const given = between.find(({ name }) => name === input.name);
    const shape = `${input.type}[${input.shape}]`;
    const found = given ? `${given.type}[${given.shape}]` : 'nothing';
    if (found !== shape) throw refuse(`features give ${found} as ${input.name}`, shape);
  }
}

/** The graph with every name but those in `keep` under `prefix`. */
function prefixed(graph: Graph, prefix: string, keep: ReadonlySet<string>): Graph {
  const rename = (name: string): string =>
    name === '' || keep.has(name) ? name : `${prefix}${name}`;
  return {
    ...graph,
    inputs: graph.inputs.map((input) => ({ ...input, name: rename(input.name) })),
    initializers: Object.fromEntries(
      Object.entries(graph.initializers).map(([name, tensor]) => [rename(name), tensor]),
    ),
    nodes: graph.nodes.map((node) => ({
      ...node,
      inputs: node.inputs.map(rename),
      outputs: node.outputs.map(rename),
    })),
  };
}

const refuse = (found: string, expected: string): GristmillError =>
  new GristmillError('INTERNAL', `Cannot join features and model: ${found}, expected ${expected}`);
