import fc from 'fast-check';
import { expect, test } from 'vitest';
import { openSession } from '../../../common/engine/onnx.ts';
import type { Attribute, Graph, Tensor } from '../../../common/onnx/graph.ts';
import { decodeModel, encodeModel } from '../../../common/onnx/proto.ts';

const text = fc.string({ unit: 'binary' }); // well-formed UTF-16, with NUL, BOM and astral characters
const name = fc.string({ minLength: 1, unit: 'binary' }).filter((s) => s !== '__proto__');
const float32 = fc.float({ noNaN: false });
const int = fc.maxSafeInteger();
const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });

const tensor: fc.Arbitrary<Tensor> = fc
  .record({ rows: fc.nat(3), columns: fc.nat(3) })
  .chain(({ rows, columns }) => {
    const dims = [rows, columns];
    const of = <T>(value: fc.Arbitrary<T>) =>
      fc.array(value, { minLength: rows * columns, maxLength: rows * columns });
    return fc.oneof<fc.Arbitrary<Tensor>[]>(
      of(float32).map((d) => ({ type: 'float', dims, data: new Float32Array(d) })),
      of(fc.double()).map((d) => ({ type: 'double', dims, data: new Float64Array(d) })),
      of(int64).map((d) => ({ type: 'int64', dims, data: new BigInt64Array(d) })),
      of(fc.integer()).map((d) => ({ type: 'int32', dims, data: new Int32Array(d) })),
      of(fc.nat(1)).map((d) => ({ type: 'bool', dims, data: new Uint8Array(d) })),
      of(text).map((data) => ({ type: 'string', dims, data })),
    );
  });

const attribute: fc.Arbitrary<Attribute> = fc.oneof(
  fc.record({ kind: fc.constant('int' as const), value: int }),
  fc.record({ kind: fc.constant('float' as const), value: float32 }),
  fc.record({ kind: fc.constant('string' as const), value: text }),
  fc.record({ kind: fc.constant('ints' as const), value: fc.array(int) }),
  fc.record({ kind: fc.constant('floats' as const), value: fc.array(float32) }),
  fc.record({ kind: fc.constant('strings' as const), value: fc.array(text) }),
  fc.record({ kind: fc.constant('tensor' as const), value: tensor }),
);

const valueInfo = fc.record({
  name,
  type: fc.constantFrom('float', 'double', 'int64', 'int32', 'string', 'bool'),
  shape: fc.array(fc.oneof(fc.nat(), name), { maxLength: 3 }),
});
const dictionary = <T>(value: fc.Arbitrary<T>) =>
  fc.dictionary(name, value, { maxKeys: 3, noNullPrototype: true });
const graph: fc.Arbitrary<Graph> = fc.record({
  name: text,
  inputs: fc.array(valueInfo, { maxLength: 3 }),
  outputs: fc.array(valueInfo, { maxLength: 3 }),
  initializers: dictionary(tensor),
  nodes: fc.array(
    fc
      .record({
        op: name,
        domain: fc.constantFrom('', 'ai.onnx.ml'),
        inputs: fc.array(text, { maxLength: 3 }),
        outputs: fc.array(name, { maxLength: 3 }),
        attributes: dictionary(attribute),
      })
      .map(({ domain, attributes, ...node }) => ({
        ...node,
        ...(domain ? { domain } : {}),
        ...(Object.keys(attributes).length > 0 ? { attributes } : {}),
      })),
    { maxLength: 4 },
  ),
});

test('decodeModel() gives back what encodeModel() wrote', () => {
  fc.assert(
    fc.property(graph, dictionary(text), (graph, metadata) => {
      expect(decodeModel(encodeModel(graph, metadata))).toEqual({ graph, metadata });
    }),
    { numRuns: 200 }, // a failure prints its seed
  );
});

test('encodeModel() gives the same bytes whatever the order of insertion', () => {
  fc.assert(
    fc.property(graph, (graph) => {
      const reversed = {
        ...graph,
        initializers: Object.fromEntries(Object.entries(graph.initializers).reverse()),
      };
      expect(encodeModel(reversed)).toEqual(encodeModel(graph));
    }),
    { numRuns: 50 },
  );
});

test('decodeModel() says MODEL_INVALID for bytes that are no model', () => {
  const bytes = encodeModel(adder);
  expect(() => decodeModel(bytes.subarray(0, bytes.length - 1))).toThrow(/Cannot read model/);
  expect(() => decodeModel(new Uint8Array())).toThrow(/no graph/);
});

test('encodeModel() refuses a constant whose data does not fill its shape', () => {
  const data = new Float32Array(3);
  const wrong: Graph = { ...adder, initializers: { k: { type: 'float', dims: [2], data } } };
  expect(() => encodeModel(wrong)).toThrow('tensor k [2] has 3 elements, expected 2');
});

test('encodeModel() writes what ONNX Runtime loads and runs', async () => {
  await using session = await openSession(encodeModel(adder, { made: 'here' }));
  const x = { type: 'float', dims: [2, 2], data: Float32Array.of(1, 2, 3, 4) } as const;
  const { y } = await session.run({ x });
  expect(y).toEqual({ type: 'float', dims: [2, 2], data: Float32Array.of(11, 22, 13, 24) });
});

const adder: Graph = {
  name: 'adder',
  inputs: [{ name: 'x', type: 'float', shape: ['n', 2] }],
  outputs: [{ name: 'y', type: 'float', shape: ['n', 2] }],
  initializers: { k: { type: 'float', dims: [2], data: Float32Array.of(10, 20) } },
  nodes: [{ op: 'Add', inputs: ['x', 'k'], outputs: ['y'] }],
};
