import { expect, test } from 'vitest';
import { type FeedTensor, openSession } from '../../../common/engine/onnx.ts';
import type { Graph } from '../../../common/onnx/graph.ts';
import { encodeModel } from '../../../common/onnx/proto.ts';

const column = (data: readonly number[]): FeedTensor => ({
  type: 'float',
  dims: [data.length],
  data: new Float32Array(data),
});

test('openSession() run() fills the tensors it is given', async () => {
  await using session = await openSession(encodeModel(twice));
  const y = column([0, 0]);
  const results = await session.run({ x: column([1, 2]), s: strings }, { y });
  expect(results.y).toBe(y);
  expect([...y.data]).toEqual([2, 4]);
});

test('openSession() run() reads and writes views of a larger array', async () => {
  await using session = await openSession(encodeModel(twice));
  const flat = Float32Array.of(9, 1, 2, 9, 9, 9);
  const view = (from: number) => ({ ...column([0, 0]), data: flat.subarray(from, from + 2) });
  await session.run({ x: view(1), s: strings }, { y: view(3) });
  expect([...flat]).toEqual([9, 1, 2, 2, 4, 9]);
});

test('openSession() run() computes only the outputs that are named', async () => {
  await using session = await openSession(encodeModel(twice));
  expect(session.inputNames).toEqual(['x', 's']);
  expect(session.outputNames).toEqual(['y', 't']);
  const results = await session.run({ x: column([1]), s: strings }, ['t']);
  expect(results).toEqual({ t: strings });
});

test('openSession() says MODEL_INVALID for bytes that do not load', async () => {
  await expect(openSession(new Uint8Array([1, 2, 3]))).rejects.toMatchObject({
    code: 'MODEL_INVALID',
  });
});

test('openSession() run() says INTERNAL for a feed of another type', async () => {
  await using session = await openSession(encodeModel(twice));
  await expect(session.run({ x: strings, s: strings })).rejects.toMatchObject({
    code: 'INTERNAL',
    message: expect.stringContaining('Cannot run model'),
  });
});

const strings: FeedTensor = { type: 'string', dims: [2], data: ['a', '\ufeffb'] };
const twice: Graph = {
  name: 'twice',
  inputs: [
    { name: 'x', type: 'float', shape: ['n'] },
    { name: 's', type: 'string', shape: ['m'] },
  ],
  outputs: [
    { name: 'y', type: 'float', shape: ['n'] },
    { name: 't', type: 'string', shape: ['m'] },
  ],
  initializers: {},
  nodes: [
    { op: 'Add', inputs: ['x', 'x'], outputs: ['y'] },
    { op: 'Identity', inputs: ['s'], outputs: ['t'] },
  ],
};
