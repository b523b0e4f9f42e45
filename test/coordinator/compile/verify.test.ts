import { expect, test } from 'vitest';
import { GraphBuilder } from '../../../common/onnx/build.ts';
import type { Graph } from '../../../common/onnx/graph.ts';
import { verifyGraph } from '../../../coordinator/compile/verify.ts';

const good: Graph = {
  name: 'good',
  inputs: [{ name: 'x', type: 'float', shape: ['n', 2] }],
  outputs: [{ name: 'y', type: 'float', shape: ['n', 2] }],
  initializers: {},
  nodes: [
    { op: 'Exp', inputs: ['x'], outputs: ['e'] },
    { op: 'Neg', inputs: ['e'], outputs: ['y'] },
  ],
};

test('verifyGraph() gives the types of all values', () => {
  const types = verifyGraph(good, { after: 'nothing' });
  expect(types.get('e')).toEqual({ type: 'float', shape: ['n', 2] });
});

test('verifyGraph() tells values made twice, too late or not at all', () => {
  const verify = (graph: Graph) => () => verifyGraph(graph, { after: 'a rewrite' });
  expect(verify({ ...good, nodes: [...good.nodes, good.nodes[0]!] })).toThrow(
    'Cannot accept graph after a rewrite: e is made twice, expected once',
  );
  expect(verify({ ...good, nodes: good.nodes.toReversed() })).toThrow(
    'Neg uses e, expected a value',
  );
  expect(verify({ ...good, nodes: good.nodes.slice(0, 1) })).toThrow('output y is nothing');
});

test('verifyGraph() names the node with its inputs and who made it', () => {
  const b = new GraphBuilder();
  b.input('x', 'float', ['n', 2]);
  b.input('k', 'float', [3]);
  const y = b.madeBy('rule Mul of z', () => b.node('Add', ['x', 'k']));
  const graph = b.finish('bad', [{ name: y, type: 'float', shape: ['n', 2] }]);
  expect(() => verifyGraph(graph, { after: 'backward of m', origins: b.origins })).toThrow(
    'Cannot accept graph after backward of m: Cannot infer shapes of Add(x float[n,2], k float[3]) → add: ' +
      'shapes [n,2] and [3], expected ones that broadcast (made by rule Mul of z)',
  );
});

test('verifyGraph() compares outputs with what is computed', () => {
  const outputs = [{ name: 'y', type: 'double', shape: ['n', 2] }] as const;
  expect(() => verifyGraph({ ...good, outputs }, { after: 'x' })).toThrow(
    'output y is float[n,2], expected double[n,2]',
  );
});
