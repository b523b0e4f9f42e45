// One graph from raw columns to predictions: features first, then the model.
// In: the feature graph and the forward graph. Out: both in one; parameters are still inputs.
// Why prefixes: either may call a value `add`; the model's inner names go under `model/`.
import { GristmillError } from '../../common/errors.ts';
import { prune } from '../../common/onnx/build.ts';
import type { Graph, ValueInfo } from '../../common/onnx/graph.ts';
import { verifyGraph } from './verify.ts';

/** What the feature graph gives and the model takes. */
const BETWEEN = ['codes', 'numbers'];

/**
 * Inputs: the raw columns, then the parameters under their own names. Outputs: prediction [n], and codes and
 * numbers as far as the features have them.
 */
export function servingGraph(features: Graph, forward: Graph): Graph {
  const between = features.outputs.filter(({ name }) => BETWEEN.includes(name));
  checkJoin(between, forward);
  const parameters = forward.inputs.filter(({ name }) => !BETWEEN.includes(name));
  const outer = new Set([...parameters, ...forward.outputs, ...between].map(({ name }) => name));
  const raw = new Set(features.inputs.map(({ name }) => name));
  const clash = [...outer].find((name) => raw.has(name));
  // a raw column may be called `prediction`: it is the interface, so the clash is told, not renamed away
  if (clash) throw refuse(`column ${clash} has the name of a model value`, 'another name');

  const named = prefixed(forward, 'model', outer);
  const before = prefixed(features, 'features', new Set([...raw, ...BETWEEN]));
  const graph = prune({
    name: `${forward.name}_serving`,
    inputs: [...features.inputs, ...parameters],
    outputs: [...forward.outputs, ...between],
    initializers: { ...before.initializers, ...named.initializers },
    nodes: [...before.nodes, ...named.nodes],
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

/** The graph with every name but those in `keep` under `prefix/`. */
function prefixed(graph: Graph, prefix: string, keep: ReadonlySet<string>): Graph {
  const rename = (name: string): string =>
    name === '' || keep.has(name) ? name : `${prefix}/${name}`;
  return {
    ...graph,
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
