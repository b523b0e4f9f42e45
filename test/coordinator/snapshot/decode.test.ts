// decodeSnapshot(): what was encoded comes back, in pieces that keep nobody waiting; what is no snapshot is refused.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { GristmillError } from '../../../common/errors.ts';
import { LIMITS } from '../../../common/limits.ts';
import { decodeSnapshot } from '../../../coordinator/snapshot/decode.ts';
import { encodeSnapshot } from '../../../coordinator/snapshot/encode.ts';
import type { Snapshot } from '../../../coordinator/snapshot/row-groups.ts';
import { tempFolder } from '../../support/runner.ts';
import { snapshotOf, storedForm } from '../../support/snapshots.ts';

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

/** As many objects of one group each; of `objectBytes` bytes of JSON each if given, else of few. */
function objectsOf(count: number, objectBytes = 0): Snapshot {
  const of = (padding: number) =>
    snapshotOf(
      Object.fromEntries(
        Array.from({ length: count }, (_, i) => [
          `${i}.${'p'.repeat(padding)}`,
          [{ rows: 7, bytes: 8 }],
        ]),
      ),
    );
  const bare = JSON.stringify(storedForm(of(0)).objects[0]).length;
  return of(Math.max(objectBytes - bare, 0));
}

/** Decodes where no time passes: how often the clock was asked, once at each comma and once a piece. */
async function askedFor(snapshot: Snapshot): Promise<number> {
  let asked = 0;
  const clock = { monotonicMs: () => asked++ * 0 };
  expect(await decodeSnapshot('k', await bytesOf(snapshot), clock)).toEqual(snapshot);
  return asked - 1; // the first begins it
}

test('decodeSnapshot() parses 128 KiB at once, or an object that is larger', async () => {
  const piece = 128 * 1024;
  expect(await askedFor(objectsOf(40))).toBe(39 + 1);
  expect(await askedFor(objectsOf(3, piece))).toBe(2 + 3);
  expect(await askedFor(objectsOf(3, piece - 1))).toBe(2 + 2); // two, then the last
  expect(await askedFor(objectsOf(6, piece / 2))).toBe(5 + 3);
  expect(await askedFor(objectsOf(2, 3 * piece))).toBe(1 + 2);
});

test('decodeSnapshot() lets others have the loop between objects and between pieces', async () => {
  const turnsOf = async (snapshot: Snapshot): Promise<number> => {
    const bytes = await bytesOf(snapshot);
    let [nowMs, turns, isOver] = [0, 0, false];
    const spin = (): void => {
      turns += 1;
      if (!isOver) setImmediate(spin);
    };
    setImmediate(spin);
    const clock = { monotonicMs: () => (nowMs += LIMITS.pieceMs) };
    expect(await decodeSnapshot('k', bytes, clock)).toEqual(snapshot);
    isOver = true;
    return turns;
  };
  expect(await turnsOf(objectsOf(40))).toBeGreaterThanOrEqual(40);
  expect(await turnsOf(objectsOf(3, 128 * 1024))).toBeGreaterThanOrEqual(5);
});

test('decodeSnapshot() takes no other list for that of the objects, however long it is', async () => {
  const schema = Array.from({ length: 6000 }, (_, i) => ({ name: `objects ${i}`, type: 'BIGINT' }));
  const wide = { ...snapshotOf({ 'none.parquet': [] }), schema };
  const { objects, ...rest } = storedForm(wide);
  const bytes = jsonOf({ ...rest, objects });
  expect(bytes.length).toBeGreaterThan(128 * 1024);
  expect(await decodeSnapshot('k', bytes, still)).toEqual(wide);
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
