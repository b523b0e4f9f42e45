// Gradients as a table: one rule an operator, with the mathematics beside it.
// In: a forward node and `dy`, the gradient of the loss with respect to its result (of the result's shape).
// Out: the gradients with respect to its inputs, each of its input's shape; undefined where there is none.
// A rule appends nodes freely: what no parameter needs is pruned afterwards.
import type { GraphBuilder } from '../../common/onnx/build.ts';
import { int, ints } from '../../common/onnx/build.ts';
import type { Attribute, Dim, ElementType, Node } from '../../common/onnx/graph.ts';
import { DATA_TYPES } from '../../common/onnx/messages.ts';
import type { ValueType } from '../../common/onnx/shape.ts';

/** A rule's view of the node that it differentiates. */
export type At = {
  readonly node: Node;
  /** Names of the inputs; those absent are ''. */
  readonly x: readonly string[];
  /** Name of the result. */
  readonly y: string;
  readonly b: GraphBuilder;
  type(name: string): ValueType;
  /** Integers of a constant input (axes, shapes); undefined where the input is absent. */
  integers(name: string | undefined): readonly number[] | undefined;
  /** Ends the pass with the node named: the rule does not cover this form of the operator. */
  refuse(why: string): never;
};
export type Gradients = readonly (string | undefined)[];
export type Rule = (at: At, dy: string) => Gradients;

export const RULES: Readonly<Record<string, Rule>> = {
  // elementwise, two inputs with broadcasting: what was broadcast is summed back by `sumBack`
  Add: (at, dy) => at.x.map((x) => sumBack(at, dy, x)), // d(a+b) = da + db
  Sum: (at, dy) => at.x.map((x) => sumBack(at, dy, x)), // the same for any number
  Sub: (at, dy) => [sumBack(at, dy, at.x[0]!), sumBack(at, neg(at, dy), at.x[1]!)], // d(a−b) = da − db
  Mul: (at, dy) => [
    sumBack(at, mul(at, dy, at.x[1]!), at.x[0]!), // d(a·b) = b·da
    sumBack(at, mul(at, dy, at.x[0]!), at.x[1]!), //        + a·db
  ],
  Div: (at, dy) => [
    sumBack(at, div(at, dy, at.x[1]!), at.x[0]!), // d(a/b) = da/b
    sumBack(at, neg(at, div(at, mul(at, dy, at.y), at.x[1]!)), at.x[1]!), // − (a/b)·db/b
  ],
  Pow: (at, dy) => {
    const [x, p] = [at.x[0]!, at.x[1]!];
    const less = sub(at, p, number(at, x, 1));
    return [
      sumBack(at, mul(at, dy, mul(at, p, at.b.node('Pow', [x, less]))), x), // d(x^p) = p·x^(p−1)·dx
      sumBack(at, mul(at, dy, mul(at, at.y, at.b.node('Log', [x]))), p), //         + x^p·ln x·dp
    ];
  },
  Max: shareAmongEqual, // d max(a,…) = d of the largest; equal ones share it
  Min: shareAmongEqual, // d min(a,…) = d of the smallest; equal ones share it
  Where: (at, dy) => {
    const [condition, zero] = [at.x[0]!, number(at, at.y, 0)];
    return [
      undefined,
      sumBack(at, where(at, condition, dy, zero), at.x[1]!), // da where c
      sumBack(at, where(at, condition, zero, dy), at.x[2]!), // db elsewhere
    ];
  },

  // elementwise, one input
  Neg: (at, dy) => [neg(at, dy)], // d(−x) = −dx
  Abs: (at, dy) => [mul(at, dy, at.b.node('Sign', [at.x[0]!]))], // d|x| = sign(x)·dx; 0 at 0
  Exp: (at, dy) => [mul(at, dy, at.y)], // d eˣ = eˣ·dx
  Log: (at, dy) => [div(at, dy, at.x[0]!)], // d ln x = dx/x
  Sqrt: (at, dy) => [div(at, dy, add(at, at.y, at.y))], // d√x = dx/(2√x)
  Reciprocal: (at, dy) => [neg(at, mul(at, dy, mul(at, at.y, at.y)))], // d(1/x) = −dx/x²
  Relu: (at, dy) => [where(at, above(at, at.y), dy, number(at, at.y, 0))], // dx where x > 0
  Sigmoid: (at, dy) => [mul(at, dy, mul(at, at.y, oneMinus(at, at.y)))], // dσ = σ·(1−σ)·dx
  Tanh: (at, dy) => [mul(at, dy, oneMinus(at, mul(at, at.y, at.y)))], // d tanh x = (1−tanh²x)·dx
  Softplus: (at, dy) => [mul(at, dy, at.b.node('Sigmoid', [at.x[0]!]))], // d ln(1+eˣ) = σ(x)·dx
  Clip: (at, dy) => [where(at, at.b.node('Equal', [at.x[0]!, at.y]), dy, number(at, at.y, 0))], // dx inside
  Cast: (at, dy) => [castLike(at, dy, at.x[0]!)], // between float types
  Identity: (_at, dy) => [dy],

  // matrices
  MatMul: matMul, // dA = dY·Bᵀ, dB = Aᵀ·dY
  Gemm: gemm, // Y = α·A·B + β·C: dA = α·dY·Bᵀ, dB = α·Aᵀ·dY, dC = β·dY

  // sums
  ReduceSum: (at, dy) => [spread(at, dy)], // every summand gets dy
  ReduceMean: (at, dy) => {
    const sizes = [at.b.node('Size', [at.y]), at.b.node('Size', [at.x[0]!])].map((size) =>
      castLike(at, size, at.y),
    );
    return [mul(at, spread(at, dy), div(at, sizes[0]!, sizes[1]!))]; // dy / number of summands
  },

  // rows of a table
  Gather: gather, // dTable[i] = Σ dy over the places that read row i

  // shapes: the same numbers elsewhere
  Reshape: (at, dy) => [reshapeLike(at, dy, at.x[0]!)],
  Squeeze: (at, dy) => [reshapeLike(at, dy, at.x[0]!)],
  Unsqueeze: (at, dy) => [reshapeLike(at, dy, at.x[0]!)],
  Expand: (at, dy) => [sumBack(at, dy, at.x[0]!)], // copies: their gradients are summed
  Transpose: (at, dy) => [at.b.node('Transpose', [dy], inversePerm(at))],
  Concat: concat, // each input gets its slice of dy
};

function shareAmongEqual(at: At, dy: string): Gradients {
  const equal = at.x.map((x) => castLike(at, at.b.node('Equal', [x, at.y]), at.y));
  const share = div(at, dy, equal.length === 1 ? equal[0]! : at.b.node('Sum', equal));
  return at.x.map((x, i) => sumBack(at, mul(at, share, equal[i]!), x));
}

function matMul(at: At, dy: string): Gradients {
  const [a, b] = [at.x[0]!, at.x[1]!];
  if (at.type(a).shape.length === 2 && at.type(b).shape.length === 2) {
    // Gemm transposes while it reads: no copy
    return [product(at, dy, b, { transB: 1 }), product(at, a, dy, { transA: 1 })];
  }
  return [
    sumBack(at, at.b.node('MatMul', [dy, swapLastAxes(at, b)]), a),
    sumBack(at, at.b.node('MatMul', [swapLastAxes(at, a), dy]), b),
  ];
}

function gemm(at: At, dy: string): Gradients {
  const [a, b, c] = [at.x[0]!, at.x[1]!, at.x[2]];
  const attribute = (name: string, otherwise: number): number => {
    const found = at.node.attributes?.[name];
    return found?.kind === 'int' || found?.kind === 'float' ? found.value : otherwise;
  };
  const [transA, transB] = [attribute('transA', 0), attribute('transB', 0)];
  const alpha = attribute('alpha', 1);
  const da = transA // of A', the matrix as it is multiplied: dA' = α·dY·B'ᵀ; transposed back with A
    ? product(at, b, dy, { transA: transB, transB: 1 }, alpha)
    : product(at, dy, b, { transB: 1 - transB }, alpha);
  const db = transB // dB' = α·A'ᵀ·dY
    ? product(at, dy, a, { transA: 1, transB: transA }, alpha)
    : product(at, a, dy, { transA: 1 - transA }, alpha);
  if (!c) return [da, db];
  const beta = attribute('beta', 1);
  return [da, db, sumBack(at, beta === 1 ? dy : mul(at, dy, number(at, at.y, beta)), c)];
}

function gather(at: At, dy: string): Gradients {
  const [table, indices] = [at.x[0]!, at.x[1]!];
  const axis = at.node.attributes?.axis;
  if (axis?.kind === 'int' && axis.value !== 0) at.refuse(`axis ${axis.value}, expected 0`);
  const { type, shape } = at.type(table);
  const dims = shape.map((dim) => (typeof dim === 'number' ? dim : at.refuse(`a table of ${dim}`)));
  if (type !== 'float' && type !== 'double') return at.refuse(`a table of ${type}`);
  // Added row by row in the order of `indices` on one thread: the same bits every time. A table of zeros
  // costs one copy a call. Flights (V = 674, H = 128, 128 rows a call): 27 of 287 µs of kernels, that copy included, and
  // 40 µs forward, so no sparser form was tried. One-hot and a matrix product: 55 ms against 9.6 ms at 4,096 rows.
  const zeros = at.b.zeros(type, dims);
  const rows = at.b.node('Unsqueeze', [indices, at.b.int64([-1])]);
  const reduction: Attribute = { kind: 'string', value: 'add' };
  return [at.b.node('ScatterND', [zeros, rows, dy], { attributes: { reduction } }), undefined];
}

function concat(at: At, dy: string): Gradients {
  const axis = at.node.attributes?.axis;
  const along = axis?.kind === 'int' ? axis.value : at.refuse('no axis');
  let start = 0;
  return at.x.map((x) => {
    const size = at.type(x).shape.at(along);
    if (typeof size !== 'number')
      return at.refuse(`${size} along axis ${along}, expected a number`);
    const edges = [[start], [start + size], [along]].map((edge) => at.b.int64(edge));
    start += size;
    return at.b.node('Slice', [dy, ...edges]);
  });
}

/** dy of a reduction back on the shape of what was reduced. */
function spread(at: At, dy: string): string {
  const x = at.x[0]!;
  const rank = at.type(x).shape.length;
  const axes = at.integers(at.x[1]) ?? Array.from({ length: rank }, (_, axis) => axis);
  const keep = at.node.attributes?.keepdims;
  const kept = keep?.kind !== 'int' || keep.value === 1 || axes.length === 0;
  const reduced = kept ? dy : at.b.node('Unsqueeze', [dy, at.b.int64(axes)]);
  return at.b.node('Expand', [reduced, shapeOf(at, x)]);
}

/** Sums `value`, of the result's shape, over the axes along which `x` was broadcast. */
function sumBack(at: At, value: string, x: string): string {
  const from = at.type(at.y).shape;
  const to = at.type(x).shape;
  const missing = from.length - to.length;
  const leading = from.slice(0, missing).map((_, axis) => axis);
  const inner = to.flatMap((dim, i) => (dim === 1 && from[i + missing] !== 1 ? [i + missing] : []));
  const summed = leading.length > 0 ? reduce(at, value, leading, 0) : value;
  return inner.length > 0
    ? reduce(
        at,
        summed,
        inner.map((axis) => axis - missing),
        1,
      )
    : summed;
}

const reduce = (at: At, value: string, axes: readonly number[], keepdims: 0 | 1): string =>
  at.b.node('ReduceSum', [value, at.b.int64(axes)], { attributes: { keepdims: int(keepdims) } });

function reshapeLike(at: At, value: string, x: string): string {
  return at.b.node('Reshape', [value, shapeOf(at, x)]);
}

/** The shape of `x` as a value: a constant where all dimensions are numbers. */
function shapeOf(at: At, x: string): string {
  const { shape } = at.type(x);
  return shape.every((dim: Dim) => typeof dim === 'number')
    ? at.b.int64(shape)
    : at.b.node('Shape', [x]);
}

function inversePerm(at: At): { attributes?: Record<string, Attribute> } {
  const perm = at.node.attributes?.perm;
  if (perm?.kind !== 'ints') return {}; // reversing all axes is its own inverse
  return { attributes: { perm: ints(perm.value.map((_, axis) => perm.value.indexOf(axis))) } };
}

function swapLastAxes(at: At, x: string): string {
  const perm = at.type(x).shape.map((_, axis) => axis);
  perm.push(...perm.splice(-2).reverse());
  return at.b.node('Transpose', [x], { attributes: { perm: ints(perm) } });
}

function product(
  at: At,
  a: string,
  b: string,
  transposed: { readonly transA?: number; readonly transB?: number },
  alpha = 1,
): string {
  const attributes: Record<string, Attribute> = {};
  for (const [name, value] of Object.entries(transposed)) if (value) attributes[name] = int(value);
  if (alpha !== 1) attributes.alpha = { kind: 'float', value: alpha };
  return at.b.node('Gemm', [a, b], { attributes });
}

const add = (at: At, a: string, b: string): string => at.b.node('Add', [a, b]);
const sub = (at: At, a: string, b: string): string => at.b.node('Sub', [a, b]);
const mul = (at: At, a: string, b: string): string => at.b.node('Mul', [a, b]);
const div = (at: At, a: string, b: string): string => at.b.node('Div', [a, b]);
const neg = (at: At, x: string): string => at.b.node('Neg', [x]);
const where = (at: At, condition: string, a: string, b: string): string =>
  at.b.node('Where', [condition, a, b]);
const above = (at: At, y: string): string => at.b.node('Greater', [y, number(at, y, 0)]);
const oneMinus = (at: At, x: string): string => sub(at, number(at, at.y, 1), x);

/** A number of the element type of `like`. */
function number(at: At, like: string, value: number): string {
  const { type } = at.type(like);
  if (type !== 'float' && type !== 'double') return at.refuse(`a value of type ${type}`);
  return at.b.scalar(type, value);
}

function castLike(at: At, x: string, like: string): string {
  const type: ElementType = at.type(like).type;
  return at.b.node('Cast', [x], { attributes: { to: int(DATA_TYPES[type]) } });
}
