// Cuts a snapshot into shards.
// In: objects with row groups, the columns that are read. Out: shards one after the other, the same for the same input, in key order.
// Why by bytes and never by a worker's budget: edges decide task names, and those must not follow the weather.
// Why one after the other: a million shards with their ranges are a gigabyte, and each is needed once.
// Flow: job → snapshot → [plan] → prepare → fit → train → evaluate → prove → publish → gate → predictions
import { type ByteRange, joinRanges } from '../../common/store/ranges.ts';
import type { Shard } from '../../common/wire/task.ts';
import type { Snapshot, SnapshotObject } from '../snapshot/row-groups.ts';

export type Cut = { readonly reads: readonly string[]; readonly shardBytesMax: number };

export function* cutShards(snapshot: Snapshot, cut: Cut): Generator<Shard> {
  const reads = readsOf(snapshot, cut);
  for (const object of snapshot.objects)
    for (const edges of cutObject(object, cut.shardBytesMax)) yield shardOf(object, edges, reads);
}

/** Where a shard begins: its object, and its first row there. */
export type ShardStart = { readonly key: string; readonly rowStart: number };

/** The shards that begin there, in that order: cuts only the objects that are named. Undefined where none does. */
export function findShards(
  snapshot: Snapshot,
  cut: Cut,
  starts: readonly ShardStart[],
): readonly (Shard | undefined)[] {
  const reads = readsOf(snapshot, cut);
  const named = new Set(starts.map(({ key }) => key));
  const objects = new Map<string, SnapshotObject>();
  for (const object of snapshot.objects) if (named.has(object.key)) objects.set(object.key, object);
  return starts.map(({ key, rowStart }) => {
    const object = objects.get(key);
    if (!object) return undefined;
    for (const edges of cutObject(object, cut.shardBytesMax))
      if (edges.rowStart === rowStart) return shardOf(object, edges, reads);
    return undefined;
  });
}

/** The columns that are read: their names, and their places among the columns of files. */
type Reads = { readonly names: readonly string[]; readonly places: readonly number[] };

const readsOf = ({ schema }: Snapshot, { reads: names }: Cut): Reads => ({
  names,
  places: names.map((name) => schema.findIndex((column) => column.name === name)),
});

/** Row groups [start, end), rows [rowStart, rowEnd). */
type Edges = Readonly<Record<'start' | 'end' | 'rowStart' | 'rowEnd', number>>;

/** Runs of row groups of at most `shardBytesMax`; a larger row group is a shard of its own. */
export function* cutObject(
  { rowGroups }: Pick<SnapshotObject, 'rowGroups'>,
  shardBytesMax: number,
): Generator<Edges> {
  let start = 0;
  let rowStart = 0;
  while (start < rowGroups.length) {
    let end = start + 1;
    let [bytes, rows] = [rowGroups.bytesOf(start), rowGroups.rowsOf(start)];
    while (end < rowGroups.length && bytes + rowGroups.bytesOf(end) <= shardBytesMax) {
      bytes += rowGroups.bytesOf(end);
      rows += rowGroups.rowsOf(end++);
    }
    const rowEnd = rowStart + rows;
    if (rows > 0) yield { start, end, rowStart, rowEnd };
    start = end;
    rowStart = rowEnd;
  }
}

/** Members by name, as canonical JSON has them: then naming a task copies nothing. */
function shardOf(object: SnapshotObject, edges: Edges, { names, places }: Reads): Shard {
  const { rowGroups } = object;
  const ranges: ByteRange[] = [];
  for (let group = edges.start; group < edges.end; group++)
    for (const place of places) ranges.push(rowGroups.chunkOf(group, place));
  const types = typesOf(object, names);
  return {
    bytes: object.bytes,
    etag: object.etag,
    footerBytes: object.footerBytes,
    key: object.key,
    ranges: joinRanges(ranges),
    rowEnd: edges.rowEnd,
    rowGroupEnd: edges.end,
    rowGroupStart: edges.start,
    rowStart: edges.rowStart,
    ...(types ? { types } : {}),
  };
}

function typesOf({ types }: SnapshotObject, names: readonly string[]): Shard['types'] {
  if (!types) return undefined;
  const read = names.flatMap((name) =>
    types[name] === undefined ? [] : [[name, types[name]] as const],
  );
  return read.length > 0 ? Object.fromEntries(read) : undefined;
}
