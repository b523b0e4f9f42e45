import { expect, test } from 'vitest';
import { GraphBuilder, int } from '../../../common/onnx/build.ts';
import type { Graph } from '../../../common/onnx/graph.ts';
import { addGradients } from '../../../coordinator/compile/backward.ts';

/** Σ op(a·x): what is below the sum is up to the test. */
function lossOver(make: (b: GraphBuilder) => string): Graph {
  const b = new GraphBuilder();
  b.input('x', 'float', ['n', 3]);
  b.input('w', 'float', [3]);
  b.input('unused', 'float', [2, 2]);
  b.nodeNamed('loss', 'ReduceSum', [make(b)], { attributes: { keepdims: int(0) } });
  return b.finish('tried', [{ name: 'loss', type: 'float', shape: [] }]);
}

test('addGradients() names operator, node and path where a rule is missing', () => {
  const graph = lossOver((b) =>
    b.node('Exp', [b.node('Floor', [b.node('Mul', ['x', 'w'])], { name: 'cut' })]),
  );
  expect(() => addGradients(graph, { loss: 'loss', parameters: ['w'] })).toThrow(
    'Cannot derive gradients: Floor(mul) → cut: no gradient rule, on the path ReduceSum loss ← Exp exp ← Floor cut',
  );
});

test('addGradients() needs no rule beside the way to the parameters', () => {
  const graph = lossOver((b) => b.node('Mul', [b.node('Floor', ['x']), 'w']));
  const step = addGradients(graph, { loss: 'loss', parameters: ['w'] });
  expect(step.outputs.map(({ name }) => name)).toEqual(['loss', 'd_w']);
  // and computes nothing towards x
  expect(step.nodes.map(({ op }) => op).filter((op) => op === 'Mul').length).toBe(2);
});

test('addGradients() gives zeros for a parameter that the loss does not read', () => {
  const graph = lossOver((b) => b.node('Mul', ['x', 'w']));
  const step = addGradients(graph, { loss: 'loss', parameters: ['w', 'unused'] });
  expect(step.outputs.at(-1)).toEqual({ name: 'd_unused', type: 'float', shape: [2, 2] });
});

test('addGradients() refuses a loss that is no scalar', () => {
  const b = new GraphBuilder();
  b.input('w', 'float', [3]);
  b.nodeNamed('loss', 'Exp', ['w']);
  const graph = b.finish('vector', [{ name: 'loss', type: 'float', shape: [3] }]);
  expect(() => addGradients(graph, { loss: 'loss', parameters: ['w'] })).toThrow(
    'loss loss [3] of float, expected a scalar float',
  );
});
