// The object store: the only source of truth.
// In: keys and bytes. Out: whole objects or ranges, and one atomic verb: create-only put.
// Why so small: create-only is the one conditional write that file systems, MinIO and S3 all have.
// Keys are relative to the store's root, '/'-separated, without a leading slash.
import type { Readable } from 'node:stream';
import { GristmillError } from '../errors.ts';

export type ObjectInfo = {
  readonly key: string;
  readonly bytes: number;
  /** Changes when the object's bytes change: S3's ETag; size and mtime in ns for files. */
  readonly etag: string;
};

export type Created = 'created' | 'exists';

export type Store = {
  /** Where this is, for people: `file:///…`, `s3://bucket/prefix`, `memory:`. Holds no secret. */
  readonly uri: string;
  /** The whole object, or undefined where there is none. */
  get(key: string): Promise<Uint8Array | undefined>;
  /**
   * Bytes [offset, offset+length). Throws INPUT_MISSING where there is no object, and INPUT_CHANGED
   * where `etag` is given and the object has another.
   */
  getRange(
    key: string,
    range: { offset: number; length: number; etag?: string },
  ): Promise<Uint8Array>;
  /**
   * Creates the object if the key is free: atomic, durable when it returns. An unknown outcome
   * (timeout, 5xx, 409) is settled inside by reading back: 'created' if the bytes there are ours.
   */
  create(key: string, bytes: Uint8Array): Promise<Created>;
  /** As create, from a local file of any size. */
  createFromFile(key: string, path: string): Promise<Created>;
  /** Opens the object as a stream, for large blobs. */
  read(key: string): Promise<Readable>;
  head(key: string): Promise<ObjectInfo | undefined>;
  /** All objects below a prefix, in UTF-8 byte order of their keys. */
  list(prefix: string): AsyncIterable<ObjectInfo>;
  /** Names directly below a prefix that ends in '/': folders with a trailing '/', objects without. */
  listNames(prefix: string): Promise<readonly string[]>;
  delete(key: string): Promise<void>;
  close(): Promise<void>;
};

const ENCODER = new TextEncoder();

export const jsonBytes = (value: unknown): Uint8Array => ENCODER.encode(JSON.stringify(value));

/** Creates `key` with a JSON value, which common/stored reads; tells whether this call made it or found it. */
export const createJson = (store: Store, key: string, value: unknown): Promise<Created> =>
  store.create(key, jsonBytes(value));

/** Refuses a store in which a second create-only put succeeds. Run by every process that writes. */
export async function selfTest(store: Store, token: string): Promise<void> {
  const key = `selftest/${token}`;
  await store.create(key, new TextEncoder().encode('first'));
  const second = await store.create(key, new TextEncoder().encode('second'));
  await store.delete(key);
  if (second !== 'exists') {
    throw new GristmillError(
      'STORE_UNSAFE',
      `Cannot use the store ${store.uri}: a second create-only put of one key was accepted`,
    );
  }
}
