// Pins a dataset: which objects it has now, their etags, schema and row groups.
// In: a dataset pattern. Out: a Snapshot, named by its digest, at snapshots/<digest>.json.
// Why every footer before any task: drift between files is told by name, and shard edges follow from row groups.
// Flow: job → [snapshot] → plan → prepare → fit → train → evaluate → prove → publish → gate → predictions
import { GristmillError } from '../../common/errors.ts';
import { type Digest, digestOf } from '../../common/ids.ts';
import { mapParallel } from '../../common/parallel.ts';
import { createJson, type ObjectInfo, type Store } from '../../common/store/store.ts';
import { readStored } from '../../common/stored/stored.ts';
import type { SchemaColumn, Snapshot, SnapshotObject } from '../../common/wire/plan.ts';
import type { ReadFooter } from './footer.ts';
import { listDataset } from './list.ts';

export type FooterReader = (object: ObjectInfo) => Promise<ReadFooter>;

/** How many footers are read at once: each holds a thread of the child and a connection for some ms. */
const FOOTERS_AT_ONCE = 8;
/** Footers kept in memory: new data costs only the footers that are new. */
const FOOTERS_KEPT = 20_000;

/**
 * Remembers footers by key and etag. Where there are more, one by chance makes room: of the oldest or the longest unused, a
 * scan of 20,001 objects again and again would find none, since each goes just before it is asked for.
 */
export function cachedFooters(read: FooterReader, keptMax = FOOTERS_KEPT): FooterReader {
  const kept = new Map<string, ReadFooter>();
  const slots: string[] = [];
  let chance = 1;
  return async (object) => {
    const name = `${object.etag} ${object.bytes} ${object.key}`;
    const known = kept.get(name);
    if (known) return known;
    const footer = await read(object);
    if (!kept.has(name)) {
      chance = (Math.imul(chance, 1_664_525) + 1_013_904_223) >>> 0;
      const slot = slots.length < keptMax ? slots.length : Math.floor((chance / 2 ** 32) * keptMax);
      const leaving = slots[slot];
      if (leaving !== undefined) kept.delete(leaving);
      slots[slot] = name;
    }
    kept.set(name, footer);
    return footer;
  };
}

/** The schema alone, of the first object: what a spec is checked against at submit. */
export async function fetchSchema(
  lake: Store,
  dataset: string,
  read: FooterReader,
): Promise<readonly SchemaColumn[]> {
  const [first] = await listDataset(lake, dataset);
  return (await read(first!)).schema;
}

export async function takeSnapshot(
  lake: Store,
  dataset: string,
  read: FooterReader,
): Promise<Snapshot> {
  return snapshotOf(dataset, await listDataset(lake, dataset), read);
}

/** Reads the footers of these objects. */
export async function snapshotOf(
  dataset: string,
  listing: readonly ObjectInfo[],
  read: FooterReader,
): Promise<Snapshot> {
  return buildSnapshot(dataset, listing, await mapParallel(listing, FOOTERS_AT_ONCE, read));
}

/** Pure: listing and footers to a snapshot; SCHEMA_DRIFT names file and column. */
export function buildSnapshot(
  dataset: string,
  listing: readonly ObjectInfo[],
  footers: readonly ReadFooter[],
): Snapshot {
  const schema = footers[0]!.schema;
  const objects = listing.map(({ key, etag, bytes }, i): SnapshotObject => {
    const footer = footers[i]!;
    checkDrift({ key: listing[0]!.key, schema }, { key, schema: footer.schema });
    const order = schema.map(({ name }) =>
      footer.schema.findIndex((column) => column.name === name),
    );
    const rowGroups = footer.rowGroups.map((group) => ({
      ...group,
      chunks: order.map((at) => group.chunks[at]!),
    }));
    return { key, etag, bytes, footerBytes: footer.footerBytes, rows: footer.rows, rowGroups };
  });
  return { formatVersion: 1, dataset, schema, objects };
}

type Described = { readonly key: string; readonly schema: readonly SchemaColumn[] };

/** Same names and types, in any order. */
function checkDrift(first: Described, other: Described): void {
  const drift = (what: string): GristmillError =>
    new GristmillError('SCHEMA_DRIFT', `Cannot read ${other.key} with ${first.key}: ${what}`);
  const types = new Map(other.schema.map(({ name, type }) => [name, type]));
  for (const { name, type } of first.schema) {
    const found = types.get(name);
    if (found === undefined)
      throw drift(`column ${JSON.stringify(name)} is not in it, expected ${type}`);
    if (found !== type) throw drift(`column ${JSON.stringify(name)} is ${found}, expected ${type}`);
    types.delete(name);
  }
  for (const name of types.keys())
    throw drift(`column ${JSON.stringify(name)} is only in it, expected the same columns`);
}

const snapshotKey = (digest: Digest): string => `snapshots/${digest}.json`;

export async function saveSnapshot(store: Store, snapshot: Snapshot): Promise<Digest> {
  const digest = digestOf(snapshot);
  await createJson(store, snapshotKey(digest), snapshot);
  return digest;
}

export async function loadSnapshot(store: Store, digest: Digest): Promise<Snapshot> {
  const snapshot = await readStored(store, snapshotKey(digest), 'snapshot');
  if (snapshot) return snapshot;
  throw new GristmillError('INTERNAL', `Cannot read snapshot ${digest}: it is not in ${store.uri}`);
}
