// runMetrics() and runCompare() over score files of several parts.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { TaskId } from '../../../common/ids.ts';
import { OBJECTIVES } from '../../../common/objective/objectives.ts';
import type { CompareResult, MetricsResult, ScoreResult } from '../../../common/stage/evaluate.ts';
import type { TaskProgram } from '../../../common/stage/stages.ts';
import { runCompare } from '../../../worker/stage/compare.ts';
import { runMetrics } from '../../../worker/stage/metrics.ts';
import type { Prepared } from '../../../worker/stage/runner.ts';
import { metricsOf } from '../../support/measure.ts';

const folder = await mkdtemp(join(tmpdir(), 'gristmill-metrics-'));
afterAll(() => rm(folder, { recursive: true }));

type Row = readonly [score: number, label: number, ...codes: number[]];
type Part = { readonly rows: readonly Row[]; readonly values?: Record<string, readonly string[]> };

/** Lays parts out as score tasks do. */
async function prepare<P extends TaskProgram>(
  program: P,
  parts: readonly Part[],
): Promise<Prepared<P>> {
  const json: Record<TaskId, unknown> = {};
  const files: Record<string, string> = {};
  for (const [index, { rows, values }] of parts.entries()) {
    const width = rows[0]?.length ?? 2;
    const bytes = Buffer.alloc(rows.length * width * 4);
    rows.forEach(([score, label, ...codes], row) => {
      bytes.writeFloatLE(score, row * width * 4);
      bytes.writeFloatLE(label, row * width * 4 + 4);
      for (const [at, code] of codes.entries())
        bytes.writeInt32LE(code, row * width * 4 + 8 + 4 * at);
    });
    const key = `scores-${index}`;
    files[key] = join(folder, `${Math.random()}`);
    await writeFile(files[key], bytes);
    const result: ScoreResult = {
      rows: rows.length,
      scores: rows.length ? { key, sha256: '' as never, bytes: bytes.length } : null,
      slices: Object.keys(values ?? {}),
      sliceValues: values ?? {},
    };
    json[`t${index}` as TaskId] = { result };
  }
  const tasks = parts.map(
    (_, index) => ({ stage: 'evaluate', task: `t${index}` as TaskId }) as const,
  );
  return {
    task: 't' as TaskId,
    stage: 'evaluate',
    program,
    input: { kind: 'results', tasks },
    files,
    json: json as Prepared['json'],
    scratch: folder,
    memoryBytes: 0,
  };
}

const PROGRAM = {
  formatVersion: 1,
  kind: 'metrics',
  label: 'binary',
  slices: ['origin'],
  baseline: [0.5],
  final: true,
} as const;

test('runMetrics() merges parts whose slices have codes of their own', async () => {
  const parts: Part[] = [
    {
      rows: [
        [0.1, 0, 0],
        [0.4, 0, 1],
        [0.35, 1, 0],
      ],
      values: { origin: ['SEA', 'JFK'] },
    },
    { rows: [] },
    {
      rows: [
        [0.8, 1, 0],
        [0.7, 1, 1],
      ],
      values: { origin: ['JFK', 'SEA'] },
    },
  ];
  const { result, rows } = await runMetrics(await prepare(PROGRAM, parts));
  const { metrics, baseline, slices } = result as MetricsResult;
  const of = (...pairs: [number, number][]) =>
    metricsOf(OBJECTIVES.binary.metrics, {
      width: 1,
      scores: Float32Array.from(pairs.map(([score]) => score)),
      labels: Float32Array.from(pairs.map(([, label]) => label)),
    });
  expect(rows).toBe(5);
  expect(metrics).toEqual(of([0.1, 0], [0.4, 0], [0.35, 1], [0.8, 1], [0.7, 1]));
  expect(baseline.auc).toBe(0.5);
  expect(slices).toEqual({
    origin: [
      { value: 'SEA', rows: 3, metrics: of([0.1, 0], [0.35, 1], [0.7, 1]) },
      { value: 'JFK', rows: 2, metrics: of([0.4, 0], [0.8, 1]) },
    ],
  });
});

test('runMetrics() refuses a slice value that the file does not name', async () => {
  const prepared = await prepare(PROGRAM, [{ rows: [[0.1, 0]] }]);
  await expect(runMetrics(prepared)).rejects.toThrow('code 0, expected below 0');
});

const COMPARE = {
  formatVersion: 1,
  kind: 'compare',
  label: 'binary',
  metric: 'auc',
  confidence: 0.95,
  curves: null,
  final: true,
  seed: 1,
} as const;

test('runCompare() pairs champion and challenger part by part', async () => {
  const champion: Part[] = [
    {
      rows: [
        [0.5, 0],
        [0.4, 1],
      ],
    },
    {
      rows: [
        [0.2, 0],
        [0.9, 1],
      ],
    },
  ];
  const challenger: Part[] = [
    {
      rows: [
        [0.3, 0],
        [0.4, 1],
      ],
    },
    {
      rows: [
        [0.2, 0],
        [0.9, 1],
      ],
    },
  ];
  const { result } = await runCompare(await prepare(COMPARE, [...champion, ...challenger]));
  expect(result as CompareResult).toMatchObject({
    rows: 4,
    champion: 0.75,
    challenger: 1,
    change: 0.25,
  });
});

test('runCompare() refuses scores of other rows', async () => {
  const parts: Part[] = [
    { rows: [[0.5, 0]] },
    { rows: [[0.5, 1]] },
    { rows: [[0.5, 1]] },
    { rows: [[0.5, 1]] },
  ];
  await expect(runCompare(await prepare(COMPARE, parts))).rejects.toThrow('their labels differ');
});
