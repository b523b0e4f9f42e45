// Brings what a task needs to local disk.
// In: a task. Out: Prepared: verified files, descriptors, the program. Runs in the supervisor: no engine sees the network.
// Why a cache: one model file or checkpoint serves many tasks; parts are read by level after level of a fit.
import { mkdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { GristmillError } from '../common/errors.ts';
import { type Digest, digestOf, type TaskId } from '../common/ids.ts';
import { LIMITS } from '../common/limits.ts';
import type { TaskProgram } from '../common/stage/stages.ts';
import { eachOf } from '../common/store/each.ts';
import { fetchSparse } from '../common/store/ranges.ts';
import type { Store } from '../common/store/store.ts';
import { fetchVerified } from '../common/store/verified.ts';
import { Groups } from '../common/stored/groups.ts';
import { readStored } from '../common/stored/stored.ts';
import {
  type BlobRef,
  commitKey,
  type Descriptor,
  programKey,
  type ResultRef,
  type Shard,
  type Task,
} from '../common/wire/task.ts';
import { blobsInResults, inputsOf } from './stage/inputs.ts';
import type { Prepared } from './stage/runner.ts';

export type Fetched = AsyncDisposable & {
  readonly prepared: Prepared;
  readonly bytesRead: number;
};

export class Fetcher {
  readonly #store: Store;
  readonly #lake: Store;
  readonly #scratch: string;
  readonly #programs = new Map<Digest, TaskProgram>();
  readonly #blobs: BlobCache;
  #attempts = 0;

  /** `scratch` is a folder of this worker alone. */
  constructor(of: { readonly store: Store; readonly lake: Store; readonly scratch: string }) {
    this.#store = of.store;
    this.#lake = of.lake;
    this.#scratch = of.scratch;
    this.#blobs = new BlobCache(of.store, join(of.scratch, 'blobs'));
  }

  /** Disposing removes the attempt's folder and lets its blobs go. */
  async fetch(task: Task): Promise<Fetched> {
    const folder = join(this.#scratch, `attempt-${this.#attempts++}`);
    const scratch = join(folder, 'scratch');
    await mkdir(scratch, { recursive: true });
    const held: Held[] = [];
    const dispose = async (): Promise<void> => {
      for (const blob of held) blob.release();
      await rm(folder, { recursive: true, force: true });
    };
    try {
      const program = await this.#program(task.program);
      const inputs = inputsOf(program, task.input);
      const json = await this.#descriptors(inputs.results);
      const files: Record<string, string> = {};
      let bytesRead = 0;
      const refs = [...inputs.blobs, ...blobsInResults(Object.values(json))];
      await eachOf(refs, LIMITS.downloadsMax, async (ref) => {
        const blob = await this.#blobs.hold(ref);
        held.push(blob);
        files[ref.key] = blob.path;
        bytesRead += blob.bytesRead;
      });
      const shards = inputs.shards.map((shard, i) => ({
        shard,
        path: join(folder, `shard-${i}.parquet`),
      }));
      await eachOf(shards, LIMITS.downloadsMax, async ({ shard, path }) => {
        const bytes = await this.#shard(shard, path);
        bytesRead += bytes;
        files[shard.key] = path;
      });
      const { stage, input, memoryBytes } = task;
      const prepared = {
        task: task.task,
        stage,
        program,
        input,
        files,
        json,
        scratch,
        memoryBytes,
      };
      return { prepared, bytesRead, [Symbol.asyncDispose]: dispose };
    } catch (error) {
      await dispose();
      throw explain(error, this.#scratch);
    }
  }

  async #program(digest: Digest): Promise<TaskProgram> {
    const known = this.#programs.get(digest);
    if (known) return known;
    const key = programKey(digest);
    const program = await readStored(this.#store, key, 'program');
    if (!program) throw missing(key);
    if (digestOf(program) !== digest) {
      throw new GristmillError('CHECKSUM_MISMATCH', `Cannot use ${key}: its digest is another one`);
    }
    if (this.#programs.size >= LIMITS.programsCached) this.#programs.clear();
    this.#programs.set(digest, program);
    return program;
  }

  async #descriptors(refs: readonly ResultRef[]): Promise<Record<TaskId, Descriptor>> {
    const found: Record<TaskId, Descriptor> = {};
    const groups = new Groups(this.#store);
    await eachOf(refs, LIMITS.downloadsMax, async ({ stage, task, group }) => {
      const key = commitKey(stage, task, 1);
      const grouped = group === undefined ? undefined : (await groups.read(group)).get(task);
      const descriptor = grouped ?? (await readStored(this.#store, key, 'commit'));
      if (!descriptor) throw missing(key);
      found[task] = descriptor;
    });
    return found;
  }

  async #shard({ key, etag, bytes, footerBytes, ranges }: Shard, path: string): Promise<number> {
    const footer = [bytes - footerBytes, footerBytes] as const;
    try {
      return await fetchSparse(this.#lake, key, { etag, bytes, ranges: [...ranges, footer] }, path);
    } catch (error) {
      throw explainShard(error);
    }
  }
}

type Held = { readonly path: string; readonly bytesRead: number; release(): void };
type Entry = { readonly path: string; readonly bytes: number; users: number; ready: Promise<void> };

/** Files by content; those that nobody uses go when they are more than LIMITS.blobCacheBytes, oldest use first. */
class BlobCache {
  readonly #store: Store;
  readonly #folder: string;
  readonly #entries = new Map<string, Entry>(); // in order of last use
  #made: Promise<unknown> | undefined;
  #begun = 0;

  constructor(store: Store, folder: string) {
    this.#store = store;
    this.#folder = folder;
  }

  async hold(ref: BlobRef): Promise<Held> {
    const known = this.#entries.get(ref.sha256);
    const entry = known ?? this.#begin(ref);
    this.#entries.delete(ref.sha256);
    this.#entries.set(ref.sha256, entry);
    entry.users += 1;
    try {
      await entry.ready;
    } catch (error) {
      entry.users -= 1;
      if (this.#entries.get(ref.sha256) === entry) this.#entries.delete(ref.sha256);
      throw error;
    }
    return {
      path: entry.path,
      bytesRead: known ? 0 : ref.bytes,
      release: () => {
        entry.users -= 1;
        this.#evict();
      },
    };
  }

  #begin(ref: BlobRef): Entry {
    // a name of our own, and never the same twice: what was let go may be on its way out still
    const path = join(this.#folder, String(this.#begun++));
    this.#made ??= mkdir(this.#folder, { recursive: true });
    const ready = this.#made.then(() => fetchVerified(this.#store, ref, path));
    return { path, bytes: ref.bytes, users: 0, ready };
  }

  #evict(): void {
    let bytes = [...this.#entries.values()].reduce((sum, entry) => sum + entry.bytes, 0);
    for (const [sha256, entry] of this.#entries) {
      if (bytes <= LIMITS.blobCacheBytes) return;
      if (entry.users > 0) continue;
      this.#entries.delete(sha256);
      bytes -= entry.bytes;
      void rm(entry.path, { force: true });
    }
  }
}

const missing = (key: string): GristmillError =>
  new GristmillError('INPUT_MISSING', `Cannot read ${key}: there is no such object`);

/** Objects of the lake are others' to replace and delete: who did it is told what it means for the job. */
function explainShard(error: unknown): unknown {
  if (!(error instanceof GristmillError)) return error;
  if (error.code !== 'INPUT_CHANGED' && error.code !== 'INPUT_MISSING') return error;
  const done = error.code === 'INPUT_CHANGED' ? 'replaced' : 'deleted';
  const message = `${error.message}; it was ${done} after the job took its snapshot`;
  return new GristmillError(error.code, message, { cause: error });
}

/** A full disk is this machine's trouble: another worker may have room. */
function explain(error: unknown, scratch: string): unknown {
  const { code } = error as { code?: unknown };
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  const message = `Cannot bring inputs to ${scratch} on ${hostname()}: the disk is full`;
  return new GristmillError('SCRATCH_FULL', message, { cause: error });
}
