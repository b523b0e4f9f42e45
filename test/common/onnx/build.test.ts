import { expect, test } from 'vitest';
import { GraphBuilder } from '../../../common/onnx/build.ts';

const output = (name: string) => ({ name, type: 'float', shape: ['n'] }) as const;

test('GraphBuilder gives every value a name of its own', () => {
  const b = new GraphBuilder();
  b.input('exp', 'float', ['n']);
  const names = [
    b.node('Exp', ['exp']),
    b.node('Exp', ['exp']),
    b.node('Neg', ['exp'], { name: 'exp' }),
  ];
  expect(names).toEqual(['exp_1', 'exp_2', 'exp_3']);
  expect(() => b.input('exp_1', 'float', [])).toThrow('Cannot name input: exp_1');
  expect(() => b.nodeNamed('exp', 'Neg', ['exp'])).toThrow('Cannot name output: exp');
});

test('GraphBuilder shares equal constants, by bits', () => {
  const b = new GraphBuilder();
  expect(b.scalar('float', 0)).toBe(b.scalar('float', 0));
  const names = [b.scalar('float', 0), b.scalar('float', -0), b.scalar('double', 0), b.int64([0])];
  expect(new Set(names).size).toBe(4);
  expect(b.numbers('float', [0])).not.toBe(b.scalar('float', 0)); // another shape
});

test('GraphBuilder finish() drops what no output needs and keeps inputs', () => {
  const b = new GraphBuilder();
  b.input('x', 'float', ['n']);
  b.input('idle', 'float', ['n']);
  b.node('Add', ['x', b.scalar('float', 7)]);
  const y = b.node('Neg', ['x']);
  const graph = b.finish('g', [output(y)]);
  expect(graph.nodes.map(({ op }) => op)).toEqual(['Neg']);
  expect(graph.initializers).toEqual({});
  expect(graph.inputs.map(({ name }) => name)).toEqual(['x', 'idle']);
});

test('GraphBuilder goes on from a graph', () => {
  const first = new GraphBuilder();
  first.input('x', 'float', ['n']);
  const y = first.node('Neg', ['x']);
  const b = new GraphBuilder(first.finish('g', [output(y)]));
  const z = b.madeBy('a test', () => b.node('Neg', [y]));
  expect(z).toBe('neg_1');
  expect(b.origins.get(z)).toBe('a test');
  expect(b.finish('h', [output(z)]).nodes.length).toBe(2);
});
