import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { sha256Hex } from '../../../common/ids.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import { fetchSegments, type Segment, segmentDigest } from '../../../common/store/segments.ts';
import { corruptOf } from '../../../common/store/verified.ts';
import { copyKey } from '../../../common/wire/task.ts';

const MiB = 1024 * 1024;
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'segments-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const numbers = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 7) % 251);

/** An object cut at these places, and a count of the bytes that are read of it. */
async function makeObject(bytes: Uint8Array, cuts: readonly number[]) {
  const inner = memoryStore();
  const key = 'parts/prepare/a/b.parquet';
  await inner.create(key, bytes);
  const read = { bytes: 0, calls: 0 };
  const store = {
    ...inner,
    getRange: async (...args: Parameters<typeof inner.getRange>) => {
      const piece = await inner.getRange(...args);
      read.bytes += piece.byteLength;
      read.calls += 1;
      return piece;
    },
  };
  const segments = cuts.slice(1).map((end, i): Segment => {
    const offset = cuts[i]!;
    return { offset, bytes: end - offset, digest: segmentDigest(bytes.subarray(offset, end)) };
  });
  const ref = { key, sha256: sha256Hex(bytes), bytes: bytes.byteLength };
  return { inner, store, ref, segments, read, path: join(folder, 'file') };
}

test('fetchSegments() fills what is asked for and reads nothing else; more may follow', async () => {
  const bytes = numbers(1000);
  const { store, ref, segments, read, path } = await makeObject(bytes, [0, 100, 300, 600, 1000]);
  expect(await fetchSegments(store, ref, [segments[3]!, segments[0]!], path)).toBe(500);
  expect(read).toEqual({ bytes: 500, calls: 2 });
  const half = await readFile(path);
  expect(half.length).toBe(1000);
  expect(half.subarray(0, 100)).toEqual(Buffer.from(bytes.subarray(0, 100)));
  expect(half.subarray(100, 600).every((byte) => byte === 0)).toBe(true);
  expect(await fetchSegments(store, ref, [segments[2]!, segments[1]!], path)).toBe(500);
  expect(read.calls).toBe(3); // neighbours are one read
  expect(await readFile(path)).toEqual(Buffer.from(bytes));
});

test('fetchSegments() reads a long segment in pieces, and does not join past that', async () => {
  const bytes = numbers(20 * MiB);
  const cuts = [0, 17 * MiB, 18 * MiB, 20 * MiB];
  const { store, ref, segments, read, path } = await makeObject(bytes, cuts);
  await fetchSegments(store, ref, segments, path);
  expect(read).toEqual({ bytes: 20 * MiB, calls: 4 }); // 8 + 8 + 1, then 1 + 2 together
  expect(sha256Hex(await readFile(path))).toBe(ref.sha256);
});

test('fetchSegments() finds a flipped bit, and takes the copy that is whole', async () => {
  const bytes = numbers(1000);
  const { inner, store, ref, segments, path } = await makeObject(bytes, [0, 500, 1000]);
  const rotten = bytes.slice();
  rotten[700]! ^= 1;
  inner.overwrite(ref.key, rotten);
  await fetchSegments(store, ref, [segments[0]!], path); // the flip is elsewhere
  const error = await fetchSegments(store, ref, segments, path).catch((cause: unknown) => cause);
  expect(error).toMatchObject({ code: 'CHECKSUM_MISMATCH' });
  expect(corruptOf(error)).toEqual({ key: ref.key, copies: 1 });
  await inner.create(copyKey(ref.key, 2), bytes);
  await fetchSegments(store, ref, segments, path);
  expect(await readFile(path)).toEqual(Buffer.from(bytes));
});

test('fetchSegments() reads again what was flipped on the wire', async () => {
  const bytes = numbers(100);
  const { store, ref, segments, path } = await makeObject(bytes, [0, 100]);
  let flips = 1;
  const flipping = {
    ...store,
    getRange: async (...args: Parameters<typeof store.getRange>) => {
      const piece = (await store.getRange(...args)).slice();
      if (flips-- > 0) piece[3]! ^= 4;
      return piece;
    },
  };
  await fetchSegments(flipping, ref, segments, path);
  expect(await readFile(path)).toEqual(Buffer.from(bytes));
});

test('fetchSegments() takes an object that is cut off for a corrupt one, and a missing one for missing', async () => {
  const bytes = numbers(1000);
  const { inner, store, ref, segments, path } = await makeObject(bytes, [0, 500, 1000]);
  inner.overwrite(ref.key, bytes.subarray(0, 600));
  await expect(fetchSegments(store, ref, segments, path)).rejects.toMatchObject({
    code: 'CHECKSUM_MISMATCH',
  });
  await inner.delete(ref.key);
  await expect(fetchSegments(store, ref, segments, path)).rejects.toMatchObject({
    code: 'INPUT_MISSING',
  });
});
