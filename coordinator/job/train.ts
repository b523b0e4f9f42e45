// Trains: the model's graphs, the lanes' rows, the rounds; then one task puts the file together.
// In: parts, fitted features, the model's spec. Out: model.onnx as a blob, its signature, the train digest.
// Why the program is stored whole: its digest names the run, its checkpoints and its result.
// Flow: job → snapshot → plan → prepare → fit → [train] → evaluate → prove → publish → gate → predictions
import type { Digest } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import { encodeModel } from '../../common/onnx/proto.ts';
import type { TrainSpec } from '../../common/wire/job.ts';
import type { Plan } from '../../common/wire/plan.ts';
import type {
  AssembleResult,
  LabelKind,
  OptimizerSpec,
  Signature,
  TrainProgram,
  TrainResult,
} from '../../common/wire/program.ts';
import type { BlobRef } from '../../common/wire/task.ts';
import type { FeatureSet } from '../compile/features.ts';
import { buildModel } from '../compile/model.ts';
import { featureGraph } from '../compile/onnx.ts';
import { servingGraph } from '../compile/serving.ts';
import { rawColumns } from '../compile/sql.ts';
import { saveProgram } from '../plan/tasks.ts';
import { runTraining } from '../rounds/run.ts';
import type { JobContext } from './context.ts';
import type { Fitted } from './fit.ts';
import { mendingRun } from './mending.ts';
import type { PreparedRows } from './prepare.ts';
import { StageRun } from './stage.ts';

export type Trained = {
  readonly trainDigest: Digest;
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

export async function trainModel(
  job: JobContext,
  { plan, prepared, features, label, fitted }: Given,
): Promise<Trained> {
  const stage = new StageRun(job, 'train');
  const training = job.spec.training!;
  const { load } = fitted;
  const model = buildModel(training.model, {
    codeSizes: load.codes.map(({ size }) => size),
    numbers: load.numbers.length,
    label: label.kind,
    ...(fitted.labelScale ? { labelScale: fitted.labelScale } : {}),
  });
  const inLabelUnits = lossUnit(fitted.labelScale);
  const optimizer = optimizerOf(training.train);
  const program: TrainProgram = {
    formatVersion: 1,
    kind: 'train',
    parts: prepared.parts.map(({ part }) => part),
    split: fitted.ranges,
    load,
    label: label.kind,
    ...lanesOf(training.train, fitted.counts.train),
    batchRows: training.train.batchRows,
    epochs: training.train.epochs,
    seed: job.spec.seed,
    optimizer,
    parameters: model.parameters,
    stepGraph: base64(encodeModel(model.step)),
    forwardGraph: base64(encodeModel(model.forward)),
  };
  const digest = await saveProgram(job.store, program);
  let isComputed = false; // else its result was there
  const { result, attempt } = await mendingRun(job, digest, () =>
    runTraining({
      program,
      digest,
      profile: plan.profile,
      queue: job.queue,
      store: job.store,
      clock: job.clock,
      workers: job.workers,
      signal: job.signal,
      log: job.log,
      onProgress: ({ view, rows, cpuSeconds }) => {
        isComputed = true;
        job.showTraining({ ...view, loss: view.loss === null ? null : view.loss * inLabelUnits });
        stage.count({ done: view.round, total: view.rounds, reused: 0, rows, cpuSeconds });
      },
    }),
  );
  const epochs = result.epochs.map((epoch) => ({ ...epoch, loss: epoch.loss * inLabelUnits }));
  for (const [index, epoch] of epochs.entries())
    await job.record({ kind: 'epoch', epoch: index + 1, ...epoch });
  stage.count({
    done: result.rounds,
    total: result.rounds,
    reused: isComputed ? 0 : result.rounds,
    rows: result.rows,
    cpuSeconds: isComputed ? attempt.cpuSeconds : 0,
  });

  const signature: Signature = {
    inputs: rawColumns(features),
    label: label.kind,
    codes: load.codes.map(({ feature }) => feature),
    numbers: load.numbers.map(({ feature }) => feature),
  };
  const graph = servingGraph(featureGraph(features, fitted.values), model.forward);
  const assembled = await stage.compute<AssembleResult>({
    program: {
      formatVersion: 1,
      kind: 'assemble',
      servingGraph: base64(encodeModel(graph)),
      parameters: model.parameters,
      optimizer,
      checkpoint: result.checkpoint,
      signature,
    },
    inputs: [{ kind: 'none' }],
    profile: plan.profile,
  });
  await stage.finish();
  return {
    trainDigest: digest,
    model: assembled.results[0]!.model,
    signature,
    epochs,
  };
}

/** From the loss that the optimizer sees to the one that users see: beside `validationLoss` and `mse`, in their unit. */
const lossUnit = (scale: Fitted['labelScale']): number => (scale ? scale.std * scale.std : 1);

function optimizerOf(train: TrainSpec): OptimizerSpec {
  const { learningRate, momentum } = train;
  return train.optimizer === 'adam'
    ? { kind: 'adam', learningRate }
    : { kind: 'sgd', learningRate, momentum };
}

/** A lane is a run of buckets; an epoch ends with the longest lane. */
export function lanesOf(
  { lanes, batchRows }: Pick<TrainSpec, 'lanes' | 'batchRows'>,
  bucketRows: readonly number[],
): Pick<TrainProgram, 'lanes' | 'laneRows' | 'steps'> {
  const width = LIMITS.buckets / lanes;
  const laneRows = Array.from({ length: lanes }, (_, lane) =>
    bucketRows.slice(lane * width, (lane + 1) * width).reduce((sum, n) => sum + n, 0),
  );
  const longest = laneRows.reduce((a, b) => Math.max(a, b), 0);
  return { lanes, laneRows, steps: Math.ceil(longest / (batchRows / lanes)) };
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
