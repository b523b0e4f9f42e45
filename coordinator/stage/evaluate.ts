// Evaluates a version on rows it has not seen: scores part by part, then metrics over all of them.
// In: model.onnx, parts, a range of the split. Out: metrics beside the baseline's, and by slice.
// Why scores are kept: the gate pairs champion and challenger row by row.
// Flow: job → snapshot → plan → prepare → fit → train → [evaluate] → prove → publish → gate → predictions
import type { MetricsResult, ScoreResult } from '../../common/stage/evaluate.ts';
import type { Signature, SplitRange } from '../../common/stage/terms.ts';
import type { Plan } from '../../common/wire/plan.ts';
import type { BlobRef, ResultRef } from '../../common/wire/task.ts';
import { found } from '../../common/wire/view.ts';
import { overlaps } from '../plan/split.ts';
import type { TrainingContext } from './context.ts';
import { type Compute, groupsOf, leavesThenMerge, resultsOf } from './fan-in.ts';
import type { Fitted } from './fit.ts';
import type { PreparedPart, PreparedRows } from './prepare.ts';
import { StageRun } from './run.ts';
import type { Trained } from './train.ts';

export async function evaluateVersion(
  job: TrainingContext,
  {
    plan,
    prepared,
    fitted,
    trained,
  }: { plan: Plan; prepared: PreparedRows; fitted: Fitted; trained: Trained },
): Promise<MetricsResult> {
  const stage = new StageRun(job, 'evaluate');
  const slices = job.spec.training.slices;
  const parts = partsIn(prepared.parts, fitted.ranges.test);
  const { model, signature } = trained;
  const scores = await scoreRows(stage, {
    model,
    signature,
    parts,
    slices,
    where: fitted.ranges.test,
    numerics: plan.numerics.evaluate,
  });
  const evaluation = await measure(stage, {
    scores,
    signature,
    slices,
    baseline: fitted.baseline,
    numerics: plan.numerics.evaluate,
  });
  await stage.finish();
  const { metrics, baseline, rows } = evaluation;
  await job.record(
    found('evaluate', { evaluation: { metrics, baseline, rows, slices: evaluation.slices } }),
  );
  return evaluation;
}

/** Parts that can hold rows of the range, by the keys they were seen to hold. */
export const partsIn = (
  parts: readonly PreparedPart[],
  range: SplitRange,
): readonly PreparedPart[] =>
  parts.filter(
    ({ splitMin, splitMax }) =>
      splitMin !== null && splitMax !== null && overlaps(range, { min: splitMin, max: splitMax }),
  );

/** Scores every row of the range through one model file; results in part order. */
export async function scoreRows(
  stage: StageRun,
  of: {
    readonly model: BlobRef;
    readonly signature: Signature;
    readonly parts: readonly PreparedPart[];
    readonly slices: readonly string[];
    readonly where: SplitRange;
    readonly numerics: string;
  },
): Promise<readonly ResultRef[]> {
  const { model, signature, where, slices, numerics } = of;
  const program = { formatVersion: 1, kind: 'score', model, signature, where, slices } as const;
  const inputs = of.parts.map(({ part }) => ({ kind: 'part', part }) as const);
  return stage.refs<ScoreResult>({ program, inputs, numerics }, ({ rows }) => rows);
}

export async function measure(
  stage: Compute,
  of: {
    readonly scores: readonly ResultRef[];
    readonly signature: Signature;
    readonly slices: readonly string[];
    readonly baseline: readonly number[];
    readonly numerics: string;
  },
): Promise<MetricsResult> {
  const {
    signature: { label },
    slices,
    baseline,
    numerics,
  } = of;
  const { result } = await leavesThenMerge<MetricsResult>(
    stage,
    groupsOf(of.scores).map(resultsOf),
    {
      leaf: (final) => ({ formatVersion: 1, kind: 'metrics', label, slices, baseline, final }),
      merge: {
        numerics,
        program: (final) => ({ formatVersion: 1, kind: 'metricsMerge', label, slices, final }),
      },
    },
  );
  return result;
}
