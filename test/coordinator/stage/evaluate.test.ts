// Evaluating with a worker that answers from a table: which parts are scored, how often is measured, what is recorded.
import { expect, test } from 'vitest';
import { LIMITS } from '../../../common/limits.ts';
import type { MetricsResult } from '../../../common/stage/evaluate.ts';
import { evaluateVersion, partsIn } from '../../../coordinator/stage/evaluate.ts';
import { type Answers, GIVEN, partOf, RANGES, stageJob } from '../../support/stage-job.ts';

const FIGURES: MetricsResult = {
  ...{ rows: 20, metrics: { auc: 0.7 }, baseline: { auc: 0.5 } },
  slices: { carrier: [{ value: 'AA', rows: 20, metrics: { auc: 0.7 } }] },
};
const answers: Answers = {
  score: () => ({ rows: 10, scores: null, slices: ['carrier'], sliceValues: {} }),
  metrics: ({ final }) => (final ? FIGURES : { partial: null }),
  metricsMerge: () => FIGURES,
};
const slices = ['carrier'];

test('evaluateVersion() scores the parts that can hold test rows, measures once, and records the figures', async () => {
  await using w = await stageJob(answers, { slices });
  expect(await evaluateVersion(w.job, GIVEN)).toEqual(FIGURES);
  expect(w.kinds()).toEqual(['score', 'score', 'metrics']);
  const { model, signature } = GIVEN.trained;
  expect(w.programsOf('score')[0]).toMatchObject({ model, signature, where: RANGES.test, slices });
  expect(w.programsOf('metrics')).toMatchObject([
    { label: 'binary', slices, baseline: [0.5], final: true },
  ]);
  const [a, b, c] = w.ran.map(({ task: { input } }) => input);
  const scored = [a, b].map((input) => input?.kind === 'part' && input.part.source.key);
  expect(scored.sort()).toEqual(['a.parquet', 'c.parquet']);
  expect(c).toMatchObject({
    kind: 'results',
    tasks: [{ stage: 'evaluate' }, { stage: 'evaluate' }],
  });
  expect(w.facts).toMatchObject([
    { kind: 'stage', view: { stage: 'evaluate', tasks: { done: 3, total: 3, reused: 0 } } },
    { kind: 'found', stage: 'evaluate', value: { evaluation: FIGURES } },
  ]);
  expect(w.facts[0]).toMatchObject({ view: { rows: 20 } }); // scored; measuring reads them a second time
});

test('evaluateVersion() run again computes nothing and records the same figures', async () => {
  await using w = await stageJob(answers, { slices });
  await evaluateVersion(w.job, GIVEN);
  expect(await evaluateVersion(w.job, GIVEN)).toEqual(FIGURES);
  expect(w.ran).toHaveLength(3);
  expect(w.facts[2]).toMatchObject({ view: { tasks: { done: 3, reused: 3 }, cpuSeconds: 0 } });
  expect(w.facts[3]).toEqual(w.facts[1]);
});

test('evaluateVersion() measures more parts than one task reads in groups, and merges those', async () => {
  const parts = Array.from({ length: LIMITS.fanIn + 1 }, (_, i) => partOf(`p${i}`, [201, 300]));
  await using w = await stageJob(answers, { slices });
  await evaluateVersion(w.job, { ...GIVEN, prepared: { ...GIVEN.prepared, parts } });
  expect(w.programsOf('score')).toHaveLength(LIMITS.fanIn + 1);
  expect(w.programsOf('metrics').map(({ final }) => final)).toEqual([false, false]);
  expect(w.programsOf('metricsMerge')).toMatchObject([{ label: 'binary', slices, final: true }]);
});

test('partsIn() takes a part whose keys reach into the range, and none that only touches its lower edge', () => {
  const at = (min: number | null, max: number | null) =>
    partsIn([partOf('a', [min, max])], { after: 200, upTo: 300 }).length;
  expect([at(0, 200), at(0, 201), at(201, 201), at(300, 900), at(301, 900)]).toEqual([
    0, 1, 1, 1, 0,
  ]);
  expect([at(null, null), at(null, 250), at(250, null)]).toEqual([0, 0, 0]);
});
