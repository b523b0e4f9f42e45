// prove: source rows as raw JSON through the serving path against the batch result.
// In: a part with the shard it came from, model.onnx, the batch SQL of its features. Out: differences, golden rows.
import Type from 'typebox';
import type { Prediction } from '../predict/prediction.ts';
import type { BlobRef } from '../wire/task.ts';
import { Count, field, nullable, program, type StageRow } from './stage.ts';
import type { LoadSql, Signature, SourceColumn, SplitRange } from './terms.ts';

/** Source rows of one shard or pack as raw JSON through the serving path against the batch result. */
export type ProveProgram = {
  readonly formatVersion: 1;
  readonly kind: 'prove';
  readonly model: BlobRef;
  readonly signature: Signature;
  readonly load: LoadSql;
  readonly where: SplitRange;
  /** The model's inputs as they lie in the lake, in order, and how each becomes a value that JSON has. Absent: by their types alone. */
  readonly source?: readonly (SourceColumn & { readonly sql: string })[];
  /** How many rows of this shard to replay, chosen by seed. */
  readonly rows: number;
  readonly seed: number;
  readonly golden: number;
};

export type ProveResult = {
  readonly rows: number;
  readonly differences: readonly {
    readonly row: number;
    /** Where the part is of several objects. */
    readonly key?: string;
    readonly feature: string;
    readonly batch: number;
    readonly serving: number;
  }[];
  readonly maxDifference: number;
  readonly golden: readonly {
    readonly row: Readonly<Record<string, unknown>>;
    readonly prediction: Prediction;
  }[];
};

export const prove = {
  words: 'source rows as raw JSON through the serving path against the batch result',
  unit: 'task',
  programs: { prove: program<ProveProgram, ProveResult>({ blobsOf: ({ model }) => [model] }) },
  found: {
    proof: field(nullable(Type.Object({ rows: Count, maxDifference: Type.Number() })), null),
  },
} satisfies StageRow;
