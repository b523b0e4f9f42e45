// Reads of objects that we wrote, checked against the SHA-256 in their descriptor.
// In: a store and a BlobRef. Out: the bytes, in memory or in a local file, or CHECKSUM_MISMATCH.
// Why: of single-bit flips in Parquet, 35–67 % gave silently wrong values; no engine checks.
//
//   key ─ right? ─► done     wrong twice ─► 2-… there? ─ right? ─► done     wrong twice ─► 3-… …
//                                                └─ not there ─► CHECKSUM_MISMATCH, with what is corrupt as its cause
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { GristmillError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import { type BlobRef, type CorruptBlob, copyKey } from '../wire/task.ts';
import type { Store } from './store.ts';

/** The whole object in memory. INPUT_MISSING where there is none. */
export const getVerified = (store: Store, ref: BlobRef): Promise<Uint8Array> =>
  readVerified(store, ref, async (key) => {
    const bytes = await store.get(key);
    if (!bytes) throw gone(store, key);
    return { value: bytes, wrong: difference(ref, bytes.length, hashOf(bytes)) };
  });

/** The whole object in a local file at `path`, of any size: there once it is known to be right, and not before. */
export async function fetchVerified(store: Store, ref: BlobRef, path: string): Promise<void> {
  const unchecked = `${path}.unchecked`;
  try {
    await download(store, ref, unchecked);
    await rename(unchecked, path);
  } catch (error) {
    await rm(unchecked, { force: true });
    throw error;
  }
}

const download = (store: Store, ref: BlobRef, path: string): Promise<void> =>
  readVerified(store, ref, async (key) => {
    const hash = createHash('sha256');
    let bytes = 0;
    async function* hashed(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      for await (const chunk of source) {
        hash.update(chunk);
        bytes += chunk.length;
        yield chunk;
      }
    }
    await pipeline(await store.read(key), hashed, createWriteStream(path));
    return { value: undefined, wrong: difference(ref, bytes, hash.digest('hex')) };
  });

/** `wrong`: what was found instead of what must be there. */
export type Found<T> = { readonly value: T; readonly wrong: string | undefined };

/** What a CHECKSUM_MISMATCH is about. */
export function corruptOf(error: unknown): CorruptBlob | undefined {
  const isMismatch = error instanceof GristmillError && error.code === 'CHECKSUM_MISMATCH';
  return isMismatch ? (error.cause as CorruptBlob | undefined) : undefined;
}

/** The first copy that is right: nearly always the first. */
export async function readVerified<T>(
  store: Store,
  ref: BlobRef,
  read: (key: string) => Promise<Found<T>>,
): Promise<T> {
  for (let copies = 1; ; copies++) {
    const key = copyKey(ref.key, copies);
    const found = await readTwice(() => read(key));
    if (found.wrong === undefined) return found.value;
    if (await store.head(copyKey(ref.key, copies + 1))) continue;
    throw new GristmillError(
      'CHECKSUM_MISMATCH',
      `Cannot use ${key} of ${store.uri}: ${found.wrong}`,
      { cause: { key: ref.key, copies } satisfies CorruptBlob },
    );
  }
}

/** A second read tells a flip on the wire, which is gone, from one on the disk, which stays. */
async function readTwice<T>(read: () => Promise<Found<T>>): Promise<Found<T>> {
  let found = await read();
  for (let reads = 1; found.wrong !== undefined && reads < LIMITS.verifyReads; reads++) {
    found = await read();
  }
  return found;
}

const difference = (ref: BlobRef, bytes: number, sha256: string): string | undefined =>
  bytes === ref.bytes && sha256 === ref.sha256
    ? undefined
    : `found ${bytes} bytes with SHA-256 ${sha256}, expected ${ref.bytes} with ${ref.sha256}`;

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const gone = (store: Store, key: string): GristmillError =>
  new GristmillError(
    'INPUT_MISSING',
    `Cannot read ${key} of ${store.uri}: there is no such object`,
  );
