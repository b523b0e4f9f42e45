// Puts trained parameters into a graph that takes them as inputs.
// In: a graph, values by name. Out: the same graph with these inputs turned into constants.
import { GristmillError } from '../errors.ts';
import type { ParameterSpec } from '../wire/program.ts';
import type { Graph, Tensor } from './graph.ts';

export const sizeOf = (parameter: Pick<ParameterSpec, 'shape'>): number =>
  parameter.shape.reduce((product, dim) => product * dim, 1);

/** Every parameter must be an input of the graph and have a value of its size. */
export function withParameters(
  graph: Graph,
  values: Readonly<Record<string, Float32Array>>,
  parameters: readonly ParameterSpec[],
): Graph {
  const initializers: Record<string, Tensor> = { ...graph.initializers };
  for (const parameter of parameters) {
    initializers[parameter.name] = tensorOf(graph, parameter, values[parameter.name]);
  }
  const names = new Set(parameters.map((parameter) => parameter.name));
  return { ...graph, inputs: graph.inputs.filter(({ name }) => !names.has(name)), initializers };
}

function tensorOf(graph: Graph, spec: ParameterSpec, data: Float32Array | undefined): Tensor {
  const refuse = (found: string, expected: string): never => {
    throw new GristmillError(
      'INTERNAL',
      `Cannot set parameter ${spec.name} of graph ${graph.name}: ${found}, expected ${expected}`,
    );
  };
  if (!graph.inputs.some(({ name }) => name === spec.name)) refuse('no such input', 'one');
  if (!data) return refuse('no value', 'one');
  if (data.length !== sizeOf(spec)) refuse(`${data.length} numbers`, `${sizeOf(spec)}`);
  return { type: 'float', dims: spec.shape, data };
}
