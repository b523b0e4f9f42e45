// The prepare tasks of a plan: what they are a pure function of, and they themselves, one after the other.
// In: a snapshot, the program, the constants of the cut. Out: pins with two counts; tasks in key order.
// Why pins and not tasks: a plan of a million tasks was a gigabyte of JSON, written and read back on the loop.
// Flow: job → snapshot → [plan → prepare] → fit → train → evaluate → prove → publish → gate → predictions
import type { Clock } from '../../common/clock.ts';
import { GristmillError } from '../../common/errors.ts';
import type { Digest } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import { Pace } from '../../common/pace.ts';
import type { PackPins, PreparePins } from '../../common/wire/plan.ts';
import type { Shard, Task, TaskInput } from '../../common/wire/task.ts';
import type { Snapshot } from '../snapshot/row-groups.ts';
import { cutRuns, cutShards, findRuns, isPacked, type RunStart } from './shards.ts';
import { makeTask } from './tasks.ts';

/** With this program's constants, which hold for the plan from here on. Counts in pieces: the loop serves others between. */
export async function pinPrepare(
  snapshot: Snapshot,
  { program, clock }: { readonly program: Digest; readonly clock: Pick<Clock, 'monotonicMs'> },
): Promise<PreparePins> {
  const { shardBytesMax, taskMemoryBytes: memoryBytes, taskDeadlineMs: deadlineMs } = LIMITS;
  const packs = packsOf(snapshot);
  const pace = new Pace(clock);
  let [taskCount, rowCount] = [0, 0];
  for (const run of cutRuns(snapshot.objects, { shardBytesMax, packs })) {
    taskCount += 1;
    for (const { edges } of run) rowCount += edges.rowEnd - edges.rowStart;
    const rest = pace.rest();
    if (rest) await rest;
  }
  const cut = packs ? { shardBytesMax, packs } : { shardBytesMax };
  return { program, ...cut, memoryBytes, deadlineMs, taskCount, rowCount };
}

/** How small objects are packed, where there are so many that a task for each would cost more than its rows. */
function packsOf({ objects, schema }: Snapshot): PackPins | undefined {
  const packs: PackPins = {
    bytesMax: LIMITS.packBytesMax,
    objectsMin: LIMITS.packObjectsMin,
    objectsOneIn: LIMITS.packObjectsOneIn,
    objectsMax: LIMITS.packObjectsMax,
    textMax: LIMITS.packTextMax,
  };
  // DuckDB tells the objects of a pack apart by this name
  if (schema.some(({ name }) => name.toLowerCase() === 'file_index')) return undefined;
  const small = objects.reduce((n, object) => n + (isPacked(object, packs) ? 1 : 0), 0);
  return small >= LIMITS.packFrom ? packs : undefined;
}

/** All that prepare tasks follow from. */
export type PrepareSource = {
  readonly snapshot: Snapshot;
  readonly pins: PreparePins;
  /** Columns that the program reads. */
  readonly reads: readonly string[];
  readonly numerics: string;
  /** The program was stored just now for the first time: no task of it has a result yet. */
  readonly isNew: boolean;
};

/** One a shard or pack, made as they are asked for. */
export function* prepareTasks({ snapshot, pins, reads, numerics }: PrepareSource): Generator<Task> {
  const { program, shardBytesMax, packs, memoryBytes, deadlineMs } = pins;
  for (const shards of cutShards(snapshot, { reads, shardBytesMax, packs })) {
    const input = inputOf(shards);
    yield makeTask({ stage: 'prepare', program, input, numerics, memoryBytes, deadlineMs });
  }
}

const inputOf = (shards: readonly Shard[]): TaskInput =>
  shards.length === 1 ? { kind: 'shard', shard: shards[0]! } : { kind: 'pack', shards };

/** The shard or pack that each part came from, by where it begins. */
export function shardsOfParts(
  { snapshot, pins, reads }: PrepareSource,
  parts: readonly { readonly source: RunStart }[],
): readonly (readonly Shard[])[] {
  const { shardBytesMax, packs } = pins;
  const starts = parts.map(({ source }) => source);
  return findRuns(snapshot, { reads, shardBytesMax, packs }, starts).map((shards, i) => {
    if (shards) return shards;
    const { key, rowStart } = starts[i]!;
    throw new GristmillError(
      'INTERNAL',
      `Cannot find what begins with row ${rowStart} of ${key}: the snapshot has no such shard`,
    );
  });
}
