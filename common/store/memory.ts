// A store in memory, for tests and the tiny whole.
// In: keys and bytes. Out: the Store contract, and counts of what was asked of it.
// Why it counts: a test that says "two reads" keeps a loop from becoming a scan.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import {
  changed,
  checkFolder,
  checkKey,
  checkPrefix,
  compareKeys,
  missing,
  namesBelow,
} from './keys.ts';
import type { Created, ObjectInfo, Store } from './store.ts';

export type MemoryStore = Store & {
  /** Calls of get, getRange, read and head so far. */
  readonly reads: number;
  /** Calls of create, createFromFile and delete so far. */
  readonly writes: number;
  /** Calls of list and listNames so far. */
  readonly lists: number;
  /** Puts bytes without asking, as a foreign writer or a failing disk would. */
  overwrite(key: string, bytes: Uint8Array): void;
};

export function memoryStore(): MemoryStore {
  const objects = new Map<string, Uint8Array>();
  const counts = { reads: 0, writes: 0, lists: 0 };
  const lookUp = async (key: string): Promise<Uint8Array | undefined> => {
    counts.reads += 1;
    await turn();
    return objects.get(checkKey(key));
  };
  const create = async (key: string, bytes: Uint8Array): Promise<Created> => {
    counts.writes += 1;
    const copy = Uint8Array.from(bytes);
    await turn();
    if (objects.has(checkKey(key))) return 'exists';
    objects.set(key, copy);
    return 'created';
  };
  const keysBelow = (prefix: string): string[] =>
    [...objects.keys()].filter((key) => key.startsWith(prefix)).sort(compareKeys);
  return {
    uri: 'memory:',
    get reads() {
      return counts.reads;
    },
    get writes() {
      return counts.writes;
    },
    get lists() {
      return counts.lists;
    },
    overwrite: (key, bytes) => void objects.set(checkKey(key), Uint8Array.from(bytes)),
    get: async (key) => {
      const bytes = await lookUp(key);
      return bytes && Uint8Array.from(bytes);
    },
    getRange: async (key, range) => {
      const bytes = await lookUp(key);
      if (!bytes) throw missing(key);
      return sliceOf(key, bytes, range);
    },
    create,
    createFromFile: async (key, path) => create(key, await readFile(path)),
    read: async (key) => {
      const bytes = await lookUp(key);
      if (!bytes) throw missing(key);
      return Readable.from([Buffer.from(bytes)]);
    },
    head: async (key) => {
      const bytes = await lookUp(key);
      return bytes && infoOf(key, bytes);
    },
    async *list(prefix) {
      counts.lists += 1;
      await turn();
      for (const key of keysBelow(checkPrefix(prefix))) {
        const bytes = objects.get(key);
        if (bytes) yield infoOf(key, bytes);
      }
    },
    listNames: async (prefix) => {
      counts.lists += 1;
      await turn();
      return namesBelow(prefix, keysBelow(checkFolder(prefix)));
    },
    delete: async (key) => {
      counts.writes += 1;
      await turn();
      objects.delete(checkKey(key));
    },
    close: async () => {},
  };
}

/** Lets other work in between, so that races written by mistake show in tests. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const infoOf = (key: string, bytes: Uint8Array): ObjectInfo => ({
  key,
  bytes: bytes.length,
  etag: createHash('md5').update(bytes).digest('hex'),
});

function sliceOf(
  key: string,
  bytes: Uint8Array,
  { offset, length, etag }: { offset: number; length: number; etag?: string },
): Uint8Array {
  const info = infoOf(key, bytes);
  if (etag !== undefined && etag !== info.etag) {
    throw changed(key, `etag ${info.etag}`, etag);
  }
  if (offset + length > bytes.length) {
    throw changed(key, `${bytes.length} bytes`, `at least ${offset + length}`);
  }
  return Uint8Array.from(bytes.subarray(offset, offset + length));
}
