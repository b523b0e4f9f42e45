import { expect, test } from 'vitest';
import {
  applyStep,
  initState,
  parametersOf,
  placesOf,
  sumLength,
  type TrainState,
} from '../../../common/algorithm/gradients.ts';
import { type FeedTensor, openSession, type Session } from '../../../common/engine/onnx.ts';
import type { ModelSpec } from '../../../common/model/models.ts';
import { encodeModel } from '../../../common/onnx/proto.ts';
import { Philox } from '../../../common/random.ts';
import { buildModel } from '../../../coordinator/compile/model.ts';

const mlp: ModelSpec = { kind: 'mlp', hidden: [8, 4], categories: 'sum' };
const tensor = (dims: readonly number[], data: readonly number[]): FeedTensor => ({
  type: 'float',
  dims,
  data: Float32Array.from(data),
});
const codesOf = (columns: number, codes: readonly number[]): FeedTensor => ({
  type: 'int64',
  dims: [codes.length / columns, columns],
  data: BigInt64Array.from(codes, BigInt),
});
const open = (graph: Parameters<typeof encodeModel>[0]) => openSession(encodeModel(graph));

test('buildModel() lists parameters in the order of the layers', () => {
  const { parameters, step } = buildModel(mlp, { codeSizes: [3, 4], numbers: 2, label: 'binary' });
  expect(parameters.map(({ name, shape, table }) => [name, shape, table])).toEqual([
    ['categories', [7, 8], true],
    ['dense_0', [2, 8], false],
    ['bias_0', [8], false],
    ['dense_1', [8, 4], false],
    ['bias_1', [4], false],
    ['dense_2', [4, 1], false],
    ['bias_2', [1], false],
  ]);
  expect(step.outputs.map(({ name }) => name)).toEqual([
    'loss',
    ...parameters.map(({ name }) => `d_${name}`),
  ]);
});

test('buildModel() leaves out inputs without features, and refuses none at all', () => {
  const names = (codeSizes: number[], numbers: number) =>
    buildModel(mlp, { codeSizes, numbers, label: 'binary' }).forward.inputs.map((i) => i.name);
  expect(names([3], 0)).toEqual(expect.not.arrayContaining(['numbers', 'dense_0']));
  expect(names([], 2)).toEqual(expect.not.arrayContaining(['codes', 'categories']));
  expect(() => names([], 0)).toThrow('0 features');
});

test('buildModel() linear agrees with the figures worked out by hand', async () => {
  const { forward, step } = buildModel(
    { kind: 'linear' },
    { codeSizes: [2, 3], numbers: 1, label: 'binary' },
  );
  const parameters = {
    categories: tensor([5, 1], [0.1, 0.2, 0.3, 0.4, 0.5]),
    dense_0: tensor([1, 1], [2]),
    bias_0: tensor([1], [-0.5]),
  };
  // row 0: codes 1 and 2 are rows 1 and 4: 0.2 + 0.5 + 2·0.5 − 0.5 = 1.2; row 1: 0.1 + 0.3 − 2 − 0.5 = −2.1
  const rows = { codes: codesOf(2, [1, 2, 0, 0]), numbers: tensor([2, 1], [0.5, -1]) };
  const label = tensor([2], [1, 0]);
  const weight = tensor([2], [1, 2]);
  await using scoring = await open(forward);
  const { prediction } = await scoring.run({ ...rows, ...parameters });
  expect([...(prediction!.data as Float32Array)].map((p) => p.toFixed(6))).toEqual([
    '0.768525', // σ(1.2)
    '0.109097', // σ(−2.1)
  ]);
  await using training = await open(step);
  const results = await training.run({ ...rows, ...parameters, label, weight });
  const result = (name: string) => [...(results[name]!.data as Float32Array)];
  expect(result('loss')[0]).toBeCloseTo(0.263282 + 2 * 0.11552, 5); // softplus(−1.2), softplus(−2.1)
  const [d0, d1] = [0.7685248 - 1, 2 * 0.1090968]; // weight · (p − y)
  for (const [name, expected] of Object.entries({
    d_bias_0: [d0 + d1],
    d_dense_0: [0.5 * d0 - d1],
    d_categories: [d1, d0, d1, 0, d0],
  })) {
    expect(result(name).map((x) => x.toFixed(5))).toEqual(expected.map((x) => x.toFixed(5)));
  }
});

test('buildModel() step is finite for scores of any size, and a row of weight 0 changes nothing', async () => {
  const { step } = buildModel({ kind: 'linear' }, { codeSizes: [], numbers: 1, label: 'binary' });
  await using session = await open(step);
  const parameters = { dense_0: tensor([1, 1], [1]), bias_0: tensor([1], [0]) };
  const run = async (x: number[], y: number[], w: number[]) => {
    const feeds = { numbers: tensor([x.length, 1], x), label: tensor([x.length], y) };
    const results = await session.run({ ...feeds, weight: tensor([x.length], w), ...parameters });
    return Object.values(results).flatMap(({ data }) => [...(data as Float32Array)]);
  };
  const extreme = await run([-1e4, 1e4, -1e4, 1e4, 0], [0, 0, 1, 1, 1], [1, 1, 1, 1, 1]);
  const expected = [20000 + Math.LN2, 20000, -0.5]; // loss, Σ (σ(z) − y)·x, Σ σ(z) − y
  for (const [i, value] of extreme.entries()) expect(value).toBeCloseTo(expected[i]!, 2);
  expect(await run([0.3, 7, -2], [1, 0, 1], [1, 0, 0])).toEqual(
    await run([0.3, 0, 0], [1, 0, 0], [1, 0, 0]),
  );
});

test('buildModel() step gives the same bits in every session', async () => {
  const inputs = { codeSizes: [50, 20], numbers: 3, label: 'binary' } as const;
  const { parameters, step } = buildModel(mlp, inputs);
  const state = initState(parameters, { kind: 'adam', learningRate: 0.01 }, 3);
  const rows = sampleRows(128, inputs.codeSizes);
  const sums: Float32Array[] = [];
  for (let time = 0; time < 2; time++) {
    await using session = await open(step);
    for (let call = 0; call < 2; call++) sums.push(await sumOf(session, state, rows));
  }
  for (const sum of sums) expect(sum).toEqual(sums[0]);
});

test('a mlp learns what a linear model cannot: whether two codes are equal', async () => {
  const losses: Record<string, number> = {};
  for (const [name, spec] of [
    ['linear', { kind: 'linear' }],
    ['mlp', mlp],
  ] as const) {
    const codeSizes = [2, 2];
    const { parameters, step } = buildModel(spec, { codeSizes, numbers: 3, label: 'binary' });
    const state = initState(parameters, { kind: 'adam', learningRate: 0.02 }, 5);
    await using session = await open(step);
    const rows = sampleRows(128, codeSizes);
    let sum = new Float32Array();
    for (let i = 0; i < 200; i++) {
      sum = await sumOf(session, state, rows);
      applyStep(state, sum, 128);
    }
    losses[name] = sum.at(-2)! / sum.at(-1)!;
  }
  expect(losses.linear).toBeGreaterThan(0.5);
  expect(losses.mlp).toBeLessThan(0.1);
});

test('a regression learns labels of any size and offset with one learning rate', async () => {
  const errors: number[] = [];
  for (const { mean, std } of [
    { mean: 0, std: 1 },
    { mean: 250_000, std: 40_000 },
    { mean: -0.002, std: 0.00001 },
  ]) {
    const { parameters, step, forward } = buildModel(mlp, {
      codeSizes: [2, 2],
      numbers: 3,
      label: 'regression',
      labelScale: { mean, std },
    });
    const state = initState(parameters, { kind: 'adam', learningRate: 0.02 }, 5);
    const drawn = sampleRows(128, [2, 2]);
    const plain = [...(drawn.label.data as Float32Array)];
    const labels = plain.map((y) => mean + std * (2 * y - 1));
    const rows = { ...drawn, label: tensor([128], labels) };
    await using session = await open(step);
    for (let i = 0; i < 200; i++) applyStep(state, await sumOf(session, state, rows), 128);
    await using scoring = await open(forward);
    const values = parametersOf(state);
    const feeds: Record<string, FeedTensor> = { codes: rows.codes, numbers: rows.numbers };
    for (const { name, shape } of parameters)
      feeds[name] = { type: 'float', dims: shape, data: values[name]! };
    const { prediction } = await scoring.run(feeds);
    const squares = labels.map((y, i) => ((prediction!.data[i] as number) - y) ** 2);
    errors.push(squares.reduce((a, b) => a + b) / labels.length / std ** 2); // 1: says the mean
  }
  for (const error of errors) expect(error).toBeLessThan(0.02);
});

type Rows = Record<'codes' | 'numbers' | 'label' | 'weight', FeedTensor>;

/** Label: whether the first two codes are equal (mod 2). Numbers are noise. */
function sampleRows(count: number, codeSizes: readonly number[]): Rows {
  const random = new Philox(9, 'proof');
  const codes = Array.from({ length: count }, () => codeSizes.map((size) => random.below(size)));
  const label = codes.map(([a, b]) => (a! % 2 === b! % 2 ? 1 : 0));
  return {
    codes: codesOf(codeSizes.length, codes.flat()),
    numbers: tensor(
      [count, 3],
      Array.from({ length: 3 * count }, () => random.uniform() - 0.5),
    ),
    label: tensor([count], label),
    weight: tensor(
      [count],
      label.map(() => 1),
    ),
  };
}

async function sumOf(
  session: Session,
  state: TrainState,
  rows: Rows,
): Promise<Float32Array<ArrayBuffer>> {
  const feeds: Record<string, FeedTensor> = { ...rows };
  const values = parametersOf(state);
  for (const { name, shape } of state.parameters) {
    feeds[name] = { type: 'float', dims: shape, data: values[name]! };
  }
  const results = await session.run(feeds);
  const sum = new Float32Array(sumLength(state.parameters));
  for (const { parameter, start } of placesOf(state.parameters)) {
    sum.set(results[`d_${parameter.name}`]!.data as Float32Array, start);
  }
  sum.set([results.loss!.data[0] as number, rows.weight.data.length], sum.length - 2);
  return sum;
}
