import { expect, test } from 'vitest';
import type { Graph } from '../../../common/onnx/graph.ts';
import { checkInert } from '../../../common/onnx/inert.ts';
import { type ModelInit, writeModel } from '../../../common/onnx/messages.ts';
import { encodeModel } from '../../../common/onnx/proto.ts';

const plain: Graph = {
  name: 'plain',
  inputs: [{ name: 's', type: 'string', shape: ['n'] }],
  outputs: [{ name: 'y', type: 'int64', shape: ['n'] }],
  initializers: {},
  nodes: [
    {
      op: 'LabelEncoder',
      domain: 'ai.onnx.ml',
      inputs: ['s'],
      outputs: ['y'],
      attributes: {
        keys_strings: { kind: 'strings', value: ['a'] },
        values_int64s: { kind: 'ints', value: [2] },
      },
    },
  ],
};
const write = (change: ModelInit): Uint8Array =>
  writeModel({ irVersion: 10n, opsetImport: [{ domain: '', version: 21n }], graph: {}, ...change });
const bytes = new Uint8Array([8, 1]);

test('checkInert() gives the graph of a model made here', () => {
  expect(checkInert(encodeModel(plain, { a: 'b' }))).toEqual({
    graph: plain,
    metadata: { a: 'b' },
  });
});

type Node = NonNullable<NonNullable<ModelInit['graph']>['node']>[number];
const withNode = (node: Node): Uint8Array => write({ graph: { node: [node] } });

test.each<[string, Uint8Array, string]>([
  [
    'a loop',
    withNode({ opType: 'Loop', output: ['y'] }),
    'node Loop → y, expected no control flow',
  ],
  ['If', withNode({ opType: 'If' }), 'no control flow'],
  ['random numbers', withNode({ opType: 'RandomNormal' }), 'no random numbers'],
  [
    'a contributed operator',
    withNode({ opType: 'MurmurHash3', domain: 'com.microsoft' }),
    'domain "com.microsoft"',
  ],
  ['a custom operator', withNode({ opType: 'Exec', domain: 'my.ops' }), 'domain "my.ops"'],
  [
    'a subgraph under another operator',
    withNode({ opType: 'Add', attribute: [{ name: 'body', type: 5, g: bytes }] }),
    'a graph in node Add',
  ],
  [
    'a list of subgraphs',
    withNode({ opType: 'Add', attribute: [{ name: 'bodies', type: 10, graphs: [bytes] }] }),
    'a graph in node Add',
  ],
  [
    'external data',
    write({
      graph: { initializer: [{ name: 'w', externalData: [{ key: 'location', value: '/x' }] }] },
    }),
    'data outside of the file for w',
  ],
  [
    'external data by location alone',
    write({ graph: { initializer: [{ name: 'w', dataLocation: 1 }] } }),
    'data outside of the file for w',
  ],
  [
    'external data in a constant node',
    withNode({
      opType: 'Constant',
      attribute: [
        { name: 'value', type: 4, t: { externalData: [{ key: 'location', value: 'x' }] } },
      ],
    }),
    'data outside of the file for a constant',
  ],
  ['functions', write({ functions: [bytes] }), 'functions of its own'],
  ['training info', write({ trainingInfo: [bytes] }), 'training info'],
  ['sparse constants', write({ graph: { sparseInitializer: [bytes] } }), 'sparse constants'],
  ['an operator set', write({ opsetImport: [{ domain: 'x.y', version: 1n }] }), 'domain "x.y"'],
  ['a field from the future', new Uint8Array([...write({}), 0xfa, 0x07, 1, 0]), 'field 127 in'],
])('checkInert() refuses %s', (_what, model, message) => {
  expect(() => checkInert(model)).toThrow(
    expect.objectContaining({ code: 'MODEL_INVALID', message: expect.stringContaining(message) }),
  );
});
