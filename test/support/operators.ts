// A small graph of one row, by the definitions of its operators written out. In: what a builder appended, by name the
// values of inputs. Out: the value of one output. Why not the engine: it is native, and a figure by hand is the point.
import { GraphBuilder } from '../../common/onnx/build.ts';

const OPERATORS: Readonly<Record<string, (...of: number[]) => number>> = {
  Add: (a, b) => a! + b!,
  Sub: (a, b) => a! - b!,
  Mul: (a, b) => a! * b!,
  Div: (a, b) => a! / b!,
  Sigmoid: (x) => 1 / (1 + Math.exp(-x!)),
  Softplus: (x) => Math.log1p(Math.exp(x!)),
};

export function resultOf(
  inputs: Readonly<Record<string, number>>,
  append: (b: GraphBuilder) => string,
): number {
  const b = new GraphBuilder();
  for (const name of Object.keys(inputs)) b.input(name, 'float', []);
  const output = append(b);
  const graph = b.finish('by hand', [{ name: output, type: 'float', shape: [] }]);
  const values = new Map(Object.entries(inputs));
  for (const [name, { data }] of Object.entries(graph.initializers))
    values.set(name, Number(data[0]));
  for (const { op, inputs: from, outputs } of graph.nodes)
    values.set(outputs[0]!, OPERATORS[op]!(...from.map((name) => values.get(name)!)));
  return values.get(output)!;
}
