// The programs of training: what the rounds compute, and how the version's one file is put together. Pure.
// In: the model's spec, fitted features, parts with their rows by bucket. Out: a TrainProgram, and the AssembleProgram after it.
// Why whole programs: their digests name the run, its checkpoints and its result.
// Flow: job → snapshot → plan → prepare → fit → [train] → evaluate → prove → publish → gate → predictions
import { LIMITS } from '../../common/limits.ts';
import { encodeModel } from '../../common/onnx/proto.ts';
import type { Signature, SplitRanges } from '../../common/stage/terms.ts';
import type { AssembleProgram, OptimizerSpec, TrainProgram } from '../../common/stage/train.ts';
import type { TrainSpec } from '../../common/wire/job/training.ts';
import type { BlobRef, PartRef } from '../../common/wire/task.ts';
import type { Model } from '../compile/model.ts';
import { featureGraph } from '../compile/onnx.ts';
import { servingGraph } from '../compile/serving.ts';
import { type FittedValues, rawColumns } from '../compile/sql.ts';
import type { FeatureSet } from '../compile/tree.ts';

export type TrainPlan = Pick<TrainProgram, 'load' | 'label' | 'seed'> & {
  readonly train: TrainSpec;
  readonly model: Model;
  readonly parts: readonly PartRef[];
  readonly split: SplitRanges;
  /** Training rows of each bucket. */
  readonly bucketRows: readonly number[];
};

export function trainProgram(of: TrainPlan): TrainProgram {
  const { train, model, parts, split, load, label, seed } = of;
  return {
    formatVersion: 1,
    kind: 'train',
    parts,
    split,
    load,
    label,
    ...cutLanes(train, of.bucketRows),
    batchRows: train.batchRows,
    epochs: train.epochs,
    seed,
    optimizer: optimizerOf(train),
    parameters: model.parameters,
    stepGraph: base64(encodeModel(model.step)),
    forwardGraph: base64(encodeModel(model.forward)),
  };
}

export function assembleProgram(of: {
  readonly program: TrainProgram;
  readonly model: Model;
  readonly features: FeatureSet;
  readonly fitted: FittedValues;
  readonly checkpoint: BlobRef;
}): AssembleProgram {
  const { program, model, features, fitted, checkpoint } = of;
  const { parameters, optimizer } = program;
  const graph = servingGraph(featureGraph(features, fitted), model.forward);
  return {
    formatVersion: 1,
    kind: 'assemble',
    servingGraph: base64(encodeModel(graph)),
    parameters,
    optimizer,
    checkpoint,
    signature: signatureOf(program, features),
  };
}

const signatureOf = ({ label, load }: TrainProgram, features: FeatureSet): Signature => ({
  inputs: rawColumns(features),
  label,
  codes: load.codes.map(({ feature }) => feature),
  numbers: load.numbers.map(({ feature }) => feature),
});

function optimizerOf({ optimizer, learningRate, momentum }: TrainSpec): OptimizerSpec {
  if (optimizer === 'adam') return { kind: 'adam', learningRate };
  return { kind: 'sgd', learningRate, momentum };
}

/** A lane is a run of buckets; an epoch ends with the longest lane. */
export function cutLanes(
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
