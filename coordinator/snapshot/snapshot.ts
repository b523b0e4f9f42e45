// Pins a dataset: which objects it has now, their etags, schema and row groups.
// In: a dataset pattern. Out: a Snapshot, named by its digest, at snapshots/<digest>.json.
// Why every footer before any task: drift between files is told by name, and shard edges follow from row groups.
// Flow: job → [snapshot] → plan → prepare → fit → train → evaluate → prove → publish → gate → predictions
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../common/clock.ts';
import { GristmillError } from '../../common/errors.ts';
import type { Digest } from '../../common/ids.ts';
import { Pace } from '../../common/pace.ts';
import { mapParallel } from '../../common/parallel.ts';
import type { ObjectInfo, Store } from '../../common/store/store.ts';
import type { SchemaColumn } from '../../common/wire/plan.ts';
import { decodeSnapshot } from './decode.ts';
import { encodeSnapshot } from './encode.ts';
import type { ReadFooter } from './footer.ts';
import { listDataset } from './list.ts';
import { RowGroups, type Snapshot, type SnapshotObject } from './row-groups.ts';

type Timer = Pick<Clock, 'monotonicMs'>;

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
  clock: Timer,
): Promise<Snapshot> {
  return snapshotOf(dataset, await listDataset(lake, dataset), read, clock);
}

/** Reads the footers of these objects. */
export async function snapshotOf(
  dataset: string,
  listing: readonly ObjectInfo[],
  read: FooterReader,
  clock: Timer,
): Promise<Snapshot> {
  const footers = await mapParallel(listing, FOOTERS_AT_ONCE, read);
  return buildSnapshot(dataset, listing, footers, clock);
}

/** Listing and footers to a snapshot, in pieces; SCHEMA_DRIFT names file and column. */
export async function buildSnapshot(
  dataset: string,
  listing: readonly ObjectInfo[],
  footers: readonly ReadFooter[],
  clock: Timer,
): Promise<Snapshot> {
  const schema = footers[0]!.schema;
  const pace = new Pace(clock);
  const objects: SnapshotObject[] = [];
  for (const [i, { key, etag, bytes }] of listing.entries()) {
    const footer = footers[i]!;
    checkDrift({ key: listing[0]!.key, schema }, { key, schema: footer.schema });
    const { footerBytes, rows } = footer;
    objects.push({ key, etag, bytes, footerBytes, rows, rowGroups: inOrderOf(schema, footer) });
    const rest = pace.rest();
    if (rest) await rest;
  }
  return { formatVersion: 1, dataset, schema, objects };
}

/** The footer's own row groups where its columns lie in that order already: they are held once. */
function inOrderOf(schema: readonly SchemaColumn[], footer: ReadFooter): RowGroups {
  const order = schema.map(({ name }) => footer.schema.findIndex((column) => column.name === name));
  if (order.every((at, i) => at === i)) return footer.rowGroups;
  const groups = [...footer.rowGroups];
  return new RowGroups(
    groups.map((group) => ({ ...group, chunks: order.map((at) => group.chunks[at]!) })),
  );
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

/** By way of a file in `scratch`. */
export async function saveSnapshot(
  store: Store,
  snapshot: Snapshot,
  scratch: string,
): Promise<Digest> {
  const folder = await mkdtemp(join(scratch, 'snapshot-'));
  try {
    const path = join(folder, 'snapshot.json');
    const digest = await encodeSnapshot(snapshot, path);
    await store.createFromFile(snapshotKey(digest), path);
    return digest;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

export async function loadSnapshot(store: Store, digest: Digest, clock: Timer): Promise<Snapshot> {
  const key = snapshotKey(digest);
  const bytes = await store.get(key);
  if (bytes) return decodeSnapshot(key, bytes, clock);
  throw new GristmillError('INTERNAL', `Cannot read snapshot ${digest}: it is not in ${store.uri}`);
}
