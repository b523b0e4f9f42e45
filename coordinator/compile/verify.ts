// Checks a graph after every rewrite: names, order, types, shapes, outputs.
// In: a graph, which rewrite made it, who made which node. Out: the types of all values, or INTERNAL.
// Why after each: a wrong rewrite is found where it happened, not in an engine's error three steps later.
import { GristmillError } from '../../common/errors.ts';
import type { Graph, Node } from '../../common/onnx/graph.ts';
import { describeType, inferTypes, type ValueType } from '../../common/onnx/shape.ts';

export type Rewrite = {
  /** What was done last, in words: "backward of mlp". */
  readonly after: string;
  /** By output name: which rule or function appended the node. */
  readonly origins?: ReadonlyMap<string, string>;
};

export function verifyGraph(graph: Graph, rewrite: Rewrite): ReadonlyMap<string, ValueType> {
  checkNames(graph, rewrite);
  const types = checkNodes(graph, rewrite);
  for (const output of graph.outputs) {
    const found = types.get(output.name);
    if (found && describeType(found) === describeType(output)) continue;
    const maker = graph.nodes.find((node) => node.outputs.includes(output.name));
    const made = found ? describeType(found) : 'nothing';
    const why = `output ${output.name} is ${made}, expected ${describeType(output)}`;
    throw failure(why, rewrite, maker);
  }
  return types;
}

/** Every name is given once, and before it is used. */
function checkNames(graph: Graph, rewrite: Rewrite): void {
  const known = new Set<string>();
  const give = (name: string, node?: Node): void => {
    if (known.has(name)) throw failure(`${name} is made twice, expected once`, rewrite, node);
    known.add(name);
  };
  for (const { name } of graph.inputs) give(name);
  for (const name of Object.keys(graph.initializers)) give(name);
  for (const node of graph.nodes) {
    for (const input of node.inputs) {
      if (input === '' || known.has(input)) continue;
      throw failure(`${node.op} uses ${input}, expected a value made before`, rewrite, node);
    }
    for (const output of node.outputs) if (output) give(output, node);
  }
}

function checkNodes(graph: Graph, rewrite: Rewrite): ReadonlyMap<string, ValueType> {
  try {
    return inferTypes(graph);
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    const node = graph.nodes.find((n) => message.includes(`→ ${n.outputs.join(', ')}:`));
    throw failure(message, rewrite, node, cause);
  }
}

function failure(why: string, rewrite: Rewrite, node?: Node, cause?: unknown): GristmillError {
  const maker = node?.outputs.map((output) => rewrite.origins?.get(output)).find(Boolean);
  const origin = maker ? ` (made by ${maker})` : '';
  return new GristmillError(
    'INTERNAL',
    `Cannot accept graph after ${rewrite.after}: ${why}${origin}`,
    { cause },
  );
}
