import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { GristmillError } from '../../../common/errors.ts';
import { LIMITS } from '../../../common/limits.ts';
import { decodeSnapshot } from '../../../coordinator/snapshot/decode.ts';
import { encodeSnapshot } from '../../../coordinator/snapshot/encode.ts';
import type { Snapshot } from '../../../coordinator/snapshot/row-groups.ts';
import { tempFolder } from '../../support/runner.ts';
import { snapshotOf } from '../../support/snapshots.ts';

const still = { monotonicMs: () => 0 };
async function bytesOf(snapshot: Snapshot) {
  const path = join(tempFolder(), 'snapshot.json');
  await encodeSnapshot(snapshot, path);
  return readFile(path);
}
const jsonOf = (value: unknown) => Buffer.from(JSON.stringify(value));
const refusal = (bytes: Uint8Array) =>
  decodeSnapshot('snapshots/x.json', bytes, still).catch((error: unknown) => error);

const hostile = snapshotOf({
  'a "quoted" \\ ümlaut\u2028],[{.parquet': [{ rows: 0, bytes: 2 }],
  '"objects":[{]}.parquet': [
    { rows: 1e7, bytes: 2 ** 40 },
    { rows: 3, bytes: 4 },
  ],
  'none.parquet': [],
});

test.each<[string, Snapshot]>([
  ['keys that look like JSON', hostile],
  ['no objects', { ...hostile, objects: [] }],
  ['a dataset called objects', { ...hostile, dataset: 'objects' }],
])('decodeSnapshot() gives back what was encoded: %s', async (_what, snapshot) => {
  expect(await decodeSnapshot('k', await bytesOf(snapshot), still)).toEqual(snapshot);
});

test('decodeSnapshot() of many pieces is the same, and lets others have the loop', async () => {
  const groups = Array.from({ length: 500 }, (_, i) => ({ rows: i, bytes: 2 * i }));
  const keys = Array.from({ length: 40 }, (_, i) => [`ä${i}.parquet`, groups] as const);
  const large = snapshotOf(Object.fromEntries(keys));
  const bytes = await bytesOf(large);
  let [nowMs, turns] = [0, 0];
  const count = setInterval(() => (turns += 1), 0);
  const clock = { monotonicMs: () => (nowMs += LIMITS.pieceMs) };
  expect(await decodeSnapshot('k', bytes, clock)).toEqual(large);
  clearInterval(count);
  expect(bytes.length).toBeGreaterThan(256 * 1024);
  expect(turns).toBeGreaterThan(1);
});

test('decodeSnapshot() reads members in any order, and spaces', async () => {
  const text = Buffer.from(await bytesOf(hostile)).toString();
  const { objects, ...rest } = JSON.parse(text);
  const shuffled = Buffer.from(JSON.stringify({ objects, ...rest }, null, 2));
  expect(await decodeSnapshot('k', shuffled, still)).toEqual(hostile);
});

test.each<[string, Uint8Array, RegExp]>([
  ['cut off', jsonOf({ objects: [{ key: 'a' }] }).subarray(0, 20), /as a snapshot/],
  ['no JSON', Buffer.from('"objects'), /as a snapshot/],
  ['no objects', jsonOf({ formatVersion: 1, dataset: 'd', schema: [] }), /objects/],
  ['of a newer program', jsonOf({ formatVersion: 2, objects: [] }), /formatVersion is 2/],
])('decodeSnapshot() refuses what is %s', async (_what, bytes, words) => {
  const error = await refusal(bytes);
  expect(error).toBeInstanceOf(GristmillError);
  expect(error).toMatchObject({ code: 'FORMAT_UNKNOWN', message: expect.stringMatching(words) });
});

test('decodeSnapshot() refuses one wrong object among many', async () => {
  const stored = JSON.parse(Buffer.from(await bytesOf(hostile)).toString());
  stored.objects[1].rowGroups[1].chunks[0] = [1];
  expect(await refusal(jsonOf(stored))).toMatchObject({ code: 'FORMAT_UNKNOWN' });
});
