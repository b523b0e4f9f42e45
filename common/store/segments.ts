// Pieces of an object that we wrote, each checked against a digest of its own.
// In: a BlobRef, the segments that are wanted. Out: a sparse file of the object's full size, or CHECKSUM_MISMATCH.
// Why not the whole: who needs a tenth of a part reads a tenth, and trusts no byte more than it did before.
import { createHash } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { GristmillError } from '../errors.ts';
import type { BlobRef } from '../wire/task.ts';
import type { Store } from './store.ts';
import { readVerified } from './verified.ts';

export type Segment = {
  readonly offset: number;
  readonly bytes: number;
  /** The first 32 hex digits of its SHA-256. */
  readonly digest: string;
};

/** Neighbours are read together up to this; a longer segment in pieces of it. What waits in memory. */
const RUN_BYTES = 8 * 1024 * 1024;

export const segmentDigest = (bytes: Uint8Array): string =>
  createHash('sha256').update(bytes).digest('hex').slice(0, 32);

/** Fills these segments of the file at `path`, which may hold others already. Gives the bytes that travelled. */
export async function fetchSegments(
  store: Store,
  ref: BlobRef,
  segments: readonly Segment[],
  path: string,
): Promise<number> {
  await using file = await fs.open(path, fs.constants.O_RDWR | fs.constants.O_CREAT);
  await file.truncate(ref.bytes);
  for (const run of runsOf(segments)) {
    await readVerified(store, ref, (key) => readRun({ store, key, run, file }));
  }
  return segments.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Adjacent segments in runs of at most RUN_BYTES, unless the first alone is longer. */
function runsOf(segments: readonly Segment[]): Segment[][] {
  const runs: Segment[][] = [];
  let [end, bytes] = [-1, 0];
  for (const segment of segments.toSorted((a, b) => a.offset - b.offset)) {
    if (segment.offset === end && bytes + segment.bytes <= RUN_BYTES) runs.at(-1)!.push(segment);
    else {
      runs.push([segment]);
      bytes = 0;
    }
    end = segment.offset + segment.bytes;
    bytes += segment.bytes;
  }
  return runs;
}

type RunRead = {
  readonly store: Store;
  readonly key: string;
  readonly run: readonly Segment[];
  readonly file: fs.FileHandle;
};

/** Every try overwrites the one before it. */
async function readRun({ store, key, run, file }: RunRead) {
  const hashes = run.map(() => createHash('sha256'));
  const end = run.at(-1)!.offset + run.at(-1)!.bytes;
  for (let offset = run[0]!.offset; offset < end; offset += RUN_BYTES) {
    const length = Math.min(RUN_BYTES, end - offset);
    const piece = await getPiece(store, key, { offset, length });
    if (typeof piece === 'string') return { value: undefined, wrong: piece };
    await file.write(piece, 0, piece.byteLength, offset);
    for (const [i, { offset: start, bytes }] of run.entries()) {
      const [from, to] = [start - offset, start + bytes - offset];
      hashes[i]!.update(piece.subarray(Math.max(0, from), Math.max(0, to)));
    }
  }
  const wrong = run.flatMap(({ offset, bytes, digest }, i) => {
    const found = hashes[i]!.digest('hex').slice(0, digest.length);
    return found === digest
      ? []
      : [`found SHA-256 ${found}… in ${bytes} bytes from ${offset}, expected ${digest}…`];
  });
  return { value: undefined, wrong: wrong[0] };
}

/** An object that is too short is as wrong as one with other bytes: a copy may be whole. */
async function getPiece(
  store: Store,
  key: string,
  range: { readonly offset: number; readonly length: number },
): Promise<Uint8Array | string> {
  try {
    return await store.getRange(key, range);
  } catch (error) {
    if (error instanceof GristmillError && error.code === 'INPUT_CHANGED') return error.message;
    throw error;
  }
}
