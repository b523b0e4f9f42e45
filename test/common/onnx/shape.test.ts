import { expect, test } from 'vitest';
import { openSession } from '../../../common/engine/onnx.ts';
import { GraphBuilder, int, ints } from '../../../common/onnx/build.ts';
import { encodeModel } from '../../../common/onnx/proto.ts';
import { describeType, inferTypes } from '../../../common/onnx/shape.ts';

/** Types of a value made of x float[n,6], c int64[n,2] and k float[3,6]. */
function typeOf(make: (b: GraphBuilder) => string): string {
  const b = inputs();
  const y = make(b);
  return describeType(inferTypes(b.finish('t', [{ name: y, type: 'float', shape: [] }])).get(y)!);
}
function inputs(): GraphBuilder {
  const b = new GraphBuilder();
  b.input('x', 'float', ['n', 6]);
  b.input('c', 'int64', ['n', 2]);
  b.input('k', 'float', [3, 6]);
  return b;
}

const MADE: readonly (readonly [string, (b: GraphBuilder) => string])[] = [
  ['float[n,6]', (b) => b.node('Add', ['x', b.numbers('float', [1])])],
  ['float[n,1,6]', (b) => b.node('Unsqueeze', ['x', b.int64([1])])],
  ['float[n,3]', (b) => b.node('Gemm', ['x', 'k'], { attributes: { transB: int(1) } })],
  ['float[6,n]', (b) => b.node('Transpose', ['x'])],
  ['float[6,n]', (b) => b.node('Transpose', ['x'], { attributes: { perm: ints([1, 0]) } })],
  ['float[n,2,6]', (b) => b.node('Gather', ['k', 'c'])],
  [
    'float[6]',
    (b) => b.node('ReduceSum', ['x', b.int64([0])], { attributes: { keepdims: int(0) } }),
  ],
  ['float[n,1]', (b) => b.node('ReduceMean', ['x', b.int64([-1])])],
  ['float[]', (b) => b.node('ReduceSum', ['x'], { attributes: { keepdims: int(0) } })],
  ['float[6*n]', (b) => b.node('Reshape', ['x', b.int64([-1])])],
  ['float[2*n,3]', (b) => b.node('Reshape', ['x', b.int64([-1, 3])])],
  ['float[n,2,3]', (b) => b.node('Reshape', ['x', b.int64([0, 2, 3])])],
  ['float[n,6]', (b) => b.node('Expand', [b.numbers('float', [1]), b.node('Shape', ['x'])])],
  ['bool[n,6]', (b) => b.node('Greater', ['x', b.scalar('float', 0)])],
  ['int64[n,6]', (b) => b.node('Cast', ['x'], { attributes: { to: int(7) } })],
  ['float[n,12]', (b) => b.node('Concat', ['x', 'x'], { attributes: { axis: int(1) } })],
  ['float[n,2]', (b) => b.node('Slice', ['x', b.int64([-2]), b.int64([2 ** 40]), b.int64([1])])],
  ['float[3,6]', (b) => b.node('ScatterND', ['k', b.int64([2], [1, 1]), b.zeros('float', [1, 6])])],
];

test.each(MADE)('inferTypes() says %s', (type, make) => {
  expect(typeOf(make)).toBe(type);
});

test('inferTypes() agrees with what ONNX Runtime computes', async () => {
  for (const [, make] of MADE) {
    const b = inputs();
    const y = make(b);
    const draft = b.finish('t', [{ name: y, type: 'float', shape: [] }]);
    const type = inferTypes(draft).get(y)!;
    const graph = { ...draft, outputs: [{ name: y, ...type }] };
    await using session = await openSession(encodeModel(graph));
    const fill = { x: new Float32Array(30), c: new BigInt64Array(10), k: new Float32Array(18) };
    const result = await session.run({
      x: { type: 'float', dims: [5, 6], data: fill.x },
      c: { type: 'int64', dims: [5, 2], data: fill.c },
      k: { type: 'float', dims: [3, 6], data: fill.k },
    });
    const concrete = type.shape.map((dim) => {
      const [factor, name] = String(dim).includes('*') ? String(dim).split('*') : ['1', dim];
      return name === 'n' ? Number(factor) * 5 : Number(name);
    });
    expect(result[y]).toMatchObject({ type: type.type, dims: concrete });
  }
});

test.each<[string, (b: GraphBuilder) => string]>([
  ['shapes [n,6] and [3,6], expected ones that broadcast', (b) => b.node('Add', ['x', 'k'])],
  ['types float and int64, expected one', (b) => b.node('Add', ['x', 'c'])],
  ['dimensions 6 and 3, expected equal ones', (b) => b.node('MatMul', ['x', 'k'])],
  ['axis 2, expected one of 2', (b) => b.node('ReduceSum', ['x', b.int64([2])])],
  ['no shape rule for this operator', (b) => b.node('Einsum', ['x'])],
  ['shape [n,6] into [4,-1]', (b) => b.node('Reshape', ['x', b.int64([4, -1])])],
  ['type bool, expected float or double', (b) => b.node('Exp', [b.node('IsNaN', ['x'])])],
])('inferTypes() refuses %s', (why, make) => {
  expect(() => typeOf(make)).toThrow(why);
});
