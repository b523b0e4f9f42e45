// Trains: the program, the rounds, then one task that puts the file together.
// In: parts, fitted features, the model's spec. Out: model.onnx as a blob, its signature, the train digest.
// Why little happens here: plan/train.ts decides what is computed, rounds/run.ts who computes it.
// Flow: job → snapshot → plan → prepare → fit → [train] → evaluate → prove → publish → gate → predictions
import { type RunId, runIdOf } from '../../common/ids.ts';
import { UNSCALED } from '../../common/objective/objective.ts';
import { type LabelKind, OBJECTIVES } from '../../common/objective/objectives.ts';
import type { Signature } from '../../common/stage/terms.ts';
import type { AssembleResult, TrainProgram, TrainResult } from '../../common/stage/train.ts';
import type { Plan } from '../../common/wire/plan.ts';
import type { BlobRef } from '../../common/wire/task.ts';
import { found, type TrainingView } from '../../common/wire/view.ts';
import { buildModel, type Model } from '../compile/model.ts';
import type { FeatureSet } from '../compile/tree.ts';
import { saveProgram } from '../plan/tasks.ts';
import { assembleProgram, trainProgram } from '../plan/train.ts';
import { runTraining } from '../rounds/run.ts';
import type { TrainingContext } from './context.ts';
import type { Fitted } from './fit.ts';
import { mendingRun } from './mending.ts';
import type { PreparedRows } from './prepare.ts';
import { StageRun } from './run.ts';

export type Trained = {
  readonly trainDigest: RunId;
  readonly model: BlobRef;
  readonly signature: Signature;
  readonly epochs: TrainResult['epochs'];
};

type Given = {
  readonly plan: Plan;
  readonly prepared: PreparedRows;
  readonly features: FeatureSet;
  readonly label: { readonly kind: LabelKind };
  readonly fitted: Fitted;
};

export async function trainModel(job: TrainingContext, given: Given): Promise<Trained> {
  const { plan, features, fitted } = given;
  const stage = new StageRun(job, 'train');
  const { program, model } = compileTraining(job, given);
  const trainDigest = runIdOf(await saveProgram(job.store, program));
  const unit = OBJECTIVES[given.label.kind].lossUnit(fitted.labelScale ?? UNSCALED);
  const result = await runRounds(job, stage, { program, trainDigest, plan, unit });
  const epochs = result.epochs.map((epoch) => ({ ...epoch, loss: epoch.loss * unit }));
  const { checkpoint } = result;
  const assemble = assembleProgram({ program, model, features, fitted: fitted.values, checkpoint });
  const { results } = await stage.compute<AssembleResult>({
    program: assemble,
    inputs: [{ kind: 'none' }],
    numerics: plan.numerics.train,
  });
  await stage.finish();
  return { trainDigest, model: results[0]!.model, signature: assemble.signature, epochs };
}

function compileTraining(
  job: TrainingContext,
  { prepared, label, fitted }: Given,
): { program: TrainProgram; model: Model } {
  const { model: spec, train } = job.spec.training;
  const { load } = fitted;
  const model = buildModel(spec, {
    codeSizes: load.codes.map(({ size }) => size),
    numbers: load.numbers.length,
    label: label.kind,
    ...(fitted.labelScale ? { labelScale: fitted.labelScale } : {}),
  });
  const program = trainProgram({
    train,
    model,
    load,
    label: label.kind,
    seed: job.spec.seed,
    parts: prepared.parts.map(({ part }) => part),
    split: fitted.ranges,
    bucketRows: fitted.counts.train,
  });
  return { program, model };
}

/** The rounds, shown while they run; a result that is there costs nothing. */
async function runRounds(
  job: TrainingContext,
  stage: StageRun,
  of: { program: TrainProgram; trainDigest: RunId; plan: Plan; unit: number },
): Promise<TrainResult> {
  const { program, trainDigest: digest, unit } = of;
  let shown: TrainingView | undefined; // none where the result was there
  const { result, attempt } = await mendingRun(job, digest, () =>
    runTraining({
      ...job,
      program,
      digest,
      numerics: of.plan.numerics.train,
      onProgress: ({ view, rows, cpuSeconds }) => {
        shown = { ...view, loss: view.loss === null ? null : view.loss * unit };
        job.showTraining(shown);
        stage.count({ done: view.round, total: view.rounds, reused: 0, rows, cpuSeconds });
      },
      onEpoch: (epoch, { loss, ...figures }) =>
        job.record(found('train', { epochs: [{ epoch, loss: loss * unit, ...figures }] })),
    }),
  );
  const { rounds, rows } = result;
  if (shown) job.showTraining({ ...shown, round: rounds });
  stage.count({
    done: rounds,
    total: rounds,
    reused: shown ? 0 : rounds,
    rows,
    cpuSeconds: shown ? attempt.cpuSeconds : 0,
  });
  return result;
}
