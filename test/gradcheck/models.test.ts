import { expect, test } from 'vitest';
import type { Feeds, FeedTensor } from '../../common/engine/onnx.ts';
import type { ModelSpec } from '../../common/model/models.ts';
import { prune } from '../../common/onnx/build.ts';
import type { Graph } from '../../common/onnx/graph.ts';
import { Philox } from '../../common/random.ts';
import { buildModel, type ModelInputs } from '../../coordinator/compile/model.ts';
import { compareGradients, inDouble } from './check.ts';

const linear: ModelSpec = { kind: 'linear' };
const mlp: ModelSpec = { kind: 'mlp', hidden: [5, 4], categories: 'sum' };
const CASES: readonly (readonly [string, ModelSpec, ModelInputs])[] = [
  ['linear, binary', linear, { codeSizes: [3, 4], numbers: 2, label: 'binary' }],
  ['linear, regression, codes alone', linear, { codeSizes: [3], numbers: 0, label: 'regression' }],
  ['linear, binary, numbers alone', linear, { codeSizes: [], numbers: 3, label: 'binary' }],
  ['mlp, binary', mlp, { codeSizes: [3, 4, 2], numbers: 2, label: 'binary' }],
  ['mlp, regression', mlp, { codeSizes: [3, 4], numbers: 2, label: 'regression' }],
  [
    'mlp, regression, a scaled label',
    mlp,
    { codeSizes: [3], numbers: 2, label: 'regression', labelScale: { mean: 3, std: 0.5 } },
  ],
  ['mlp, binary, codes alone', mlp, { codeSizes: [6], numbers: 0, label: 'binary' }],
  ['mlp, regression, numbers alone', mlp, { codeSizes: [], numbers: 3, label: 'regression' }],
];

test.each(CASES)(
  'buildModel() gradients agree with central differences: %s',
  async (_, spec, of) => {
    const { parameters, step } = buildModel(spec, of);
    const forward = inDouble(lossOf(step));
    const feeds = feedsOf(forward, of, 6);
    const names = parameters.map(({ name }) => name);
    const compared = await compareGradients(forward, feeds, names);
    for (const [name, { derived, measured }] of Object.entries(compared)) {
      expect(derived.some((value) => value !== 0)).toBe(true);
      for (const [i, d] of derived.entries()) {
        const off = Math.abs(d - measured[i]!);
        expect(off, `${name}[${i}]: ${d} derived, ${measured[i]} measured`).toBeLessThan(
          1e-6 * Math.max(1, Math.abs(d)),
        );
      }
    }
  },
);

/** The part of a step graph that computes the loss. */
const lossOf = (step: Graph): Graph =>
  prune({ ...step, outputs: step.outputs.filter(({ name }) => name === 'loss') });

/** Random values; the last row has weight 0, as padding has. */
function feedsOf(graph: Graph, { codeSizes, label }: ModelInputs, rows: number): Feeds {
  const random = new Philox(11, 'proof');
  const feeds: Record<string, FeedTensor> = {};
  for (const { name, shape } of graph.inputs) {
    const dims = shape.map((dim) => (dim === 'n' ? rows : Number(dim)));
    const count = dims.reduce((a, b) => a * b, 1);
    if (name === 'codes') {
      const data = BigInt64Array.from({ length: count }, (_, i) =>
        BigInt(random.below(codeSizes[i % codeSizes.length]!)),
      );
      feeds[name] = { type: 'int64', dims, data };
      continue;
    }
    const draw = (i: number): number => {
      if (name === 'label' && label === 'binary') return random.below(2);
      if (name === 'weight') return i === rows - 1 ? 0 : 1;
      return random.uniform() * 2 - 1;
    };
    const data = Float64Array.from({ length: count }, (_, i) => draw(i));
    feeds[name] = { type: 'double', dims, data };
  }
  return feeds;
}
