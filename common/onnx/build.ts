// A graph under construction: fresh names, shared constants, nodes in topological order.
// In: ops with the names of their inputs. Out: the name of each result, at last a Graph.
// Why names of readable stems (`relu`, `relu_1`): a graph is read in error messages and tests.
import { GristmillError } from '../errors.ts';
import type { Attribute, Dim, ElementType, Graph, Node, Tensor, ValueInfo } from './graph.ts';

export const int = (value: number): Attribute => ({ kind: 'int', value });
export const ints = (value: readonly number[]): Attribute => ({ kind: 'ints', value });
export const float = (value: number): Attribute => ({ kind: 'float', value });
export const floats = (value: readonly number[]): Attribute => ({ kind: 'floats', value });
export const text = (value: string): Attribute => ({ kind: 'string', value });
export const texts = (value: readonly string[]): Attribute => ({ kind: 'strings', value });
export const constant = (value: Tensor): Attribute => ({ kind: 'tensor', value });

export type NodeOptions = {
  /** Stem of the result's name; the op in lower case by default. */
  readonly name?: string;
  readonly domain?: 'ai.onnx.ml';
  readonly attributes?: Readonly<Record<string, Attribute>>;
};

export class GraphBuilder {
  readonly #taken: Set<string>;
  readonly #inputs: ValueInfo[] = [];
  readonly #initializers: Record<string, Tensor> = {};
  readonly #nodes: Node[] = [];
  /** Constants by content, so that equal ones are one. */
  readonly #shared = new Map<string, string>();
  readonly #origins = new Map<string, string>();
  #origin: string | undefined;

  /** Starts empty, or with everything that `from` has but its outputs. */
  constructor(from?: Graph) {
    this.#taken = new Set(from ? namesOf(from) : []);
    this.#inputs.push(...(from?.inputs ?? []));
    this.#nodes.push(...(from?.nodes ?? []));
    Object.assign(this.#initializers, from?.initializers);
  }

  /** Declares an input under exactly this name. */
  input(name: string, type: ElementType, shape: readonly Dim[]): string {
    if (this.#taken.has(name)) {
      throw new GristmillError('INTERNAL', `Cannot name input: ${name}, expected a free name`);
    }
    this.#taken.add(name);
    this.#inputs.push({ name, type, shape });
    return name;
  }

  /** A constant; equal small ones are shared. */
  tensor(tensor: Tensor, stem = 'constant'): string {
    const key = tensor.data.length <= 64 ? contentKey(tensor) : undefined;
    const known = key === undefined ? undefined : this.#shared.get(key);
    if (known !== undefined) return known;
    const name = this.#fresh(stem);
    this.#initializers[name] = tensor;
    if (key !== undefined) this.#shared.set(key, name);
    return name;
  }

  /** int64 constants; one dimension unless `dims` says otherwise. */
  int64(values: readonly number[], dims: readonly number[] = [values.length]): string {
    const data = BigInt64Array.from(values, BigInt);
    return this.tensor({ type: 'int64', dims, data });
  }

  /** Floating-point constants; one dimension unless `dims` says otherwise. */
  numbers(
    type: 'float' | 'double',
    values: readonly number[],
    dims: readonly number[] = [values.length],
  ): string {
    const data = type === 'float' ? Float32Array.from(values) : Float64Array.from(values);
    return this.tensor({ type, dims, data });
  }

  scalar(type: 'float' | 'double', value: number): string {
    return this.numbers(type, [value], []);
  }

  zeros(type: 'float' | 'double', dims: readonly number[]): string {
    const count = dims.reduce((product, dim) => product * dim, 1);
    const data = type === 'float' ? new Float32Array(count) : new Float64Array(count);
    return this.tensor({ type, dims, data });
  }

  /** Appends a node of one output and returns its name. */
  node(op: string, inputs: readonly string[], options: NodeOptions = {}): string {
    const output = this.#fresh(options.name ?? op.toLowerCase());
    this.#append(op, inputs, [output], options);
    return output;
  }

  /** Appends a node whose output bears exactly `name`. */
  nodeNamed(
    name: string,
    op: string,
    inputs: readonly string[],
    options: NodeOptions = {},
  ): string {
    if (this.#taken.has(name)) {
      throw new GristmillError('INTERNAL', `Cannot name output: ${name}, expected a free name`);
    }
    this.#taken.add(name);
    this.#append(op, inputs, [name], options);
    return name;
  }

  /** Appends a node of `count` outputs. */
  nodes(count: number, op: string, inputs: readonly string[], options: NodeOptions = {}): string[] {
    const stem = options.name ?? op.toLowerCase();
    const outputs = Array.from({ length: count }, () => this.#fresh(stem));
    this.#append(op, inputs, outputs, options);
    return outputs;
  }

  /** Notes who makes the nodes that `make` appends: verify prints it. */
  madeBy<T>(origin: string, make: () => T): T {
    const before = this.#origin;
    this.#origin = origin;
    try {
      return make();
    } finally {
      this.#origin = before;
    }
  }

  /** Who made the node with this output. */
  get origins(): ReadonlyMap<string, string> {
    return this.#origins;
  }

  /** The graph so far, without nodes and constants that no output needs. */
  finish(name: string, outputs: readonly ValueInfo[]): Graph {
    return prune({
      name,
      inputs: [...this.#inputs],
      outputs,
      initializers: { ...this.#initializers },
      nodes: [...this.#nodes],
    });
  }

  #append(
    op: string,
    inputs: readonly string[],
    outputs: readonly string[],
    { domain, attributes }: NodeOptions,
  ): void {
    this.#nodes.push({
      op,
      ...(domain ? { domain } : {}),
      inputs,
      outputs,
      ...(attributes && Object.keys(attributes).length > 0 ? { attributes } : {}),
    });
    if (this.#origin) for (const output of outputs) this.#origins.set(output, this.#origin);
  }

  #fresh(stem: string): string {
    let name = stem;
    for (let i = 1; this.#taken.has(name); i++) name = `${stem}_${i}`;
    this.#taken.add(name);
    return name;
  }
}

/** Every name that a graph gives to a value. */
export function namesOf(graph: Graph): string[] {
  return [
    ...graph.inputs.map((input) => input.name),
    ...Object.keys(graph.initializers),
    ...graph.nodes.flatMap((node) => node.outputs),
  ];
}

/** Drops nodes and constants that no output needs; inputs stay, they are the interface. */
export function prune(graph: Graph): Graph {
  const needed = new Set(graph.outputs.map((output) => output.name));
  const nodes = graph.nodes
    .toReversed()
    .filter((node) => {
      if (!node.outputs.some((output) => needed.has(output))) return false;
      for (const input of node.inputs) needed.add(input);
      return true;
    })
    .reverse();
  const initializers = Object.fromEntries(
    Object.entries(graph.initializers).filter(([name]) => needed.has(name)),
  );
  return { ...graph, nodes, initializers };
}

/** Bits, not values: −0 and 0 are different constants. */
function contentKey({ type, dims, data }: Tensor): string {
  const content = ArrayBuffer.isView(data)
    ? Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('hex')
    : data;
  return JSON.stringify([type, dims, content]);
}
