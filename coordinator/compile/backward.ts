// Derives gradients: walks a graph from the loss back to the parameters, one rule a node.
// In: a forward graph with a scalar loss. Out: the same graph that also gives `d_<parameter>`.
// Why over ONNX itself: the forward graph is written once, and whatever has a rule can be in a model.
import { GristmillError } from '../../common/errors.ts';
import { GraphBuilder } from '../../common/onnx/build.ts';
import type { Graph, Node } from '../../common/onnx/graph.ts';
import type { ValueType } from '../../common/onnx/shape.ts';
import { type At, RULES } from './rules.ts';
import { verifyGraph } from './verify.ts';

export type Wanted = {
  /** A scalar output of the graph. */
  readonly loss: string;
  /** Inputs of the graph whose gradients are wanted. */
  readonly parameters: readonly string[];
};

/** Outputs of the result: the loss, then `d_<parameter>` in the order given. */
export function addGradients(forward: Graph, { loss, parameters }: Wanted): Graph {
  const types = verifyGraph(forward, { after: `writing ${forward.name}` });
  const lossType = typeOf(types, loss);
  if (lossType.shape.length > 0 || (lossType.type !== 'float' && lossType.type !== 'double')) {
    throw refuse(`loss ${loss} [${lossType.shape}] of ${lossType.type}`, 'a scalar float');
  }
  const b = new GraphBuilder(forward);
  const moving = dependents(forward, parameters);
  /** Contributions to the gradient of each value, in the order in which the walk finds them. */
  const found = new Map<string, string[]>([[loss, [b.scalar(lossType.type, 1)]]]);

  for (const node of forward.nodes.toReversed()) {
    const y = node.outputs[0]!;
    const contributions = found.get(y);
    if (!contributions || !moving.has(y)) continue;
    const at = atNode(forward, node, b, types, loss);
    const rule = RULES[node.op] ?? at.refuse('no gradient rule');
    b.madeBy(`rule ${node.op} of ${y}`, () => {
      const gradients = rule(at, total(b, contributions));
      for (const [i, gradient] of gradients.entries()) {
        const input = node.inputs[i]!;
        if (gradient === undefined || !moving.has(input)) continue;
        found.set(input, [...(found.get(input) ?? []), gradient]);
      }
    });
  }

  const outputs = parameters.map((parameter) => {
    const { type, shape } = typeOf(types, parameter);
    const name = b.nodeNamed(`d_${parameter}`, 'Identity', [
      total(b, found.get(parameter) ?? [zeros(b, parameter, { type, shape })]),
    ]);
    return { name, type, shape };
  });
  const graph = dropIdentities(
    b.finish(`${forward.name}_step`, [{ name: loss, ...lossType }, ...outputs]),
  );
  verifyGraph(graph, { after: `backward of ${forward.name}`, origins: b.origins });
  return graph;
}

/** The names that the parameters move: only these have gradients worth computing. */
function dependents(graph: Graph, parameters: readonly string[]): Set<string> {
  const moving = new Set(parameters);
  for (const node of graph.nodes) {
    if (node.inputs.some((input) => moving.has(input))) for (const y of node.outputs) moving.add(y);
  }
  return moving;
}

/** Contributions are added one after the other: a fixed order, fixed bits. */
const total = (b: GraphBuilder, contributions: readonly string[]): string =>
  contributions.reduce((sum, next) => b.node('Add', [sum, next]));

function zeros(b: GraphBuilder, name: string, { type, shape }: ValueType): string {
  const dims = shape.filter((dim) => typeof dim === 'number');
  if (dims.length !== shape.length || (type !== 'float' && type !== 'double')) {
    throw refuse(`parameter ${name} ${type}[${shape}]`, 'a float tensor of fixed shape');
  }
  return b.zeros(type, dims);
}

function atNode(
  graph: Graph,
  node: Node,
  b: GraphBuilder,
  types: ReadonlyMap<string, ValueType>,
  loss: string,
): At {
  const y = node.outputs[0]!;
  return {
    node,
    x: node.inputs,
    y,
    b,
    type: (name) => typeOf(types, name),
    integers: (name) => {
      if (!name) return undefined;
      const data = graph.initializers[name]?.data;
      if (data instanceof BigInt64Array) return Array.from(data, Number);
      throw refuse(`${name} of ${node.op} → ${y}`, 'a constant of int64');
    },
    refuse: (why) => {
      const path = pathFrom(graph, loss, y).join(' ← ');
      throw refuse(`${node.op}(${node.inputs.join(', ')}) → ${y}: ${why}, on the path ${path}`);
    },
  };
}

/** The way from the loss back to `target`, as op names with their results. */
function pathFrom(graph: Graph, loss: string, target: string): string[] {
  const makers = new Map(
    graph.nodes.flatMap((node) => node.outputs.map((y) => [y, node] as const)),
  );
  const seen = new Set<string>();
  const walk = (name: string): string[] | undefined => {
    const node = makers.get(name);
    if (!node || seen.has(name)) return undefined;
    seen.add(name);
    const step = `${node.op} ${name}`;
    if (name === target) return [step];
    for (const input of node.inputs) {
      const rest = walk(input);
      if (rest) return [step, ...rest];
    }
    return undefined;
  };
  return walk(loss) ?? [];
}

/** Lets the node that makes a gradient write it under its final name, where nobody else reads it. */
function dropIdentities(graph: Graph): Graph {
  const renamed = new Map<string, string>();
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const made = new Set(graph.nodes.flatMap((node) => node.outputs));
  for (const node of graph.nodes) {
    const [from, to] = [node.inputs[0]!, node.outputs[0]!];
    if (node.op !== 'Identity' || !outputs.has(to) || outputs.has(from)) continue;
    if (made.has(from) && !renamed.has(from)) renamed.set(from, to);
  }
  const dropped = new Set(renamed.values());
  const name = (old: string): string => renamed.get(old) ?? old;
  return {
    ...graph,
    nodes: graph.nodes
      .filter((node) => !(node.op === 'Identity' && dropped.has(node.outputs[0]!)))
      .map((node) => ({
        ...node,
        inputs: node.inputs.map(name),
        outputs: node.outputs.map(name),
      })),
  };
}

function typeOf(types: ReadonlyMap<string, ValueType>, name: string): ValueType {
  const type = types.get(name);
  if (type) return type;
  throw refuse(`${name} unknown`, 'a value of the graph');
}

const refuse = (what: string, expected?: string): GristmillError =>
  new GristmillError(
    'INTERNAL',
    `Cannot derive gradients: ${what}${expected ? `, expected ${expected}` : ''}`,
  );
