// The thread in which engines run: one call at a time, dispatched by its method.
// In: a program's kind with a Prepared, or a method of training. Out: an Outcome, or what training returns.
// Why loaded late: a thread that merges metrics needs no DuckDB.
import type { ThreadCall } from '../common/child/protocol.ts';
import { GristmillError } from '../common/errors.ts';
import type { Outcome, Prepared, Runner, TaskProgram } from './stage/runner.ts';
import type { LanesArgs } from './train/messages.ts';

type Runners = {
  readonly [K in TaskProgram['kind']]: () => Promise<Runner<Extract<TaskProgram, { kind: K }>>>;
};

export const RUNNERS: Runners = {
  prepare: async () => (await import('./stage/prepare.ts')).runPrepare,
  fit: async () => (await import('./stage/fit.ts')).runFit,
  fitMerge: async () => (await import('./stage/fit.ts')).runFitMerge,
  assemble: async () => (await import('./stage/assemble.ts')).runAssemble,
  score: async () => (await import('./stage/score.ts')).runScore,
  metrics: async () => (await import('./stage/metrics.ts')).runMetrics,
  metricsMerge: async () => (await import('./stage/metrics.ts')).runMetricsMerge,
  curve: async () => (await import('./stage/compare.ts')).runCurve,
  curveMerge: async () => (await import('./stage/compare.ts')).runCurveMerge,
  compareMerge: async () => (await import('./stage/compare.ts')).runCompareMerge,
  compare: async () => (await import('./stage/compare.ts')).runCompare,
  prove: async () => (await import('./stage/prove.ts')).runProve,
  survey: async () => (await import('./stage/survey.ts')).runSurvey,
};

export default async function run({ method, args }: ThreadCall): Promise<unknown> {
  if (method in RUNNERS) return runTask(method as TaskProgram['kind'], args as Prepared);
  if (method === 'lanes') return (await import('./train/lanes.ts')).runLanes(args as LanesArgs);
  throw new GristmillError('INTERNAL', `Cannot run ${method}: a worker has no such method`);
}

/** The table ties each kind to its program; TypeScript cannot follow one lookup through a union. */
async function runTask(kind: TaskProgram['kind'], prepared: Prepared): Promise<Outcome> {
  const runner = (await RUNNERS[kind]()) as Runner<TaskProgram>;
  return runner(prepared);
}
