// The contract between the loop, which moves bytes, and the runners, which compute.
// In: local files and JSON that the supervisor has fetched and verified. Out: a result and the files it refers to.
// Why apart: a runner holds engines and may be killed at any time; it knows neither store, nor queue, nor lease.
//
//   supervisor: inputsOf → fetch ─► Prepared ══ thread: run<Kind> ══► Outcome ─► supervisor: upload blobs, commit, ack
//
// One file a kind or two in this folder, exporting `run<Kind>: Runner<…Program>`; runners.ts has the table.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import type { Digest, TaskId } from '../../common/ids.ts';
import type { Stage, TaskProgram } from '../../common/stage/stages.ts';
import { type BlobRef, type Descriptor, dataKey, type TaskInput } from '../../common/wire/task.ts';

export type Prepared<P extends TaskProgram = TaskProgram> = {
  readonly task: TaskId;
  readonly stage: Stage;
  readonly program: P;
  readonly input: TaskInput;
  /**
   * Local path by key: of each shard's object (`shard.key`; sparse, at full size, with the footer and
   * `shard.ranges` filled), and of every blob that the program, the input or a fetched result refers
   * to (`ref.key`; whole, SHA-256 verified). Shared and read-only: never write to these.
   */
  readonly files: Readonly<Record<string, string>>;
  /** For a `results` input: the descriptor of each task by its id. */
  readonly json: Readonly<Record<TaskId, Descriptor>>;
  /** An empty folder of this attempt alone, removed afterwards. */
  readonly scratch: string;
  /** DuckDB's memory_limit: planned, as it can change the order of rows. */
  readonly memoryBytes: number;
};

export type Extension = 'parquet' | 'bin' | 'onnx' | 'json';

/** A file under `scratch` that becomes the object dataKey(stage, task, `<sha256>.<file>`). */
export type OutcomeBlob = {
  readonly path: string;
  readonly file: Extension;
  readonly sha256: Digest;
  readonly bytes: number;
};

export type Outcome = {
  /** Becomes `result` in the descriptor: deterministic, plain JSON, refers to blobs by BlobRef. */
  readonly result: unknown;
  readonly blobs: readonly OutcomeBlob[];
  /** Rows read: for progress. */
  readonly rows: number;
};

export type Runner<P extends TaskProgram> = (prepared: Prepared<P>) => Promise<Outcome>;

/** Hashes a finished file of this attempt: `blob` goes into Outcome.blobs, `ref` into the result. */
export async function sealBlob(
  of: Pick<Prepared, 'task' | 'stage'>,
  path: string,
  file: Extension,
): Promise<{ readonly blob: OutcomeBlob; readonly ref: BlobRef }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(path)) {
    hash.update(chunk as Buffer);
    bytes += (chunk as Buffer).length;
  }
  const sha256 = hash.digest('hex') as Digest;
  return {
    blob: { path, file, sha256, bytes },
    ref: { key: dataKey(of.stage, of.task, `${sha256}.${file}`), sha256, bytes },
  };
}

/** A path for a new file of this attempt. */
export const scratchFile = (prepared: Prepared, name: string): string =>
  join(prepared.scratch, name);
