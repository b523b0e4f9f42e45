// Pins a dataset: which objects it has now, their etags, schema and row groups.
// In: a dataset pattern. Out: a Snapshot, named by its digest, at snapshots/<digest>.json.
// Why every footer before any task: drift between files is told by name, and shard edges follow from row groups.
// Flow: job → [snapshot] → plan → prepare → fit → train → evaluate → prove → publish → gate → predictions
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../../common/clock.ts';
import { type Code, GristmillError } from '../../common/errors.ts';
import type { Digest } from '../../common/ids.ts';
import { Pace } from '../../common/pace.ts';
import { mapParallel } from '../../common/parallel.ts';
import { spread } from '../../common/spread.ts';
import type { ObjectInfo, Store } from '../../common/store/store.ts';
import type { SchemaColumn } from '../../common/wire/plan.ts';
import { Contract, ownTypes } from './contract.ts';
import { decodeSnapshot } from './decode.ts';
import { encodeSnapshot } from './encode.ts';
import type { ReadFooter } from './footer.ts';
import { listDataset, type Skipped } from './list.ts';
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

/** As many footers as are looked at before a job is taken in: where a column is not found in a few, some more. */
const [FOOTERS_FIRST, FOOTERS_MORE] = [4, 2_000];

/**
 * Runs a check on the schema of some objects, from first to last, and where it refuses, on that of many more: newer files
 * may have a column more, and only a snapshot reads them all.
 */
export async function withSchema<T>(
  of: { readonly lake: Store; readonly readFooter: FooterReader; readonly clock: Timer },
  dataset: string,
  check: (schema: readonly SchemaColumn[]) => Promise<T>,
): Promise<T> {
  const { objects } = await listDataset(of.lake, dataset);
  const checkSome = async (count: number): Promise<T> => {
    const some = await snapshotOf(dataset, spread(objects, count), of.readFooter, of.clock);
    return check(some.schema);
  };
  try {
    return await checkSome(FOOTERS_FIRST);
  } catch (error) {
    if (objects.length <= FOOTERS_FIRST || !isOfSchema(error)) throw error;
    return checkSome(FOOTERS_MORE);
  }
}

/** Another file may have the column, or a wider type; syntax and what is not allowed stay what they are. */
const isOfSchema = (error: unknown): boolean =>
  error instanceof GristmillError && OF_SCHEMA.includes(error.code);
const OF_SCHEMA: readonly Code[] = ['SQL_COLUMN', 'SQL_TYPE', 'SCHEMA_DRIFT'];

/** A dataset as it is now, and what of it was passed over. */
export async function takeSnapshot(
  lake: Store,
  dataset: string,
  read: FooterReader,
  clock: Timer,
): Promise<{ readonly snapshot: Snapshot; readonly skipped: Skipped }> {
  const { objects, skipped } = await listDataset(lake, dataset);
  return { snapshot: await snapshotOf(dataset, objects, read, clock), skipped };
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

/** Listing and footers to a snapshot, in pieces. */
export async function buildSnapshot(
  dataset: string,
  listing: readonly ObjectInfo[],
  footers: readonly ReadFooter[],
  clock: Timer,
): Promise<Snapshot> {
  const pace = new Pace(clock);
  const contract = new Contract();
  for (const [i, { key }] of listing.entries()) {
    const { schema, rows } = footers[i]!;
    contract.add(key, schema, { isEmpty: rows === 0 });
    const rest = pace.rest();
    if (rest) await rest;
  }
  const { schema } = contract;
  const objects: SnapshotObject[] = [];
  for (const [i, { key, etag, bytes }] of listing.entries()) {
    const footer = footers[i]!;
    const { footerBytes, rows } = footer;
    const types = ownTypes(schema, footer.schema);
    const object = { key, etag, bytes, footerBytes, rows, rowGroups: inOrderOf(schema, footer) };
    objects.push(types ? { ...object, types } : object);
    const rest = pace.rest();
    if (rest) await rest;
  }
  return { formatVersion: 1, dataset, schema, objects };
}

/** No bytes: of a column that the object has not. */
const NO_CHUNK = [0, 0] as const;

/** The footer's own row groups where its columns lie in that order already: they are held once. */
function inOrderOf(schema: readonly SchemaColumn[], footer: ReadFooter): RowGroups {
  const places = new Map(footer.schema.map(({ name }, i) => [name, i]));
  const files = schema.filter(({ from }) => from !== 'folder');
  const order = files.map(({ name }) => places.get(name));
  if (files.length === places.size && order.every((at, i) => at === i)) return footer.rowGroups;
  const groups = [...footer.rowGroups];
  return new RowGroups(
    groups.map(({ chunks, ...group }) => ({
      ...group,
      chunks: order.map((at) => (at === undefined ? NO_CHUNK : chunks[at]!)),
    })),
  );
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
