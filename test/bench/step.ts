// How fast one thread trains: rows a second of the step graph, milliseconds of the optimizer.
// In: rows a call (default 128, a lane's share of 4,096). Out: figures; the ratio says what an optimizer step costs beside its gradients.
// The shape is that of the flights example: 5 categories of 674 codes in all, 1 number, 128 → 64 → 1.
import {
  addGradients,
  applyStep,
  initState,
  parametersOf,
  placesOf,
  stateDigest,
  sumLength,
} from '../../common/algorithm/gradients.ts';
import { type FeedTensor, openSession } from '../../common/engine/onnx.ts';
import { encodeModel } from '../../common/onnx/proto.ts';
import { Philox } from '../../common/random.ts';
import { buildModel } from '../../coordinator/compile/model.ts';
import type { Bench } from './bench.ts';

/** One call of the step graph over `rows` rows, and what follows it once a step. Milliseconds, medians. */
export async function measureStep(rows: number) {
  const codeSizes = [24, 7, 41, 301, 301];
  const { parameters, step } = buildModel(
    { kind: 'mlp', hidden: [128, 64], categories: 'sum' },
    { codeSizes, numbers: 1, label: 'binary' },
  );
  const state = initState(parameters, { kind: 'adam', learningRate: 0.002 }, 1);
  const sum = new Float32Array(sumLength(parameters));
  const random = new Philox(1, 'proof');

  const float = (dims: readonly number[], data: Float32Array): FeedTensor => ({
    type: 'float',
    dims,
    data,
  });
  const codes = BigInt64Array.from({ length: 5 * rows }, (_, i) =>
    BigInt(random.below(codeSizes[i % 5]!)),
  );
  const feeds: Record<string, FeedTensor> = {
    codes: { type: 'int64', dims: [rows, 5], data: codes },
    numbers: float(
      [rows, 1],
      Float32Array.from({ length: rows }, () => random.uniform()),
    ),
    label: float(
      [rows],
      Float32Array.from({ length: rows }, () => random.below(2)),
    ),
    weight: float([rows], new Float32Array(rows).fill(1)),
  };
  // gradients are written where they belong in the flat sum: no copy
  const outputs: Record<string, FeedTensor> = { loss: float([], sum.subarray(-2, -1)) };
  const values = parametersOf(state);
  for (const { parameter, start, end } of placesOf(parameters)) {
    feeds[parameter.name] = float(parameter.shape, values[parameter.name]!);
    outputs[`d_${parameter.name}`] = float(parameter.shape, sum.subarray(start, end));
  }

  await using session = await openSession(encodeModel(step));
  const graphMs = await medianMs(async () => void (await session.run(feeds, outputs)));
  sum[sum.length - 1] = rows;
  const other = sum.slice();
  return {
    weights: state.weights.length,
    graphMs,
    addMs: await medianMs(() => void addGradients(other, other, sum)),
    stepMs: await medianMs(() => applyStep(state, sum, rows)),
    digestMs: await medianMs(() => void stateDigest(state)),
  };
}

export const runBench: Bench = async ({ args }) => {
  const rows = Number(args[0] ?? 128);
  const measured = await measureStep(rows);
  const rowsPerSecond = (1000 * rows) / measured.graphMs;
  const { graphMs, addMs, stepMs } = measured;
  const graphsMs = graphMs * (4096 / rows);
  return {
    figures: { rows, rowsPerSecond, ...measured },
    ratios: { aroundGraphs: (addMs * (4096 / rows) + stepMs) / graphsMs },
  };
};

async function medianMs(run: () => void | Promise<void>): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < 1000; i++) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return times.sort((a, b) => a - b)[500]!;
}
