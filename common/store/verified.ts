// Reads of objects that we wrote, checked against the SHA-256 in their descriptor.
// In: a store and a BlobRef. Out: the bytes, in memory or in a local file, or CHECKSUM_MISMATCH.
// Why: of single-bit flips in Parquet, 35–67 % gave silently wrong values; no engine checks.
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { GristmillError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import type { BlobRef } from '../wire/task.ts';
import type { Store } from './store.ts';

/** The whole object in memory. INPUT_MISSING where there is none. */
export const getVerified = (store: Store, ref: BlobRef): Promise<Uint8Array> =>
  readVerified(store, ref, async () => {
    const bytes = await store.get(ref.key);
    if (!bytes) throw gone(store, ref);
    return { value: bytes, bytes: bytes.length, sha256: hashOf(bytes) };
  });

/** The whole object in a local file at `path`, of any size. */
export const fetchVerified = (store: Store, ref: BlobRef, path: string): Promise<void> =>
  readVerified(store, ref, async () => {
    const hash = createHash('sha256');
    let bytes = 0;
    async function* hashed(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      for await (const chunk of source) {
        hash.update(chunk);
        bytes += chunk.length;
        yield chunk;
      }
    }
    await pipeline(await store.read(ref.key), hashed, createWriteStream(path));
    return { value: undefined, bytes, sha256: hash.digest('hex') };
  });

type Found<T> = { readonly value: T; readonly bytes: number; readonly sha256: string };

/** A second read tells a flip on the wire, which is gone, from one on the disk, which stays. */
async function readVerified<T>(
  store: Store,
  ref: BlobRef,
  read: () => Promise<Found<T>>,
): Promise<T> {
  let found = await read();
  for (let reads = 1; !isSame(found, ref) && reads < LIMITS.verifyReads; reads++) {
    found = await read();
  }
  if (isSame(found, ref)) return found.value;
  throw new GristmillError(
    'CHECKSUM_MISMATCH',
    `Cannot use ${ref.key} of ${store.uri}: found ${found.bytes} bytes with SHA-256 ` +
      `${found.sha256}, expected ${ref.bytes} with ${ref.sha256}`,
  );
}

const isSame = (found: Found<unknown>, ref: BlobRef): boolean =>
  found.bytes === ref.bytes && found.sha256 === ref.sha256;

const hashOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

const gone = (store: Store, ref: BlobRef): GristmillError =>
  new GristmillError(
    'INPUT_MISSING',
    `Cannot read ${ref.key} of ${store.uri}: there is no such object`,
  );
