// What a worker is handed, and what it commits.
// In: a compiled program's digest and an input. Out: a descriptor at parts/<stage>/<task>/<n>.json, or in a group.
// Why content-addressed: task = hash(stage, program, input, numerics, limits), so a result that exists is never computed again.
import type { WireError } from '../errors.ts';
import { type Digest, type TaskId, taskIdOf, type WorkerId } from '../ids.ts';
import { LIMITS } from '../limits.ts';
import type { Stage } from '../stage/stages.ts';

/** A slice of a snapshot: one object and a run of its row groups. */
export type Shard = {
  /** Relative to the lake. */
  readonly key: string;
  readonly etag: string;
  readonly bytes: number;
  readonly footerBytes: number;
  readonly rowGroupStart: number;
  readonly rowGroupEnd: number; // exclusive
  readonly rowStart: number; // row number in the object, inclusive
  readonly rowEnd: number; // exclusive
  /** Byte ranges that hold the column chunks that the program reads, ascending; few, so that some span holes between them. */
  readonly ranges: readonly (readonly [offset: number, length: number])[];
  /** Of those columns, where this object has one otherwise than the dataset: its own type, or null where it has none. */
  readonly types?: Readonly<Record<string, string | null>>;
};

/**
 * An object that some task wrote, by its content. `key` is where its first copy lies; where that has
 * rotted, copy n lies at copyKey(key, n). So a ref, and every digest that holds one, outlives the disk.
 */
export type BlobRef = { readonly key: string; readonly sha256: Digest; readonly bytes: number };

export type TaskInput =
  | { readonly kind: 'shard'; readonly shard: Shard }
  /** Whole small objects, one shard each, in key order. */
  | { readonly kind: 'pack'; readonly shards: readonly Shard[] }
  /** Rows of one part. */
  | { readonly kind: 'part'; readonly part: PartRef }
  /** Results of other tasks, in merge order. */
  | { readonly kind: 'results'; readonly tasks: readonly ResultRef[] }
  /** Rows of one part together with the shard, or the pack, that they came from. */
  | { readonly kind: 'replay'; readonly part: PartRef; readonly shard: Shard }
  | { readonly kind: 'replayPack'; readonly part: PartRef; readonly shards: readonly Shard[] }
  /** Nothing but the program. */
  | { readonly kind: 'none' };

/** What of the lake a task reads, in key order. */
export function shardsIn(input: TaskInput): readonly Shard[] {
  switch (input.kind) {
    case 'shard':
    case 'replay':
      return [input.shard];
    case 'pack':
    case 'replayPack':
      return input.shards;
    case 'part':
    case 'results':
    case 'none':
      return [];
  }
}

export type ResultRef = {
  readonly stage: Stage;
  readonly task: TaskId;
  /** The group that holds it, where one does: where it lies, not what it is, so no name depends on it. */
  readonly group?: string;
};

/** A part as its readers need it: where, how many rows, and where each bucket begins. */
export type PartRef = BlobRef & {
  readonly rows: number;
  /** 65 row offsets: bucket b is rows [offsets[b], offsets[b+1]). */
  readonly bucketOffsets: readonly number[];
  /** Object key relative to the lake, and the first row in it: of the shard, or of the pack's first object. */
  readonly source: { readonly key: string; readonly rowStart: number };
  /** Absent where the part was written by a program that said nothing of groups: it is read whole. */
  readonly groups?: PartGroups;
};

/** Row groups of a part: for who reads some rows only. */
export type PartGroups = {
  /** In each but the last. */
  readonly rows: number;
  /** Where each ends in the file; the first begins at 0, and the footer lies behind the last. */
  readonly ends: readonly number[];
  /** The first 32 hex digits of the SHA-256 of each, then of the footer. */
  readonly digests: readonly string[];
};

export type Task = {
  readonly formatVersion: 1;
  readonly task: TaskId;
  readonly stage: Stage;
  /** Digest of the compiled program at stages/<digest>.json. */
  readonly program: Digest;
  readonly input: TaskInput;
  readonly numerics: string;
  readonly memoryBytes: number;
  readonly deadlineMs: number;
  /**
   * The number to commit under, and of the copies to write (copyKey): 1, and n+1 only after a
   * recorded checksum mismatch of n.
   */
  readonly commit: number;
};

/**
 * The name of a task: the hash of all that its message says, but for the number of the commit. So no message can
 * say anything else under an id that somebody waits for.
 */
export function nameTask(of: Omit<Task, 'task'>): TaskId {
  const { task: _task, commit: _commit, ...said } = of as Task;
  return taskIdOf({ ...said, input: withoutPlaces(said.input) });
}

function withoutPlaces(input: TaskInput): TaskInput {
  if (input.kind !== 'results' || !input.tasks.some(({ group }) => group)) return input;
  return { ...input, tasks: input.tasks.map(({ group: _, ...ref }) => ref) };
}

/** What a worker must have for a task: engines take what is planned for them, and some more. */
export const bytesHeld = ({ memoryBytes }: Pick<Task, 'memoryBytes'>): number =>
  memoryBytes + LIMITS.taskOverheadBytes;

/** The commit of any task. `result` is deterministic and compared; `attempt` never is. */
export type Descriptor<R = unknown> = {
  readonly formatVersion: 1;
  readonly task: TaskId;
  readonly stage: Stage;
  readonly result: R;
  readonly attempt: Attempt;
  /** What was asked for: enough to have it computed again. Absent for training, which is no task. */
  readonly message?: Task;
};

/**
 * Commits of several tasks of one program that ended at a worker together: one create-only object. Only first commits
 * of tasks that wrote no data lie in groups, so whatever may rot, and be computed again, has a commit of its own.
 */
export type Group = {
  readonly formatVersion: 1;
  readonly stage: Stage;
  readonly program: Digest;
  readonly descriptors: readonly Descriptor[];
};
/** Where the groups of one program lie; the name of each begins with when it was written. */
export const groupsPrefix = ({ stage, program }: Pick<Task, 'stage' | 'program'>): string =>
  `parts/${stage}/groups/${program}/`;
/** `at` in ms since 1970 by the worker's clock, `digest` of the object's bytes. */
export const groupKey = (of: Pick<Task, 'stage' | 'program'>, at: number, digest: Digest): string =>
  `${groupsPrefix(of)}${String(at).padStart(14, '0')}-${digest.slice(0, 16)}.json`;

export type Attempt = {
  readonly worker: WorkerId;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
};

export const commitKey = (stage: Stage, task: TaskId, n: number): string =>
  `parts/${stage}/${task}/${n}.json`;
export const dataKey = (stage: Stage, task: TaskId, file: string): string =>
  `parts/${stage}/${task}/${file}`;

/** Where copy `n` of a blob lies: <folder>/<file>, then <folder>/2-<file>, … */
export function copyKey(key: string, n: number): string {
  if (n === 1) return key;
  const at = key.lastIndexOf('/') + 1;
  return `${key.slice(0, at)}${n}-${key.slice(at)}`;
}

/** The task whose commit names a blob, by the blob's key. */
export function writerOf(key: string): ResultRef | undefined {
  const [root, stage, task] = key.split('/');
  if (root !== 'parts' || !stage || !/^[0-9a-f]{64}$/.test(task ?? '')) return undefined;
  return { stage: stage as Stage, task: task as TaskId };
}

/** A blob of which no copy has the right bytes, each read twice. */
export type CorruptBlob = { readonly key: string; readonly copies: number };

export const programKey = (digest: Digest): string => `stages/${digest}.json`;

/** One way in which an attempt ended badly, at failures/<task>/<n>.json. */
export type Failure = {
  readonly formatVersion: 1;
  readonly task: TaskId;
  readonly stage: Stage;
  readonly worker: WorkerId;
  /**
   * 'error' counts towards taskFailuresMax; 'lost' (a silent worker) has its own cap; 'corrupt' has
   * the task run again that wrote what could not be read, up to copiesMax.
   */
  readonly kind: 'error' | 'lost' | 'corrupt';
  readonly corrupt?: CorruptBlob;
  readonly error: WireError;
  readonly at: number;
  /** Generation of the offer that it answers: a run counts only its own. Absent in older ones, and for training. */
  readonly offer?: number;
};
export const failureKey = (task: TaskId, n: number): string => `failures/${task}/${n}.json`;
