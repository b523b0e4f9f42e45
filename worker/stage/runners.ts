// Which runner runs which program: one for each kind that the stages have, held to it by the compiler.
// In: a program's kind. Out: its runner. Why loaded late: a thread that merges metrics needs no DuckDB.
import { GristmillError } from '../../common/errors.ts';
import type { ProgramKind, ProgramOf, TaskProgram } from '../../common/stage/stages.ts';
import type { Outcome, Prepared, Runner } from './runner.ts';

const RUNNERS = {
  prepare: async () => (await import('./prepare.ts')).runPrepare,
  fit: async () => (await import('./fit.ts')).runFit,
  fitMerge: async () => (await import('./fit.ts')).runFitMerge,
  assemble: async () => (await import('./assemble.ts')).runAssemble,
  score: async () => (await import('./score.ts')).runScore,
  metrics: async () => (await import('./metrics.ts')).runMetrics,
  metricsMerge: async () => (await import('./metrics.ts')).runMetricsMerge,
  curve: async () => (await import('./compare.ts')).runCurve,
  curveMerge: async () => (await import('./compare.ts')).runCurveMerge,
  compareMerge: async () => (await import('./compare.ts')).runCompareMerge,
  compare: async () => (await import('./compare.ts')).runCompare,
  prove: async () => (await import('./prove.ts')).runProve,
  survey: async () => (await import('./survey.ts')).runSurvey,
} satisfies { readonly [K in ProgramKind]: () => Promise<Runner<ProgramOf<K>>> };

export const hasRunner = (kind: string): kind is ProgramKind => Object.hasOwn(RUNNERS, kind);

/** The table ties each kind to its program; TypeScript cannot follow one lookup through a union. */
export async function runProgram(kind: string, prepared: Prepared): Promise<Outcome> {
  if (!hasRunner(kind))
    throw new GristmillError('INTERNAL', `Cannot run ${kind}: a worker has no such program`);
  const runner = (await RUNNERS[kind]()) as Runner<TaskProgram>;
  return runner(prepared);
}
