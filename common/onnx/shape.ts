// Types and shapes of every value of a graph.
// In: a graph. Out: element type and shape by name, or INTERNAL naming the node that does not fit.
// Why our own: ONNX Runtime tells shapes only of outputs, and the compilers need those in between.
// Named dimensions are followed through: `n`, and products of them such as `5*n`. Only operators that
// gristmill emits are known; a new one needs its line in OPS.
import { GristmillError } from '../errors.ts';
import type { Attribute, Dim, ElementType, Graph, Node } from './graph.ts';

export type ValueType = { readonly type: ElementType; readonly shape: readonly Dim[] };

/** A value, and what is in it where that decides shapes: small int64 vectors. */
type Value = ValueType & { readonly content?: readonly Dim[] };
type Values = Map<string, Value>;

export function inferTypes(graph: Graph): ReadonlyMap<string, ValueType> {
  const values: Values = new Map();
  for (const { name, type, shape } of graph.inputs) values.set(name, { type, shape });
  for (const [name, { type, dims, data }] of Object.entries(graph.initializers)) {
    const small = data instanceof BigInt64Array && dims.length <= 1 && data.length <= 16;
    const content = small ? { content: Array.from(data, Number) } : {};
    values.set(name, { type, shape: dims, ...content });
  }
  for (const node of graph.nodes) {
    const results = inferNode(node, values);
    for (const [i, name] of node.outputs.entries()) if (name) values.set(name, results[i]!);
  }
  return values;
}

/** One node in words: op, inputs with types, outputs. */
export function describeNode(node: Node, types: ReadonlyMap<string, ValueType>): string {
  const inputs = node.inputs.map((name) => {
    const value = types.get(name);
    return value ? `${name} ${describeType(value)}` : name || '(absent)';
  });
  return `${node.op}(${inputs.join(', ')}) → ${node.outputs.join(', ')}`;
}

export const describeType = ({ type, shape }: ValueType): string => `${type}[${shape.join(',')}]`;

function inferNode(node: Node, values: Values): readonly Value[] {
  const context = new Context(node, values);
  const rule = OPS[node.op];
  if (!rule) throw context.fail('no shape rule for this operator, expected one in OPS');
  const result = rule(context);
  const results = Array.isArray(result) ? (result as Value[]) : [result as Value];
  if (results.length < node.outputs.length) {
    throw context.fail(`${node.outputs.length} outputs, expected ${results.length}`);
  }
  return results;
}

/** A node as its rule sees it. */
class Context {
  readonly node: Node;
  readonly #values: Values;

  constructor(node: Node, values: Values) {
    this.node = node;
    this.#values = values;
  }

  in(i: number): Value {
    const name = this.node.inputs[i];
    if (!name) throw this.fail(`no input ${i}, expected one`);
    const value = this.#values.get(name);
    if (!value) throw this.fail(`input ${name} is not made before it is used`);
    return value;
  }

  get all(): readonly Value[] {
    return this.node.inputs.map((_, i) => this.in(i));
  }

  has(i: number): boolean {
    return Boolean(this.node.inputs[i]);
  }

  /** The integers of input `i`, known at compile time. */
  numbers(i: number): number[] {
    return this.dims(i).map((dim) => {
      if (typeof dim === 'number') return dim;
      throw this.fail(`input ${this.node.inputs[i]} holds ${dim}, expected numbers`);
    });
  }

  /** The dimensions that input `i` holds. */
  dims(i: number): readonly Dim[] {
    const { content } = this.in(i);
    if (content) return content;
    throw this.fail(`input ${this.node.inputs[i]} is computed, expected a constant or a Shape`);
  }

  int(name: string, otherwise: number): number {
    const attribute = this.attribute(name);
    return attribute?.kind === 'int' ? attribute.value : otherwise;
  }

  attribute(name: string): Attribute | undefined {
    return this.node.attributes?.[name];
  }

  /** An axis from 0, whatever its sign. */
  axis(axis: number, rank: number): number {
    const positive = axis < 0 ? axis + rank : axis;
    if (positive >= 0 && positive < rank) return positive;
    throw this.fail(`axis ${axis}, expected one of ${rank}`);
  }

  /** Checks that inputs share one element type, of `allowed` where given. */
  sameType(inputs: readonly Value[], allowed?: readonly ElementType[]): ElementType {
    const type = inputs[0]!.type;
    for (const input of inputs) {
      if (input.type !== type) throw this.fail(`types ${type} and ${input.type}, expected one`);
    }
    if (allowed && !allowed.includes(type)) {
      throw this.fail(`type ${type}, expected ${allowed.join(' or ')}`);
    }
    return type;
  }

  broadcast(inputs: readonly Value[]): readonly Dim[] {
    return inputs.map(({ shape }) => shape).reduce((a, b) => this.#broadcastTwo(a, b));
  }

  #broadcastTwo(a: readonly Dim[], b: readonly Dim[]): readonly Dim[] {
    const rank = Math.max(a.length, b.length);
    return Array.from({ length: rank }, (_, i) => {
      const left = a[i - rank + a.length] ?? 1;
      const right = b[i - rank + b.length] ?? 1;
      if (left === 1 || left === right) return right;
      if (right === 1) return left;
      throw this.fail(`shapes [${a}] and [${b}], expected ones that broadcast`);
    });
  }

  equal(a: Dim, b: Dim): void {
    if (a !== b) throw this.fail(`dimensions ${a} and ${b}, expected equal ones`);
  }

  fail(why: string): GristmillError {
    const node = describeNode(this.node, this.#values);
    return new GristmillError('INTERNAL', `Cannot infer shapes of ${node}: ${why}`);
  }
}

type ShapeRule = (context: Context) => Value | readonly Value[];

const FLOATS: readonly ElementType[] = ['float', 'double'];
const NUMBERS: readonly ElementType[] = ['float', 'double', 'int64', 'int32'];

/** Same type and shape as the first input. */
const like =
  (allowed?: readonly ElementType[]): ShapeRule =>
  (c) => ({ type: c.sameType([c.in(0)], allowed), shape: c.in(0).shape });

/** Inputs of one type, broadcast; the result is of that type or of `result`. */
const elementwise =
  (allowed?: readonly ElementType[], result?: ElementType): ShapeRule =>
  (c) => ({ type: result ?? c.sameType(c.all, allowed), shape: c.broadcast(c.all) });

const comparison: ShapeRule = (c) => {
  c.sameType(c.all);
  return { type: 'bool', shape: c.broadcast(c.all) };
};

const logic: ShapeRule = (c) => {
  c.sameType(c.all, ['bool']);
  return { type: 'bool', shape: c.broadcast(c.all) };
};

const test: ShapeRule = (c) => ({ type: 'bool', shape: c.in(0).shape });

const reduction: ShapeRule = (c) => {
  const { type, shape } = c.in(0);
  const axes = c.has(1) ? c.numbers(1) : shape.map((_, axis) => axis);
  const reduced = new Set(axes.map((axis) => c.axis(axis, shape.length)));
  const keep = c.int('keepdims', 1) === 1;
  return {
    type,
    shape: shape.flatMap((dim, axis): Dim[] => (reduced.has(axis) ? (keep ? [1] : []) : [dim])),
  };
};

const OPS: Readonly<Record<string, ShapeRule>> = {
  Abs: like(NUMBERS),
  Add: elementwise(NUMBERS),
  And: logic,
  Cast: (c) => ({ type: castType(c), shape: c.in(0).shape }),
  Ceil: like(FLOATS),
  Clip: (c) => ({ type: c.sameType(c.all.filter(Boolean), NUMBERS), shape: c.in(0).shape }),
  Concat: concat,
  Div: elementwise(NUMBERS),
  Equal: comparison,
  Exp: like(FLOATS),
  Expand: (c) => ({
    type: c.in(0).type,
    shape: c.broadcast([c.in(0), { type: 'int64', shape: c.dims(1) }]),
  }),
  Floor: like(FLOATS),
  Gather: gather,
  Gemm: gemm,
  Greater: comparison,
  GreaterOrEqual: comparison,
  Identity: (c) => c.in(0),
  IsInf: test,
  IsNaN: test,
  LabelEncoder: labelEncoder,
  Less: comparison,
  LessOrEqual: comparison,
  Log: like(FLOATS),
  MatMul: matMul,
  Max: elementwise(NUMBERS),
  Min: elementwise(NUMBERS),
  Mod: elementwise(NUMBERS),
  Mul: elementwise(NUMBERS),
  Neg: like(NUMBERS),
  Not: like(['bool']),
  Or: logic,
  Pow: (c) => ({ type: c.in(0).type, shape: c.broadcast(c.all) }),
  Reciprocal: like(FLOATS),
  ReduceMax: reduction,
  ReduceMean: reduction,
  ReduceMin: reduction,
  ReduceSum: reduction,
  Relu: like(FLOATS),
  Reshape: reshape,
  Round: like(FLOATS),
  ScatterND: scatterNd,
  Shape: (c) => {
    const { shape } = c.in(0);
    return { type: 'int64', shape: [shape.length], content: shape };
  },
  Sigmoid: like(FLOATS),
  Sign: like(NUMBERS),
  Size: () => ({ type: 'int64', shape: [] }),
  Slice: slice,
  Softmax: like(FLOATS),
  Softplus: like(FLOATS),
  Split: split,
  Sqrt: like(FLOATS),
  Squeeze: squeeze,
  Sub: elementwise(NUMBERS),
  Sum: elementwise(FLOATS),
  Tanh: like(FLOATS),
  Transpose: transpose,
  Unsqueeze: unsqueeze,
  Where: (c) => {
    c.sameType([c.in(0)], ['bool']);
    return { type: c.sameType([c.in(1), c.in(2)]), shape: c.broadcast(c.all) };
  },
  Xor: logic,
};

/** ONNX numbers of the types a Cast may name; the same as in files. */
const CAST_TYPES: Readonly<Record<number, ElementType>> = {
  1: 'float',
  6: 'int32',
  7: 'int64',
  8: 'string',
  9: 'bool',
  11: 'double',
};

function castType(c: Context): ElementType {
  const type = CAST_TYPES[c.int('to', 0)];
  if (!type) throw c.fail(`cast to ${c.int('to', 0)}, expected one of our types`);
  return type;
}

function concat(c: Context): Value {
  const [first, ...rest] = c.all;
  const rank = first!.shape.length;
  const axis = c.axis(c.int('axis', 0), rank);
  let along = first!.shape[axis]!;
  for (const { shape } of rest) {
    if (shape.length !== rank) throw c.fail(`ranks ${rank} and ${shape.length}, expected one`);
    for (const [i, dim] of shape.entries()) if (i !== axis) c.equal(first!.shape[i]!, dim);
    along = addDims(along, shape[axis]!);
  }
  const contents = c.all.map(({ content }) => content);
  const content = contents.every((part) => part !== undefined) ? { content: contents.flat() } : {};
  return { type: c.sameType(c.all), shape: first!.shape.with(axis, along), ...content };
}

function gather(c: Context): Value {
  const [data, indices] = [c.in(0), c.in(1)];
  c.sameType([indices], ['int64', 'int32']);
  const axis = c.axis(c.int('axis', 0), data.shape.length);
  const shape = [...data.shape.slice(0, axis), ...indices.shape, ...data.shape.slice(axis + 1)];
  if (!data.content || !indices.content) return { type: data.type, shape };
  const known = data.content;
  return { type: data.type, shape, content: c.numbers(1).map((i) => known.at(i)!) };
}

function gemm(c: Context): Value {
  const [a, b] = [c.in(0), c.in(1)];
  if (a.shape.length !== 2 || b.shape.length !== 2) throw c.fail('expected two matrices');
  const [m, k] = c.int('transA', 0) ? a.shape.toReversed() : a.shape;
  const [k2, n] = c.int('transB', 0) ? b.shape.toReversed() : b.shape;
  c.equal(k!, k2!);
  const product: Value = { type: c.sameType(c.all, FLOATS), shape: [m!, n!] };
  if (!c.has(2)) return product;
  const shape = c.broadcast([product, c.in(2)]);
  if (shape.length !== 2 || shape[0] !== m || shape[1] !== n) {
    throw c.fail(`a summand that broadcasts to [${shape}], expected [${m},${n}]`);
  }
  return product;
}

/** Keys and values are attributes; the result's type is that of the values. */
function labelEncoder(c: Context): Value {
  const type: ElementType =
    c.attribute('values_int64s') !== undefined
      ? 'int64'
      : c.attribute('values_strings') !== undefined
        ? 'string'
        : c.attribute('values_floats') !== undefined
          ? 'float'
          : tensorType(c, 'values_tensor');
  return { type, shape: c.in(0).shape };
}

function tensorType(c: Context, name: string): ElementType {
  const attribute = c.attribute(name);
  if (attribute?.kind === 'tensor') return attribute.value.type;
  throw c.fail(`no attribute ${name}, expected one`);
}

function matMul(c: Context): Value {
  const [a, b] = [c.in(0), c.in(1)];
  if (a.shape.length < 2 || b.shape.length < 2) throw c.fail('expected matrices');
  c.equal(a.shape.at(-1)!, b.shape.at(-2)!);
  const type = c.sameType(c.all, FLOATS);
  const outer = c.broadcast([
    { type, shape: a.shape.slice(0, -2) },
    { type, shape: b.shape.slice(0, -2) },
  ]);
  return { type, shape: [...outer, a.shape.at(-2)!, b.shape.at(-1)!] };
}

function reshape(c: Context): Value {
  const { type, shape } = c.in(0);
  const target = c.dims(1).map((dim, i) => (dim === 0 ? shape[i]! : dim));
  const open = target.indexOf(-1);
  const known = product(target.filter((_, i) => i !== open));
  if (open < 0) {
    c.equal(dimOf(product(shape)), dimOf(known));
    return { type, shape: target };
  }
  const rest = quotient(product(shape), known);
  if (rest === undefined) throw c.fail(`shape [${shape}] into [${target}], expected one that fits`);
  return { type, shape: target.with(open, rest) };
}

function scatterNd(c: Context): Value {
  const [data, indices, updates] = [c.in(0), c.in(1), c.in(2)];
  c.sameType([data, updates]);
  c.sameType([indices], ['int64']);
  const depth = indices.shape.at(-1);
  if (typeof depth !== 'number') throw c.fail(`index depth ${depth}, expected a number`);
  const expected = [...indices.shape.slice(0, -1), ...data.shape.slice(depth)];
  if (expected.join() !== updates.shape.join()) {
    throw c.fail(`updates of shape [${updates.shape}], expected [${expected}]`);
  }
  return { type: data.type, shape: data.shape };
}

function slice(c: Context): Value {
  const { type, shape, content } = c.in(0);
  const [starts, ends] = [c.numbers(1), c.numbers(2)];
  const axes = c.has(3) ? c.numbers(3) : starts.map((_, i) => i);
  const steps = c.has(4) ? c.numbers(4) : starts.map(() => 1);
  const result = [...shape];
  for (const [i, given] of axes.entries()) {
    const axis = c.axis(given, shape.length);
    const [start, end] = [starts[i]!, ends[i]!];
    if (steps[i] !== 1) throw c.fail(`step ${steps[i]}, expected 1`);
    const size = shape[axis]!;
    if (typeof size === 'string') {
      // the whole of a named dimension, or its first rows
      if (start !== 0 || end < 2 ** 31) throw c.fail(`a slice of ${size}, expected all of it`);
      continue;
    }
    const clamp = (edge: number) => Math.min(Math.max(edge < 0 ? edge + size : edge, 0), size);
    result[axis] = Math.max(0, clamp(end) - clamp(start));
  }
  if (!content) return { type, shape: result };
  return { type, shape: result, content: content.slice(starts[0], ends[0]) };
}

function split(c: Context): Value[] {
  const { type, shape } = c.in(0);
  const axis = c.axis(c.int('axis', 0), shape.length);
  const size = shape[axis]!;
  const count = c.node.outputs.length;
  if (!c.has(1) && (typeof size === 'string' || size % count !== 0)) {
    throw c.fail(`${size} into ${count} equal parts, expected a multiple`);
  }
  const sizes = c.has(1) ? c.numbers(1) : Array(count).fill(Number(size) / count);
  c.equal(
    size,
    sizes.reduce((sum, part) => sum + part, 0),
  );
  return sizes.map((part) => ({ type, shape: shape.with(axis, part) }));
}

function squeeze(c: Context): Value {
  const { type, shape, content } = c.in(0);
  const axes = c.has(1)
    ? c.numbers(1).map((axis) => c.axis(axis, shape.length))
    : shape.flatMap((dim, axis) => (dim === 1 ? [axis] : []));
  for (const axis of axes) c.equal(shape[axis]!, 1);
  const rest = shape.filter((_, axis) => !axes.includes(axis));
  return { type, shape: rest, ...(content ? { content } : {}) };
}

function transpose(c: Context): Value {
  const { type, shape } = c.in(0);
  const given = c.attribute('perm');
  const perm = given?.kind === 'ints' ? given.value : shape.map((_, i) => shape.length - 1 - i);
  if (perm.length !== shape.length) throw c.fail(`perm [${perm}], expected ${shape.length} axes`);
  return { type, shape: perm.map((axis) => shape[c.axis(axis, shape.length)]!) };
}

function unsqueeze(c: Context): Value {
  const { type, shape, content } = c.in(0);
  const rank = shape.length + c.numbers(1).length;
  const axes = new Set(c.numbers(1).map((axis) => c.axis(axis, rank)));
  const old = shape.values();
  const result = Array.from({ length: rank }, (_, axis) =>
    axes.has(axis) ? 1 : (old.next().value as Dim),
  );
  return { type, shape: result, ...(content ? { content } : {}) };
}

// Dimensions as products: a number times named dimensions, '5*n'.

type Product = { readonly factor: number; readonly names: readonly string[] };

function product(dims: readonly Dim[]): Product {
  let factor = 1;
  const names: string[] = [];
  for (const dim of dims) {
    if (typeof dim === 'number') factor *= dim;
    else {
      const parts = dim.split('*');
      const number = /^\d+$/.test(parts[0]!) ? Number(parts.shift()) : 1;
      factor *= number;
      names.push(...parts);
    }
  }
  return { factor, names: names.sort() };
}

function dimOf({ factor, names }: Product): Dim {
  if (names.length === 0 || factor === 0) return factor;
  return factor === 1 ? names.join('*') : [factor, ...names].join('*');
}

/** a / b, where it goes without rest. */
function quotient(a: Product, b: Product): Dim | undefined {
  const names = [...a.names];
  for (const name of b.names) {
    const at = names.indexOf(name);
    if (at < 0) return undefined;
    names.splice(at, 1);
  }
  if (b.factor === 0 || a.factor % b.factor !== 0) return undefined;
  return dimOf({ factor: a.factor / b.factor, names });
}

/** Sums of named dimensions are only told apart by their text. */
function addDims(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  return `${a}+${b}`;
}
