// train: rounds of gradients over lanes, then one task that puts the trained parameters into the serving graph.
// In: parts, fitted features, a model. Out: a checkpoint, model.onnx.
// Why only the second is a task: a training is rounds that workers run together; its program names run and checkpoints.
import Type from 'typebox';
import type { LabelKind } from '../objective/objectives.ts';
import type { BlobRef, PartRef } from '../wire/task.ts';
import { Count, field, nullable, program, type StageRow } from './stage.ts';
import type { LoadSql, Signature, SplitRanges } from './terms.ts';

/** A trainable tensor. Tables are matrices whose rows a category picks: their optimizer is lazy per row. */
export type ParameterSpec = {
  readonly name: string;
  readonly shape: readonly number[];
  readonly table: boolean;
  readonly init: { readonly kind: 'zero' } | { readonly kind: 'uniform'; readonly bound: number };
};

export type OptimizerSpec =
  | { readonly kind: 'adam'; readonly learningRate: number }
  | { readonly kind: 'sgd'; readonly learningRate: number; readonly momentum: number };

/** What every training has: rows, dealt to lanes. */
export type TrainCommon = {
  readonly formatVersion: 1;
  readonly kind: 'train';
  readonly parts: readonly PartRef[]; // in key order
  readonly split: SplitRanges;
  readonly load: LoadSql;
  readonly label: LabelKind;
  readonly lanes: number;
  /** Training rows of each lane. */
  readonly laneRows: readonly number[];
  readonly seed: number;
};

/** Gradients in steps, and an optimizer. */
export type GradientsPart = {
  /** Left out: there was no other when the first programs were written, and their digests stay. */
  readonly algorithm?: 'gradients';
  readonly batchRows: number;
  readonly epochs: number;
  /** Steps in an epoch: of the longest lane. */
  readonly steps: number;
  readonly optimizer: OptimizerSpec;
  readonly parameters: readonly ParameterSpec[];
  /**
   * base64 ONNX. Inputs: codes int64 [n,C] (absent if C = 0), numbers float [n,D] (absent if D = 0),
   * label float [n], weight float [n], and each parameter by name. Outputs: `loss` float [] = Σ weight·loss,
   * and `d_<parameter>` of each parameter = Σ weight·gradient. A regression's loss is on the standardized label.
   */
  readonly stepGraph: string;
  /** base64 ONNX. Inputs as above without label and weight; output `prediction` float [n], or [n, width]. */
  readonly forwardGraph: string;
};
export type GradientsProgram = TrainCommon & GradientsPart;

/** By `algorithm`: a union once there is a second. */
export type TrainProgram = GradientsProgram;

/** What a run found out on its way. */
export type TrainFigures = {
  readonly rounds: number;
  readonly rows: number;
  readonly epochs: readonly {
    /** As the step graph gives it; `validationLoss` is in squared units of the label. */
    readonly loss: number;
    readonly validationLoss: number | null;
    readonly validationAuc: number | null;
  }[];
};
export type TrainResult = TrainFigures & { readonly checkpoint: BlobRef };

/** Puts the trained parameters into the serving graph: raw columns in, predictions out. */
export type AssembleProgram = {
  readonly formatVersion: 1;
  readonly kind: 'assemble';
  /** base64 ONNX without parameter values: they are inputs that become initializers. */
  readonly servingGraph: string;
  readonly parameters: readonly ParameterSpec[];
  readonly optimizer: OptimizerSpec;
  readonly checkpoint: BlobRef;
  readonly signature: Signature;
};

export type AssembleResult = { readonly model: BlobRef };

export const LOSS =
  "binary: mean log loss; regression: mean squared error, in squared units of the label (its root is in the label's unit)";

export const train = {
  words: 'rounds of gradients over lanes',
  unit: 'step',
  programs: {
    assemble: program<AssembleProgram, AssembleResult>({
      blobsOf: ({ checkpoint }) => [checkpoint],
    }),
  },
  found: {
    epochs: field(
      Type.Array(
        Type.Object({
          epoch: Count,
          loss: Type.Number({ description: `on training rows, while they are learnt: ${LOSS}` }),
          validationLoss: nullable(Type.Number(), `on validation rows: ${LOSS}`),
          validationAuc: nullable(Type.Number(), 'binary labels only; exact to 1e-4'),
        }),
      ),
      [],
      (before, told) => [
        ...before.filter(({ epoch }) => !told.some((one) => one.epoch === epoch)),
        ...told,
      ],
    ),
  },
} satisfies StageRow;
