// A third objective, three numbers wide: one file and one line, and everything that scores travel through takes it.
// Made up here and shown to no user: which of three colours, told by the share of rows whose highest score is right.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../../common/clock.ts';
import { openSession, type Session } from '../../../common/engine/onnx.ts';
import { LIMITS } from '../../../common/limits.ts';
import { areaWalk } from '../../../common/metric/curve.ts';
import { meanMetric } from '../../../common/metric/mean.ts';
import type { Metric } from '../../../common/metric/metric.ts';
import { METRICS, type MetricName } from '../../../common/metric/metrics.ts';
import type { Objective } from '../../../common/objective/objective.ts';
import { type LabelKind, OBJECTIVES } from '../../../common/objective/objectives.ts';
import {
  addValidation,
  summarizeValidation,
  validationLength,
  validationPartial,
} from '../../../common/objective/validation.ts';
import { int } from '../../../common/onnx/build.ts';
import { encodeModel } from '../../../common/onnx/proto.ts';
import { predictBatch } from '../../../common/predict/batch.ts';
import { listPredictions } from '../../../common/predict/prediction.ts';
import type { ProveProgram } from '../../../common/stage/prove.ts';
import type { Signature } from '../../../common/stage/terms.ts';
import type { Manifest } from '../../../common/wire/model.ts';
import { buildModel } from '../../../coordinator/compile/model.ts';
import { compareVersions } from '../../../coordinator/hearing/hearing.ts';
import { defaultPolicy } from '../../../coordinator/registry/gate.ts';
import { measure } from '../../../coordinator/stage/evaluate.ts';
import { Batcher } from '../../../gateway/batcher.ts';
import type { ModelFile } from '../../../gateway/files.ts';
import { checkFinite } from '../../../gateway/gateway.ts';
import { compareGolden } from '../../../gateway/swap.ts';
import { compareSides } from '../../../worker/stage/prove.ts';
import type { Outcome, Prepared } from '../../../worker/stage/runner.ts';
import workerThread from '../../../worker/thread.ts';
import { metricsOf } from '../../support/measure.ts';
import { TreeRuns } from '../../support/tree-runs.ts';

const WIDTH = 3;
const highest = (scores: Float32Array, at: number): number => {
  const own = scores.subarray(at, at + WIDTH);
  return own.indexOf(Math.max(...own));
};

/** The line of each table, and the file behind it. */
const topColour: Metric = meanMetric({
  title: 'top colour',
  better: 'higher',
  loss: (scores, at, label) => (highest(scores, at) === label ? 0 : 1),
  figure: (errors) => 1 - errors,
});
const redArea: Metric = {
  title: 'red AUC',
  better: 'higher',
  of: 'curve',
  column: 2,
  isPositive: (label) => label === 2,
  walk: areaWalk,
};
const NAMES = ['topColour', 'redArea'] as unknown as MetricName[];
const colours: Objective = {
  ...OBJECTIVES.binary,
  width: WIDTH,
  graph: {
    prediction: (b, z) =>
      b.nodeNamed('prediction', 'Softmax', [z], { attributes: { axis: int(1) } }),
    losses: (b, { score: z, label }) => {
      const column = b.node('Unsqueeze', [label, b.int64([1])]);
      const isIt = b.node('Equal', [column, b.numbers('float', [0, 1, 2])]);
      const wanted = b.node('Cast', [isIt], { attributes: { to: int(1) } });
      const each = b.node('Sub', [b.node('Softplus', [z]), b.node('Mul', [z, wanted])]);
      return b.node('ReduceSum', [each, b.int64([1])], { attributes: { keepdims: int(0) } });
    },
  },
  metrics: NAMES,
  lossMetric: NAMES[0]!,
  defaultGateMetric: NAMES[1]!,
  validation: {
    length: 2,
    add: (partial, { scores, labels, width }) => {
      labels.forEach((label, row) => {
        partial[0]! += highest(scores, row * width) === label ? 0 : 1;
      });
    },
    rank: null,
  },
  baseline: () => [1 / 3, 1 / 3, 1 / 3],
};
const label = 'colours' as LabelKind;
const signature: Signature = {
  label,
  inputs: [{ name: 'x', type: 'number' }],
  codes: [],
  numbers: [],
};

const folder = await mkdtemp(join(tmpdir(), 'gristmill-third-'));
beforeAll(() => {
  Object.assign(OBJECTIVES, { colours });
  Object.assign(METRICS, { topColour, redArea });
});
afterAll(async () => {
  for (const name of ['topColour', 'redArea']) Reflect.deleteProperty(METRICS, name);
  Reflect.deleteProperty(OBJECTIVES, 'colours');
  await rm(folder, { recursive: true });
});

test('buildModel() gives a step and a forward graph that run, three scores a row', async () => {
  const model = buildModel({ kind: 'linear' }, { codeSizes: [], numbers: 2, label });
  expect(model.forward.outputs).toEqual([{ name: 'prediction', type: 'float', shape: ['n', 3] }]);
  const tensor = (dims: number[], data: number[]) =>
    ({ type: 'float', dims, data: Float32Array.from(data) }) as const;
  const parameters = {
    dense_0: tensor([2, 3], [1, 0, -1, 0.5, 0, 2]),
    bias_0: tensor([3], [0, 0.1, 0]),
  };
  const numbers = tensor([2, 2], [1, 2, -1, 0.5]);
  await using forward = await openSession(encodeModel(model.forward));
  const { prediction } = await forward.run({ numbers, ...parameters }, ['prediction']);
  expect(prediction!.dims).toEqual([2, 3]);
  const rows = listPredictions(prediction!.data as Float32Array, WIDTH) as number[][];
  for (const row of rows) expect(row[0]! + row[1]! + row[2]!).toBeCloseTo(1, 6);

  await using step = await openSession(encodeModel(model.step));
  const weight = tensor([2], [1, 1]);
  const given = { numbers, label: tensor([2], [2, 0]), weight, ...parameters };
  const out = await step.run(given, ['loss', 'd_dense_0', 'd_bias_0']);
  const scores = [
    [2, 0.1, 3],
    [-0.75, 0.1, 2],
  ];
  const softplus = (z: number): number => Math.log1p(Math.exp(z));
  const loss = [2, 0].map((y, row) =>
    scores[row]!.reduce((sum, z, k) => sum + softplus(z) - (k === y ? z : 0), 0),
  );
  expect((out.loss!.data as Float32Array)[0]).toBeCloseTo(loss[0]! + loss[1]!, 4);
  const sigmoid = (z: number): number => 1 / (1 + Math.exp(-z));
  const biases = [0, 1, 2].map((k) =>
    [2, 0].reduce((sum, y, row) => sum + sigmoid(scores[row]![k]!) - Number(y === k), 0),
  );
  [...(out.d_bias_0!.data as Float32Array)].forEach((d, k) => {
    expect(d).toBeCloseTo(biases[k]!, 5);
  });
});

const random = (i: number): number => ((i * 7919) % 1013) / 1013;
const rows = Array.from({ length: 240 }, (_, i) => ({
  scores: [random(3 * i), random(3 * i + 1), random(3 * i + 2)].map(Math.fround),
  label: i % 3,
}));
const better = rows.map(({ scores, label }) => ({
  label,
  scores: scores.map((score, k) => Math.fround(k === label ? score + 0.2 : score)),
}));

test('scores of three numbers a row go through the tree of metrics and of a comparison', async () => {
  const run = async (method: string, args: Prepared): Promise<Outcome> =>
    (await workerThread({ method, args } as never)) as Outcome;
  const stage = new TreeRuns(folder, run);
  const scored = (all: typeof rows) =>
    Promise.all(Array.from({ length: 80 }, (_, i) => stage.scored(all.slice(3 * i, 3 * i + 3))));
  const [champion, challenger] = [await scored(rows), await scored(better)];
  const baseline = colours.baseline(0.5);
  const found = await measure(stage, {
    scores: champion,
    signature,
    slices: [],
    baseline,
    numerics: 'n',
  });
  const all = {
    width: WIDTH,
    scores: Float32Array.from(rows.flatMap(({ scores }) => scores)),
    labels: Float32Array.from(rows, ({ label }) => label),
  };
  const direct = metricsOf(NAMES, all) as Record<string, number>;
  expect(found.rows).toBe(240);
  expect(found.metrics.topColour).toBeCloseTo(direct.topColour!, 12);
  expect(found.metrics.redArea).toBe(direct.redArea);
  expect(found.baseline.redArea).toBe(0.5);
  const right = rows.filter(({ scores, label }) => scores.indexOf(Math.max(...scores)) === label);
  expect(direct.topColour).toBeCloseTo(right.length / 240, 12);

  const candidate = { signature, lineage: { seed: 1 } } as unknown as Manifest;
  for (const metric of NAMES) {
    const change = { metric, min: 0, confidence: 0.95 };
    const of = { champion, challenger, change, candidate, numerics: 'n' };
    const { change: gain, low } = await compareVersions(stage, of);
    expect(gain, metric).toBeGreaterThan(0.05);
    expect(low).toBeLessThan(gain);
  }
  expect(defaultPolicy(label).change?.metric).toBe('redArea');
});

test('validation partials add up whatever the width is', () => {
  const part = (from: number, to: number) =>
    validationPartial(label, {
      scores: Float32Array.from(rows.slice(from, to).flatMap(({ scores }) => scores)),
      labels: Float32Array.from(rows.slice(from, to), ({ label }) => label),
    });
  const [left, right] = [part(0, 100), part(100, 240)];
  const sum = new Float64Array(validationLength(label));
  addValidation(sum, left, right);
  const { loss, auc } = summarizeValidation(label, sum);
  expect([sum[1], auc]).toEqual([240, null]);
  expect(loss).toBeCloseTo(summarizeValidation(label, part(0, 240)).loss!, 12);
});

/** A model that says x, 2x and 3x. */
const session = {
  run: async (feeds: Record<string, { data: Float64Array }>) => ({
    prediction: { data: Float32Array.from([...feeds.x!.data].flatMap((x) => [x, 2 * x, 3 * x])) },
  }),
} as unknown as Session;
const batchOf = (...x: number[]) => ({
  rows: x.length,
  columns: { x: Float64Array.from(x) },
  ignoredFields: 0,
});

test('predictBatch() gives rows × width, and answers and golden rows hold a list a row', async () => {
  const x = Array.from({ length: LIMITS.scoringRows + 5 }, (_, i) => i);
  const { width, predictions } = await predictBatch(session, signature, batchOf(...x));
  expect([width, predictions.length]).toEqual([WIDTH, WIDTH * x.length]);
  const list = listPredictions(predictions, width);
  expect(list.at(-1)).toEqual([36, 72, 108]);
  expect(listPredictions(predictions.subarray(0, 3), 1)).toEqual([0, 0, 0]);
  const golden = {
    formatVersion: 1,
    rows: list.map((prediction) => ({ row: {}, prediction })),
  } as const;
  compareGolden(golden, predictions);
  const off = predictions.slice();
  off[7]! += 1;
  expect(() => compareGolden(golden, off)).toThrow('golden row 2 gives 2,5,6, expected 2,4,6');
  off[7] = Number.NaN;
  expect(() => checkFinite(off, { model: 'm', version: 1, width })).toThrow(
    'row 2 with m version 1: it gives NaN',
  );
});

test('a batch of the gateway gives each request its own rows', async () => {
  const file = { sha256: 'f', path: 'f', signature } as ModelFile;
  const batcher = new Batcher({
    isFree: () => true,
    send: async (_file, batch) => (await predictBatch(session, signature, batch)).predictions,
    callRowsMax: 10,
    waitingRowsMax: 10,
    waitMsMax: 1000,
    clock: systemClock,
  });
  const [one, two] = await Promise.all([
    batcher.predict(file, batchOf(1, 2)),
    batcher.predict(file, batchOf(5)),
  ]);
  expect(listPredictions(one!, WIDTH)).toEqual([
    [1, 2, 3],
    [2, 4, 6],
  ]);
  expect(listPredictions(two!, WIDTH)).toEqual([[5, 10, 15]]);
});

test('a proof compares every number of a prediction', () => {
  const side = (...predictions: number[]) => ({
    codes: [],
    numbers: [],
    predictions: Float32Array.from(predictions),
  });
  const program = { signature } as ProveProgram;
  const batch = side(1, 2, 3, 4, 5, 6);
  expect(compareSides(program, [10, 20], { batch, serving: batch, pieces: [] })).toEqual({
    differences: [],
    maxDifference: 0,
  });
  const { differences } = compareSides(program, [10, 20], {
    batch,
    serving: side(1, 2, 3, 4, 5, 7),
    pieces: [],
  });
  expect(differences).toEqual([{ row: 20, feature: 'prediction', batch: 6, serving: 7 }]);
});
