// Puts trained parameters into a graph that takes them as inputs.
// In: a graph, values by name. Out: the same graph with these inputs turned into constants.
import { GristmillError } from '../errors.ts';
import type { ParameterSpec } from '../stage/train.ts';
import type { Graph, Tensor } from './graph.ts';

export const sizeOf = (parameter: Pick<ParameterSpec, 'shape'>): number =>
  parameter.shape.reduce((product, dim) => product * dim, 1);

/** In a serving graph parameters have this before their names: a raw column may be called `categories`. */
export const PARAMETER_PREFIX = 'model/';

/** Every parameter must be an input of the graph, under its name or prefixed, and have a value of its size. */
export function withParameters(
  graph: Graph,
  values: Readonly<Record<string, Float32Array>>,
  parameters: readonly ParameterSpec[],
): Graph {
  const initializers: Record<string, Tensor> = { ...graph.initializers };
  const turned = new Set<string>();
  for (const spec of parameters) {
    const name = inputOf(graph, spec);
    initializers[name] = tensorOf(graph, spec, values[spec.name]);
    turned.add(name);
  }
  return { ...graph, inputs: graph.inputs.filter(({ name }) => !turned.has(name)), initializers };
}

function inputOf(graph: Graph, spec: ParameterSpec): string {
  const names = [`${PARAMETER_PREFIX}${spec.name}`, spec.name];
  const input = names.find((name) => graph.inputs.some((candidate) => candidate.name === name));
  return input ?? refuse(graph, spec, 'no such input', 'one');
}

function tensorOf(graph: Graph, spec: ParameterSpec, data: Float32Array | undefined): Tensor {
  if (!data) return refuse(graph, spec, 'no value', 'one');
  if (data.length !== sizeOf(spec)) {
    return refuse(graph, spec, `${data.length} numbers`, `${sizeOf(spec)}`);
  }
  return { type: 'float', dims: spec.shape, data };
}

function refuse(graph: Graph, spec: ParameterSpec, found: string, expected: string): never {
  throw new GristmillError(
    'INTERNAL',
    `Cannot set parameter ${spec.name} of graph ${graph.name}: ${found}, expected ${expected}`,
  );
}
