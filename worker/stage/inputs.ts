// What a task needs on local disk before a thread may start on it.
// In: a program, an input, descriptors of earlier tasks. Out: a list to fetch. Pure.
// Why one list: the supervisor fetches and verifies; runners see paths only.
import { GristmillError } from '../../common/errors.ts';
import { programRow, type TaskProgram } from '../../common/stage/stages.ts';
import {
  type BlobRef,
  type Descriptor,
  type ResultRef,
  type Shard,
  shardsIn,
  type TaskInput,
} from '../../common/wire/task.ts';

export type Inputs = {
  /** Footer and ranges of lake objects. */
  readonly shards: readonly Shard[];
  /** Whole objects of the store, each key once. */
  readonly blobs: readonly BlobRef[];
  /** Descriptors of these tasks, and then the blobs that their results refer to: blobsIn. */
  readonly results: readonly ResultRef[];
};

export function inputsOf(program: TaskProgram, input: TaskInput): Inputs {
  const part = 'part' in input ? [input.part] : [];
  return {
    shards: shardsIn(input),
    blobs: distinct([...part, ...blobsOf(program)]),
    results: input.kind === 'results' ? input.tasks : [],
  };
}

/** Every blob that fetched results refer to. */
export const blobsInResults = (descriptors: readonly Descriptor[]): readonly BlobRef[] =>
  distinct(descriptors.flatMap((descriptor) => blobsIn(descriptor.result)));

/** What the program names, as its stage says. */
function blobsOf(program: TaskProgram): readonly BlobRef[] {
  const row = programRow(program.kind);
  if (row) return row.blobsOf(program);
  throw new GristmillError(
    'INTERNAL',
    `Cannot run a program of kind ${JSON.stringify(program.kind)}: this worker has none`,
  );
}

/** Found by shape, so that a result may hold its refs wherever it likes. */
function blobsIn(value: unknown): BlobRef[] {
  if (value === null || typeof value !== 'object') return [];
  if (isBlobRef(value)) return [value];
  return Object.values(value).flatMap(blobsIn);
}

function isBlobRef(value: object): value is BlobRef {
  const { key, sha256, bytes } = value as Partial<Record<keyof BlobRef, unknown>>;
  return typeof key === 'string' && typeof bytes === 'number' && /^[0-9a-f]{64}$/.test(`${sha256}`);
}

function distinct(blobs: readonly BlobRef[]): readonly BlobRef[] {
  return [...new Map(blobs.map((blob) => [blob.key, blob])).values()];
}
