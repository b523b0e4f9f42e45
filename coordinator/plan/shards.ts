// Cuts a snapshot into shards.
// In: objects with row groups, the columns that are read. Out: shards, the same for the same input, in key order.
// Why by bytes and never by a worker's budget: edges decide task names, and those must not follow the weather.
// Flow: job → snapshot → [plan] → prepare → fit → train → evaluate → prove → publish → gate → predictions
import { joinRanges } from '../../common/store/ranges.ts';
import type { RowGroup, Snapshot, SnapshotObject } from '../../common/wire/plan.ts';
import type { Shard } from '../../common/wire/task.ts';

export function cutShards(
  snapshot: Snapshot,
  { reads, shardBytesMax }: { reads: readonly string[]; shardBytesMax: number },
): Shard[] {
  const columns = reads.map((name) => snapshot.schema.findIndex((column) => column.name === name));
  return snapshot.objects.flatMap((object) => cutObject(object, columns, shardBytesMax));
}

/** Runs of row groups of at most `shardBytesMax`; a larger row group is a shard of its own. */
function cutObject(
  object: SnapshotObject,
  columns: readonly number[],
  shardBytesMax: number,
): Shard[] {
  const shards: Shard[] = [];
  let start = 0;
  let rowStart = 0;
  while (start < object.rowGroups.length) {
    let end = start + 1;
    let bytes = object.rowGroups[start]!.bytes;
    while (end < object.rowGroups.length && bytes + object.rowGroups[end]!.bytes <= shardBytesMax) {
      bytes += object.rowGroups[end++]!.bytes;
    }
    const groups = object.rowGroups.slice(start, end);
    const rowEnd = rowStart + groups.reduce((sum, group) => sum + group.rows, 0);
    if (rowEnd > rowStart)
      shards.push(shardOf(object, { start, end, rowStart, rowEnd, groups, columns }));
    start = end;
    rowStart = rowEnd;
  }
  return shards;
}

function shardOf(
  object: SnapshotObject,
  run: {
    start: number;
    end: number;
    rowStart: number;
    rowEnd: number;
    groups: readonly RowGroup[];
    columns: readonly number[];
  },
): Shard {
  return {
    key: object.key,
    etag: object.etag,
    bytes: object.bytes,
    footerBytes: object.footerBytes,
    rowGroupStart: run.start,
    rowGroupEnd: run.end,
    rowStart: run.rowStart,
    rowEnd: run.rowEnd,
    ranges: joinRanges(run.groups.flatMap((group) => run.columns.map((at) => group.chunks[at]!))),
  };
}
