// A journal: an append-only list of numbered create-only objects. Compare-and-set is creating the next number.
// In: a prefix and JSON entries. Out: the head, the entries, and who won a number.
// Why padded to 12 digits: listings sort as text, and 9.json would come after 11.json.
import { createJson, type Store } from './store.ts';

export type Entry<T> = { readonly n: number; readonly value: T };
/** How an entry is read: through the door that knows its kind (common/stored). */
export type Read<T> = (store: Store, key: string) => Promise<T | undefined>;

export const entryKey = (prefix: string, n: number): string =>
  `${prefix}/${String(n).padStart(12, '0')}.json`;

/**
 * Reads entries after `after` until the first missing number: one, then two at once, then four. What is rarely there
 * costs one read, and a long journal few round trips.
 */
export async function readAfter<T>(
  store: Store,
  prefix: string,
  after: number,
  read: Read<T>,
): Promise<Entry<T>[]> {
  const entries: Entry<T>[] = [];
  for (let count = 1; ; count = Math.min(2 * count, READS_MAX)) {
    const first = after + entries.length + 1;
    const values = await Promise.all(
      Array.from({ length: count }, (_, i) => read(store, entryKey(prefix, first + i))),
    );
    for (const [i, value] of values.entries()) {
      if (value === undefined) return entries;
      entries.push({ n: first + i, value });
    }
  }
}

/** Entries of one journal read at once. */
const READS_MAX = 32;

/** The last entry, or undefined; `known` as in seekHead(). */
export async function readHead<T>(
  store: Store,
  prefix: string,
  known: number,
  read: Read<T>,
): Promise<Entry<T> | undefined> {
  const n = await seekHead(store, prefix, known);
  if (n === 0) return undefined;
  const value = await read(store, entryKey(prefix, n));
  return value === undefined ? undefined : { n, value };
}

/**
 * The last entry's number, or 0. Gallops from `known` (a number that is known to exist, or 0), so that
 * a long journal costs a handful of requests: numbers have no gaps, which makes them searchable.
 */
export async function seekHead(store: Store, prefix: string, known: number): Promise<number> {
  const has = async (n: number): Promise<boolean> =>
    (await store.head(entryKey(prefix, n))) !== undefined;
  let low = known;
  let span = 1;
  while (await has(low + span)) {
    low += span;
    span *= 2;
  }
  for (span = Math.floor(span / 2); span >= 1; span = Math.floor(span / 2)) {
    if (await has(low + span)) low += span;
  }
  return low;
}

/** Creates entry `n`; false where somebody else has it. `n` must be the head's number plus one. */
export async function append<T extends { formatVersion: number }>(
  store: Store,
  prefix: string,
  n: number,
  value: T,
): Promise<boolean> {
  return (await createJson(store, entryKey(prefix, n), value)) === 'created';
}

/** Appends at the head, which nobody need be able to read, whoever else appends: for logs, where order among writers does not matter. */
export async function appendNext<T extends { formatVersion: number }>(
  store: Store,
  prefix: string,
  value: T,
  known = 0,
): Promise<number> {
  for (let n = (await seekHead(store, prefix, known)) + 1; ; n++) {
    if (await append(store, prefix, n, value)) return n;
  }
}
