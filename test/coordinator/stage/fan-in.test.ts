// Metrics and comparisons of many parts, by the real drivers and runners, against all rows in one memory.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { TaskId } from '../../../common/ids.ts';
import { LIMITS } from '../../../common/limits.ts';
import { constantScores } from '../../../common/metric/measure.ts';
import type { MetricName } from '../../../common/metric/metrics.ts';
import { type LabelKind, OBJECTIVES } from '../../../common/objective/objectives.ts';
import { Philox } from '../../../common/random.ts';
import type { Manifest } from '../../../common/wire/model.ts';
import type { ResultRef } from '../../../common/wire/task.ts';
import { compareVersions } from '../../../coordinator/hearing/hearing.ts';
import { measure } from '../../../coordinator/stage/evaluate.ts';
import { type Compute, groupsOf, mergeTree } from '../../../coordinator/stage/fan-in.ts';
import type { Outcome, Prepared } from '../../../worker/stage/runner.ts';
import workerThread from '../../../worker/thread.ts';
import { compareScores, metricsOf } from '../../support/measure.ts';
import { TreeRuns } from '../../support/tree-runs.ts';

const folder = await mkdtemp(join(tmpdir(), 'gristmill-tree-'));
afterAll(() => rm(folder, { recursive: true }));
const seed = Number(process.env.SEED ?? 1);

const run = async (method: string, args: Prepared): Promise<Outcome> =>
  (await workerThread({ method, args } as never)) as Outcome;

type Row = { readonly a: number; readonly b: number; readonly label: number };

function sample(label: LabelKind, rows: number): Row[] {
  const random = new Philox(seed, 'order', 'fan-in test');
  return Array.from({ length: rows }, () => {
    const y = label === 'binary' ? Number(random.uniform() < 0.4) : 20 * random.uniform() - 5;
    const shared = y + 2 * random.uniform();
    const noisy = (amount: number): number => {
      const x = (shared + amount * random.uniform()) / (label === 'binary' ? 4 : 1);
      return Math.fround(Math.round(x * 50) / 50);
    };
    return { a: noisy(1), b: noisy(0.7), label: Math.fround(y) };
  });
}

/** `count` parts of a few rows each; every fifth has none. */
function split(rows: readonly Row[], count: number): (readonly Row[])[] {
  const full = Array.from({ length: count }, (_, i) => i).filter((i) => i % 5 !== 4);
  const size = Math.ceil(rows.length / full.length);
  return Array.from({ length: count }, (_, i) => {
    const at = full.indexOf(i);
    return at < 0 ? [] : rows.slice(at * size, (at + 1) * size);
  });
}

async function throughTree(
  label: LabelKind,
  parts: readonly (readonly Row[])[],
  metrics: readonly MetricName[],
) {
  const name = `${label}-${parts.length}`;
  const stage = new TreeRuns(await mkdtemp(join(folder, name)), run);
  const scored = (side: 'a' | 'b'): Promise<ResultRef[]> =>
    Promise.all(
      parts.map((rows) =>
        stage.scored(rows.map((row) => ({ scores: [row[side]], label: row.label }))),
      ),
    );
  const [champion, challenger] = [await scored('a'), await scored('b')];
  const signature = { label, inputs: [], codes: [], numbers: [] };
  const evaluation = await measure(stage, {
    scores: champion,
    signature,
    slices: [],
    baseline: [0.5],
    numerics: 'n',
  });
  const candidate = { signature, lineage: { seed } } as unknown as Manifest;
  const comparisons = [];
  for (const metric of metrics) {
    const change = { metric, min: 0, confidence: 0.95 };
    comparisons.push(
      await compareVersions(stage, { champion, challenger, change, candidate, numerics: 'n' }),
    );
  }
  return { evaluation, comparisons, inputs: stage.inputs };
}

function direct(label: LabelKind, rows: readonly Row[], metrics: readonly MetricName[]) {
  const names = OBJECTIVES[label].metrics;
  const column = (side: keyof Row): Float32Array => Float32Array.from(rows, (row) => row[side]);
  const labels = column('label');
  const all = { width: 1, labels };
  return {
    evaluation: {
      rows: rows.length,
      metrics: metricsOf(names, { ...all, scores: column('a') }),
      baseline: metricsOf(names, { ...all, scores: constantScores([0.5], rows.length) }),
      slices: {},
    },
    comparisons: metrics.map((metric) => ({
      ...compareScores({
        ...all,
        metric,
        confidence: 0.95,
        seed,
        champion: column('a'),
        challenger: column('b'),
      }),
      metric,
      confidence: 0.95,
    })),
  };
}

test.each([
  ['binary', ['auc', 'logLoss', 'brier', 'accuracy']],
  ['regression', ['r2', 'mse', 'mae']],
] as const)(
  '%s: up to 64 parts give the bits of all rows in one memory',
  async (label, metrics) => {
    const rows = sample(label, 400);
    for (const count of [1, 7, LIMITS.fanIn]) {
      const { evaluation, comparisons } = await throughTree(label, split(rows, count), metrics);
      expect({ evaluation, comparisons }).toEqual(direct(label, rows, metrics));
    }
  },
);

test.each([
  ['binary', ['auc', 'logLoss']],
  ['regression', ['mse']],
] as const)('%s: 150 parts give the same change and bounds', async (label, metrics) => {
  const rows = sample(label, 600);
  const { evaluation, comparisons } = await throughTree(label, split(rows, 150), metrics);
  const expected = direct(label, rows, metrics);
  if (label === 'binary') expect(evaluation.metrics.auc).toBe(expected.evaluation.metrics.auc);
  for (const [i, found] of comparisons.entries()) {
    for (const key of ['champion', 'challenger', 'change', 'low', 'high'] as const) {
      expect(found[key], key).toBeCloseTo(expected.comparisons[i]![key], 11);
    }
    expect(found.rows).toBe(600);
  }
});

test('r2: 150 parts draw other replicates, and bound as widely', async () => {
  const rows = sample('regression', 600);
  const { comparisons } = await throughTree('regression', split(rows, 150), ['r2']);
  const [expected] = direct('regression', rows, ['r2']).comparisons;
  const [found] = comparisons;
  expect(found!.change).toBeCloseTo(expected!.change, 12);
  expect((found!.high - found!.low) / (expected!.high - expected!.low)).toBeCloseTo(1, 0);
});

test('no message of 20,000 parts names more than two fan-ins of tasks', async () => {
  const inputs: { readonly tasks: number; readonly bytes: number }[] = [];
  let held = 0;
  type Asked = Parameters<Compute['compute']>[0];
  const refs = async ({ inputs: asked }: Asked): Promise<ResultRef[]> => {
    for (const input of asked) {
      const tasks = input.kind === 'results' ? input.tasks.length : 0;
      inputs.push({ tasks, bytes: JSON.stringify(input).length });
    }
    return refsOf(asked.length);
  };
  const stage: Compute = {
    refs,
    compute: async <R>(of: Asked) => {
      held = Math.max(held, of.inputs.length);
      return { refs: await refs(of), results: of.inputs.map(() => ({ curve: {} }) as R) };
    },
  };
  const signature = { label: 'binary', inputs: [], codes: [], numbers: [] } as const;
  const scores = refsOf(20_000);
  await measure(stage, { scores, signature, slices: [], baseline: [0.5], numerics: 'n' });
  const candidate = { signature, lineage: { seed } } as unknown as Manifest;
  const change = { metric: 'auc', min: 0, confidence: 0.95 };
  await compareVersions(stage, {
    champion: scores,
    challenger: scores,
    change,
    candidate,
    numerics: 'n',
  });
  await mergeTree(stage, scores, { numerics: 'n', program: () => ({}) as never });
  expect(Math.max(...inputs.map(({ tasks }) => tasks))).toBe(2 * LIMITS.fanIn);
  expect(Math.max(...inputs.map(({ bytes }) => bytes))).toBeLessThan(LIMITS.taskBytesMax / 10);
  expect(held).toBe(1); // results: of the root alone
});

test('groupsOf() keeps the order, and gives nothing a group of its own', () => {
  expect(groupsOf([1, 2, 3, 4, 5], 2)).toEqual([[1, 2], [3, 4], [5]]);
  expect(groupsOf([], 2)).toEqual([[]]);
});

const refsOf = (count: number): ResultRef[] =>
  Array.from({ length: count }, (_, i) => ({
    stage: 'evaluate',
    task: i.toString(16).padStart(64, '0') as TaskId,
  }));
