// The prepare tasks of a plan: what they are a pure function of, and they themselves, one after the other.
// In: a snapshot, the program, the constants of the cut. Out: pins with two counts; tasks in key order.
// Why pins and not tasks: a plan of a million tasks was a gigabyte of JSON, written and read back on the loop.
// Flow: job → snapshot → [plan → prepare] → fit → train → evaluate → prove → publish → gate → predictions
import type { Clock } from '../../common/clock.ts';
import { GristmillError } from '../../common/errors.ts';
import type { Digest } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import { Pace } from '../../common/pace.ts';
import type { PreparePins } from '../../common/wire/plan.ts';
import type { Shard, Task } from '../../common/wire/task.ts';
import type { Snapshot } from '../snapshot/row-groups.ts';
import { cutObject, cutShards, findShards, type ShardStart } from './shards.ts';
import { makeTask } from './tasks.ts';

/** With this program's constants, which hold for the plan from here on. Counts in pieces: the loop serves others between. */
export async function pinPrepare(
  snapshot: Snapshot,
  { program, clock }: { readonly program: Digest; readonly clock: Pick<Clock, 'monotonicMs'> },
): Promise<PreparePins> {
  const { shardBytesMax, taskMemoryBytes: memoryBytes, taskDeadlineMs: deadlineMs } = LIMITS;
  const pace = new Pace(clock);
  let [taskCount, rowCount] = [0, 0];
  for (const object of snapshot.objects) {
    for (const { rowStart, rowEnd } of cutObject(object, shardBytesMax)) {
      taskCount += 1;
      rowCount += rowEnd - rowStart;
    }
    const rest = pace.rest();
    if (rest) await rest;
  }
  return { program, shardBytesMax, memoryBytes, deadlineMs, taskCount, rowCount };
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

/** One a shard, made as they are asked for. */
export function* prepareTasks({ snapshot, pins, reads, numerics }: PrepareSource): Generator<Task> {
  const { program, shardBytesMax, memoryBytes, deadlineMs } = pins;
  for (const shard of cutShards(snapshot, { reads, shardBytesMax })) {
    const input = { kind: 'shard', shard } as const;
    yield makeTask({ stage: 'prepare', program, input, numerics, memoryBytes, deadlineMs });
  }
}

/** The shards that parts came from, by where these begin. */
export function shardsOfParts(
  { snapshot, pins, reads }: PrepareSource,
  parts: readonly { readonly source: ShardStart }[],
): readonly Shard[] {
  const starts = parts.map(({ source }) => source);
  const shards = findShards(snapshot, { reads, shardBytesMax: pins.shardBytesMax }, starts);
  return shards.map((shard, i) => {
    if (shard) return shard;
    const { key, rowStart } = starts[i]!;
    throw new GristmillError(
      'INTERNAL',
      `Cannot find the shard of row ${rowStart} of ${key}: the snapshot has none that begins there`,
    );
  });
}
