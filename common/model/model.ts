// What a kind of model is: its section of a job, its parameters, its network.
// In: a spec and the widths of inputs and output. Out: parameters with their starting values, nodes up to the last layer.
// Why one shape: a new kind is one file beside this and one line in models.ts; gradients follow from the graph.
import type { TSchema } from 'typebox';
import type { GraphBuilder } from '../onnx/build.ts';
import type { ParameterSpec } from '../stage/train.ts';

/** What a network is made for: at least one feature. */
export type Widths = {
  /** Codes that each category feature can have, in model order. */
  readonly codeSizes: readonly number[];
  /** Numeric features. */
  readonly numbers: number;
  /** Numbers of one score. */
  readonly outputs: number;
};

export type ModelKind<Spec, Input> = {
  /** The section "model" of a job. */
  readonly schema: TSchema;
  /** The section with every default filled in. */
  fill(input: Input): Spec;
  parameters(spec: Spec, widths: Widths): ParameterSpec[];
  /** Appends the nodes from the graph inputs `codes` int64 [n,C] and `numbers` float [n,D] to the last layer [n, outputs]. */
  write(b: GraphBuilder, spec: Spec, widths: Widths): string;
};
