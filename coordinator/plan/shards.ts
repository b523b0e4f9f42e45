// Cuts a snapshot into what tasks read: shards of large objects, packs of small ones.
// In: objects with row groups, the columns that are read. Out: runs of shards one after the other, the same for the same input.
// Why by bytes and never by a worker's budget: edges decide task names, and those must not follow the weather.
// Why packs end where keys say so: an object more makes one pack new, and moves the end of no other.
// Why one after the other: a million shards with their ranges are a gigabyte, and each is needed once.
// Flow: job → snapshot → [plan] → prepare → fit → train → evaluate → prove → publish → gate → predictions
import { createHash } from 'node:crypto';
import { LIMITS } from '../../common/limits.ts';
import { type ByteRange, fewRanges } from '../../common/store/ranges.ts';
import type { PackPins } from '../../common/wire/plan.ts';
import type { Shard } from '../../common/wire/task.ts';
import type { Snapshot, SnapshotObject } from '../snapshot/row-groups.ts';

export type Cut = {
  readonly reads: readonly string[];
  readonly shardBytesMax: number;
  /** Absent: small objects are shards of their own. */
  readonly packs?: PackPins | undefined;
};

/** One shard of a large object, or those of a pack. */
export function* cutShards(snapshot: Snapshot, cut: Cut): Generator<readonly Shard[]> {
  const reads = readsOf(snapshot, cut);
  for (const run of cutRuns(snapshot.objects, cut)) yield shardsOf(run, reads);
}

/** Where a run begins: its object, and its first row there. */
export type RunStart = { readonly key: string; readonly rowStart: number };

/** The runs that begin there, in that order: cuts only the objects that may be in them. Undefined where none does. */
export function findRuns(
  snapshot: Snapshot,
  cut: Cut,
  starts: readonly RunStart[],
): readonly (readonly Shard[] | undefined)[] {
  const reads = readsOf(snapshot, cut);
  const nameOf = ({ key, rowStart }: RunStart): string => `${rowStart} ${key}`;
  const wanted = new Set(starts.map(nameOf));
  const named = new Set(starts.map(({ key }) => key));
  const objects = snapshot.objects.filter(
    (object) => named.has(object.key) || isPacked(object, cut.packs),
  );
  const found = new Map<string, readonly Shard[]>();
  for (const run of cutRuns(objects, cut)) {
    const name = nameOf({ key: run[0]!.object.key, rowStart: run[0]!.edges.rowStart });
    if (wanted.has(name)) found.set(name, shardsOf(run, reads));
  }
  return starts.map((start) => found.get(nameOf(start)));
}

type Piece = { readonly object: SnapshotObject; readonly edges: Edges };

/** What each task reads; packs come when they end, among large objects that lie between their own. */
export function* cutRuns(
  objects: readonly SnapshotObject[],
  { shardBytesMax, packs }: Omit<Cut, 'reads'>,
): Generator<readonly Piece[]> {
  let pack: Piece[] = [];
  let [bytes, text] = [0, 0];
  const close = (): readonly Piece[] => {
    const closed = pack;
    pack = [];
    [bytes, text] = [0, 0];
    return closed;
  };
  for (const object of objects) {
    if (!packs || !isPacked(object, packs)) {
      for (const edges of cutObject(object, shardBytesMax)) yield [{ object, edges }];
      continue;
    }
    if (object.rows === 0) continue;
    const more = textOf(object);
    const isFull = bytes + object.bytes > shardBytesMax || text + more > packs.textMax;
    if (isFull && pack.length > 0) yield close();
    pack.push({ object, edges: wholeOf(object) });
    bytes += object.bytes;
    text += more;
    if (pack.length >= packs.objectsMax) yield close();
    else if (pack.length >= packs.objectsMin && endsPack(object.key, packs)) yield close();
  }
  if (pack.length > 0) yield close();
}

/** Whether this object lies in packs, whatever lies beside it. */
export const isPacked = ({ bytes }: SnapshotObject, packs: PackPins | undefined): boolean =>
  packs !== undefined && bytes <= packs.bytesMax;

/** About what names it in a task's message: numbers and ranges, its name in escapes, other types. */
const textOf = ({ key, etag, types = {} }: SnapshotObject): number =>
  300 + 2 * key.length + etag.length + JSON.stringify(types).length;

function endsPack(key: string, { objectsOneIn }: PackPins): boolean {
  const hash = createHash('sha256').update(`pack:${key}`).digest();
  return hash.readUInt32LE(0) % objectsOneIn === 0;
}

function shardsOf(run: readonly Piece[], reads: Reads): readonly Shard[] {
  const rangesMax = run.length === 1 ? LIMITS.shardRangesMax : LIMITS.packRangesMax;
  return run.map((piece) => shardOf(piece, reads, rangesMax));
}

/** The columns that are read: their names, and their places among the columns of files. */
type Reads = { readonly names: readonly string[]; readonly places: readonly number[] };

const readsOf = ({ schema }: Snapshot, { reads: names }: Cut): Reads => ({
  names,
  places: names.map((name) => schema.findIndex((column) => column.name === name)),
});

/** Row groups [start, end), rows [rowStart, rowEnd). */
type Edges = Readonly<Record<'start' | 'end' | 'rowStart' | 'rowEnd', number>>;

const wholeOf = ({ rowGroups, rows }: SnapshotObject): Edges => ({
  ...{ start: 0, end: rowGroups.length, rowStart: 0, rowEnd: rows },
});

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
function shardOf({ object, edges }: Piece, { names, places }: Reads, rangesMax: number): Shard {
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
    ranges: fewRanges(ranges, rangesMax),
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
