import { expect, test } from 'vitest';
import type { FeedTensor } from '../../common/engine/onnx.ts';
import { float, GraphBuilder, int, ints, type NodeOptions } from '../../common/onnx/build.ts';
import type { Dim } from '../../common/onnx/graph.ts';
import { RULES } from '../../coordinator/compile/rules.ts';
import { compareGradients } from './check.ts';

/** One use of an operator: inputs to differentiate, and how the node is made of them. */
type Case = {
  readonly of: Readonly<Record<string, FeedTensor>>;
  /** Shapes in the graph, where they are not those of the values: named dimensions. */
  readonly shapes?: Readonly<Record<string, readonly Dim[]>>;
  readonly make: (b: GraphBuilder) => string;
};

/** Values without ties and away from kinks; `from` is the least of them. */
function values(dims: readonly number[], from = -1.3, stride = 0.37): FeedTensor {
  const count = dims.reduce((a, b) => a * b, 1);
  const data = Float64Array.from({ length: count }, (_, i) => from + ((i * 7) % count) * stride);
  return { type: 'double', dims, data };
}
const positive = (dims: readonly number[]): FeedTensor => values(dims, 0.4, 0.31);

const node =
  (op: string, inputs: readonly string[], options: NodeOptions = {}) =>
  (b: GraphBuilder): string =>
    b.node(op, inputs, options);
const one = (op: string, x = values([2, 3])): Case => ({ of: { x }, make: node(op, ['x']) });
/** Same shapes, a row, a column, a scalar on either side: every way to broadcast. */
const two = (op: string, make = values): Case[] =>
  [
    [
      [2, 3],
      [2, 3],
    ],
    [[2, 3], [3]],
    [
      [2, 1],
      [2, 3],
    ],
    [[], [2, 3]],
    [
      [2, 3],
      [4, 1, 3],
    ],
    [
      [1, 3],
      [2, 1],
    ],
  ].map(([a, c]) => ({
    of: { a: make(a!), c: make(c!, 0.45, 0.29) },
    make: node(op, ['a', 'c']),
  }));
const rename = (dims: readonly number[], name: string): Dim[] => dims.map((d, i) => (i ? d : name));

const CASES: Readonly<Record<string, readonly Case[]>> = {
  Add: [
    ...two('Add'),
    {
      of: { a: values([4, 3]), c: values([3]) },
      shapes: { a: ['n', 3] },
      make: node('Add', ['a', 'c']),
    },
    { of: { a: values([3]) }, make: node('Add', ['a', 'a']) },
  ],
  Sum: [
    {
      of: { a: values([2, 3]), c: values([3]), e: values([2, 1]) },
      make: node('Sum', ['a', 'c', 'e']),
    },
  ],
  Sub: two('Sub'),
  Mul: two('Mul'),
  Div: two('Div'),
  Pow: two('Pow', (dims) => values(dims, 0.4, 0.31)),
  Max: [...two('Max'), { of: { a: values([5]) }, make: (b) => b.node('Max', ['a', 'a']) }],
  Min: two('Min'),
  Where: [
    {
      of: { a: values([2, 3]), c: values([3], 0.2) },
      make: (b) => b.node('Where', [b.node('Greater', ['a', 'c']), 'a', 'c']),
    },
  ],
  Neg: [one('Neg')],
  Abs: [one('Abs')],
  Exp: [one('Exp')],
  Log: [one('Log', positive([2, 3]))],
  Sqrt: [one('Sqrt', positive([2, 3]))],
  Reciprocal: [one('Reciprocal', positive([2, 3]))],
  Relu: [one('Relu')],
  Sigmoid: [one('Sigmoid')],
  Tanh: [one('Tanh')],
  Softplus: [one('Softplus'), one('Softplus', values([4], -40, 27))],
  Clip: [
    {
      of: { x: values([7]) },
      make: (b) => b.node('Clip', ['x', b.scalar('double', -0.5), b.scalar('double', 0.5)]),
    },
  ],
  Cast: [{ of: { x: values([3]) }, make: node('Cast', ['x'], { attributes: { to: int(11) } }) }],
  Identity: [one('Identity')],
  MatMul: [
    { of: { a: values([2, 3]), c: values([3, 4]) }, make: node('MatMul', ['a', 'c']) },
    {
      of: { a: values([2, 3]), c: values([3, 4]) },
      shapes: { a: ['n', 3] },
      make: node('MatMul', ['a', 'c']),
    },
    { of: { a: values([5, 2, 3]), c: values([3, 4]) }, make: node('MatMul', ['a', 'c']) },
    { of: { a: values([2, 1, 2, 3]), c: values([3, 3, 4]) }, make: node('MatMul', ['a', 'c']) },
  ],
  Gemm: [
    ...[0, 1].flatMap((transA) =>
      [0, 1].map(
        (transB): Case => ({
          of: {
            a: values(transA ? [3, 2] : [2, 3]),
            c: values(transB ? [4, 3] : [3, 4]),
            e: values([4]),
          },
          make: node('Gemm', ['a', 'c', 'e'], {
            attributes: {
              transA: int(transA),
              transB: int(transB),
              alpha: float(0.5),
              beta: float(-2),
            },
          }),
        }),
      ),
    ),
    { of: { a: values([2, 3]), c: values([3, 4]) }, make: node('Gemm', ['a', 'c']) },
    {
      of: { a: values([2, 3]), c: values([3, 4]), e: values([]) },
      make: node('Gemm', ['a', 'c', 'e']),
    },
  ],
  ...Object.fromEntries(
    ['ReduceSum', 'ReduceMean'].map((op) => [
      op,
      [
        one(op),
        ...[0, 1].flatMap((keepdims) =>
          [[1], [0, 2], [-1]].map(
            (axes): Case => ({
              of: { x: values([2, 3, 4]) },
              shapes: { x: rename([2, 3, 4], 'n') },
              make: (b) =>
                b.node(op, ['x', b.int64(axes)], { attributes: { keepdims: int(keepdims) } }),
            }),
          ),
        ),
      ],
    ]),
  ),
  Gather: [
    {
      of: { x: values([5, 2]) },
      make: (b) => b.node('Gather', ['x', b.int64([3, 0, 3, 3, 1, 0], [2, 3])]), // rows read 3, 2, 1, 0 times
    },
    { of: { x: values([4]) }, make: (b) => b.node('Gather', ['x', b.int64([2, 2])]) },
    {
      of: { x: values([4, 1]) },
      make: (b) => b.node('Gather', ['x', b.int64([1, -1])], { attributes: { axis: int(0) } }),
    },
  ],
  Reshape: [
    { of: { x: values([2, 6]) }, make: (b) => b.node('Reshape', ['x', b.int64([3, -1])]) },
    {
      of: { x: values([2, 6]) },
      shapes: { x: ['n', 6] },
      make: (b) => b.node('Reshape', ['x', b.int64([-1, 3])]),
    },
  ],
  Squeeze: [
    { of: { x: values([2, 1, 3]) }, make: (b) => b.node('Squeeze', ['x', b.int64([1])]) },
    { of: { x: values([1, 3, 1]) }, make: node('Squeeze', ['x']) },
  ],
  Unsqueeze: [
    { of: { x: values([2, 3]) }, make: (b) => b.node('Unsqueeze', ['x', b.int64([0, -1])]) },
  ],
  Expand: [{ of: { x: values([3, 1]) }, make: (b) => b.node('Expand', ['x', b.int64([2, 3, 4])]) }],
  Transpose: [
    one('Transpose'),
    {
      of: { x: values([2, 3, 4]) },
      make: node('Transpose', ['x'], { attributes: { perm: ints([2, 0, 1]) } }),
    },
  ],
  Concat: [
    {
      of: { a: values([2, 3]), c: values([2, 1]), e: values([2, 2]) },
      shapes: { a: ['n', 3], c: ['n', 1], e: ['n', 2] },
      make: node('Concat', ['a', 'c', 'e'], { attributes: { axis: int(-1) } }),
    },
    {
      of: { a: values([2, 3]), c: values([1, 3]) },
      make: node('Concat', ['a', 'c'], { attributes: { axis: int(0) } }),
    },
  ],
};

test.each(Object.keys(RULES))('RULES %s agrees with central differences', async (op) => {
  const cases = CASES[op] ?? [];
  expect(cases.length).toBeGreaterThan(0); // a rule without a case cannot exist
  for (const { of, shapes, make } of cases) {
    const b = new GraphBuilder();
    for (const [name, { dims }] of Object.entries(of)) {
      b.input(name, 'double', shapes?.[name] ?? dims);
    }
    // y² + y: each element of the result pulls with another force, and none of them fades
    const y = make(b);
    const flat = b.node('Reshape', [b.node('Add', [b.node('Mul', [y, y]), y]), b.int64([-1])]);
    b.nodeNamed('loss', 'ReduceSum', [flat], { attributes: { keepdims: int(0) } });
    const graph = b.finish(op, [{ name: 'loss', type: 'double', shape: [] }]);
    const compared = await compareGradients(graph, of, Object.keys(of));
    for (const { derived, measured } of Object.values(compared)) {
      expect(derived.length).toBe(measured.length);
      for (const [i, d] of derived.entries()) {
        expect(Math.abs(d - measured[i]!)).toBeLessThan(1e-6 * Math.max(1, Math.abs(d)));
      }
    }
  }
});
