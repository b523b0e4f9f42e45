// Chooses what of a dataset is looked at: which footers, and which shards.
// In: a listing; a snapshot of some of its objects. Out: objects and shards, spread from first to last.
// Why spread: files follow each other in time or by region, and the first of them is like no other. Pure.
import { LIMITS } from '../../common/limits.ts';
import { spread } from '../../common/spread.ts';
import type { Shard } from '../../common/wire/task.ts';
import { cutShards } from '../plan/shards.ts';
import type { Snapshot } from '../snapshot/row-groups.ts';
import { fileColumns } from '../stage/check.ts';

/** Few shards where they hold enough rows, more where row groups and files are tiny; bounded by bytes. */
export function chooseShards(snapshot: Snapshot): readonly Shard[] {
  const reads = fileColumns(snapshot.schema.filter(({ unreadable }) => unreadable === undefined));
  const cut = { reads, shardBytesMax: LIMITS.surveyShardBytesMax };
  const all = [...cutShards(snapshot, cut)].flat();
  let count: number = LIMITS.surveyShards;
  let chosen = spread(all, count);
  while (sampledRows(chosen) < LIMITS.surveyRowsEnough && count < LIMITS.surveyShardsMax) {
    count *= 2;
    chosen = spread(all, count);
  }
  return withinBytes(chosen);
}

const sampledRows = (shards: readonly Shard[]): number =>
  shards.reduce(
    (sum, { rowStart, rowEnd }) => sum + Math.min(rowEnd - rowStart, LIMITS.surveyRowsMax),
    0,
  );

const bytesOf = ({ ranges }: Shard): number => ranges.reduce((sum, [, length]) => sum + length, 0);

/** Lets go of the largest shards until what is left fits, or one is left. */
function withinBytes(shards: readonly Shard[]): readonly Shard[] {
  const kept = new Set(shards);
  const largestFirst = [...shards].sort((a, b) => bytesOf(b) - bytesOf(a));
  let bytes = shards.reduce((sum, shard) => sum + bytesOf(shard), 0);
  for (const shard of largestFirst) {
    if (bytes <= LIMITS.surveyBytesMax || kept.size === 1) break;
    kept.delete(shard);
    bytes -= bytesOf(shard);
  }
  return shards.filter((shard) => kept.has(shard));
}
