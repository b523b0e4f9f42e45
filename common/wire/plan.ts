// A snapshot and a plan: what a dataset was at a moment, and what its tasks follow from.
// In: listings and footers; spec and snapshot. Out: snapshots/<digest>.json and jobs/<job>/plan.json.
import type { Digest, JobId } from '../ids.ts';
import { STAGE_NAMES, type Stage } from '../stage/stages.ts';

/** A column as Parquet and DuckDB see it: the DuckDB type, e.g. BIGINT, VARCHAR, TIMESTAMP. */
export type SchemaColumn = {
  readonly name: string;
  readonly type: string;
  /** The value is text in the names of folders, key=value, and in no file. */
  readonly from?: 'folder';
  /** Why no expression can read it, where none can. */
  readonly unreadable?: string;
};

export type RowGroup = {
  readonly rows: number;
  /** Compressed bytes of the whole group. */
  readonly bytes: number;
  /** By column of files, in schema order: [offset, length] of its chunk in the object; length 0 where it has none. */
  readonly chunks: readonly (readonly [offset: number, length: number])[];
};

/** As it lies in the store. */
export type SnapshotJson = {
  readonly formatVersion: 1;
  readonly dataset: string;
  readonly schema: readonly SchemaColumn[];
  readonly objects: readonly {
    /** Relative to the lake. */
    readonly key: string;
    readonly etag: string;
    readonly bytes: number;
    readonly footerBytes: number;
    readonly rows: number;
    readonly rowGroups: readonly RowGroup[];
    /** By column, where this object has it otherwise than the schema: its own type, or null where it has none. */
    readonly types?: Readonly<Record<string, string | null>>;
  }[]; // in UTF-8 byte order of their keys
};

/** Where packs of whole small objects end. */
export type PackPins = {
  /** Of an object that is packed. */
  readonly bytesMax: number;
  readonly objectsMin: number;
  /** Behind one object in so many, chosen by its key, a pack ends. */
  readonly objectsOneIn: number;
  readonly objectsMax: number;
  /** Characters that name a pack's objects. */
  readonly textMax: number;
};

/** With the snapshot and numerics, all that decides the prepare tasks: they are made from it, and not listed. */
export type PreparePins = {
  /** Digest of the program at stages/<digest>.json. */
  readonly program: Digest;
  readonly shardBytesMax: number;
  /** How small objects are packed; absent where each is a shard of its own. */
  readonly packs?: PackPins;
  readonly memoryBytes: number;
  readonly deadlineMs: number;
  /** What the cut gave when it was planned: tasks and rows must come out the same again. */
  readonly taskCount: number;
  readonly rowCount: number;
};

export type Plan = {
  /** 4 where small objects are packed: who does not know of packs would cut other tasks. */
  readonly formatVersion: 3 | 4;
  readonly job: JobId;
  readonly snapshot: Digest;
  /** By stage: what decides the bits of its tasks. They may be of different devices. */
  readonly numerics: Readonly<Record<Stage, string>>;
  readonly prepare: PreparePins;
};

/** Every stage under the same numerics. */
export const sameForAll = (numerics: string): Plan['numerics'] =>
  Object.fromEntries(STAGE_NAMES.map((stage) => [stage, numerics])) as Plan['numerics'];
