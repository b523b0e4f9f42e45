// A worker reads the rows of its lanes, and no others: counted at the store, checked by what is trained on.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TrainProgram } from '../../../common/stage/train.ts';
import { type MemoryStore, memoryStore } from '../../../common/store/memory.ts';
import type { Store } from '../../../common/store/store.ts';
import type { PartRef } from '../../../common/wire/task.ts';
import { Parts, segmentsOf } from '../../../worker/train/parts.ts';
import { loadLanes } from '../../../worker/train/rows.ts';
import { makeSmallRun } from '../../support/training.ts';

const ALL = [0, 1, 2, 3, 4, 5, 6, 7];
let folder: string;
let inner: MemoryStore;
let program: TrainProgram;
let partBytes: number;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parts-'));
  inner = memoryStore();
  const size = { rows: 60_000, epochs: 1, batchRows: 256, lanes: ALL.length };
  ({ program } = await makeSmallRun(inner, join(folder, 'made'), size));
  partBytes = program.parts.reduce((sum, { bytes }) => sum + bytes, 0);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

let workers = 0;
function openParts(of: TrainProgram = program, store: Store = inner) {
  const name = join(folder, `w-${workers++}`);
  const read = { bytes: 0 };
  const counting: Store = {
    ...store,
    getRange: async (...args) => {
      const bytes = await store.getRange(...args);
      read.bytes += bytes.byteLength;
      return bytes;
    },
  };
  const { signal } = new AbortController();
  const parts = new Parts({
    store: counting,
    parts: of.parts,
    lanes: of.lanes,
    folder: name,
    signal,
  });
  const load = (lanes: readonly number[]) =>
    loadLanes(of, lanes, { files: parts.files, scratch: join(name, 'spill') });
  return { parts, read, load };
}

test('Parts of two workers with half of the lanes each read about half of the bytes each', async () => {
  const halves = [ALL.slice(0, 4), ALL.slice(4)];
  const whole = openParts();
  await whole.parts.bring(ALL);
  const expected = await whole.load(ALL);
  for (const lanes of halves) {
    const { parts, read, load } = openParts();
    expect(await parts.bring(lanes)).toBe(read.bytes);
    expect(read.bytes / partBytes).toBeGreaterThan(0.4);
    expect(read.bytes / partBytes).toBeLessThan(0.6);
    for (const [lane, rows] of await load(lanes)) expect(rows).toEqual(expected.get(lane));
  }
  expect(whole.read.bytes).toBe(partBytes);
});

test('Parts fetch only what is missing when a worker takes more lanes', async () => {
  const { parts, read, load } = openParts();
  await parts.bring([2]);
  const first = read.bytes;
  await parts.bring([2]);
  expect(read.bytes).toBe(first);
  await Promise.all([parts.bring([2, 3]), parts.bring([3, 2])]);
  const second = read.bytes - first;
  expect(second).toBeLessThan(first); // the footer was there
  await parts.bring(ALL);
  expect(read.bytes).toBe(partBytes);
  const expected = await load(ALL);
  expect([...expected.keys()]).toEqual(ALL);
});

test('Parts without groups, as earlier programs wrote them, are fetched whole and once', async () => {
  const old = {
    ...program,
    parts: program.parts.map(({ groups: _, ...part }): PartRef => part),
  };
  const { parts, load } = openParts(old);
  expect([await parts.bring([0]), await parts.bring([1])]).toEqual([partBytes, 0]);
  const { parts: now, load: loadNow } = openParts();
  await now.bring([0, 1]);
  expect(await load([0, 1])).toEqual(await loadNow([0, 1]));
});

test('Parts find a flipped bit in the rows that they fetch, and none in those that they do not', async () => {
  const part = program.parts[0]!;
  const bytes = (await inner.get(part.key))!;
  const rotten = bytes.slice();
  rotten[part.groups!.ends.at(-2)! + 5]! ^= 1; // in the last group: lane 7
  const store = memoryStore();
  for (const { key } of program.parts) {
    await store.create(key, key === part.key ? rotten : (await inner.get(key))!);
  }
  const { parts } = openParts(program, store);
  await parts.bring([0, 1]);
  await expect(parts.bring([7])).rejects.toMatchObject({
    code: 'CHECKSUM_MISMATCH',
    cause: { key: part.key, copies: 1 },
  });
  await store.create(part.key.replace(/([^/]+)$/, '2-$1'), bytes);
  await parts.bring([7]);
});

const grouped = (rows: number): PartRef => ({
  ...program.parts[0]!,
  bytes: 1000,
  groups: { rows, ends: [100, 200, 300], digests: ['a', 'b', 'c', 'f'] },
});
test.each([
  [0, 1, [0, 3]],
  [0, 10, [0, 3]],
  [0, 11, [0, 1, 3]],
  [9, 10, [0, 3]],
  [10, 20, [1, 3]],
  [19, 21, [1, 2, 3]],
  [20, 25, [2, 3]],
])('segmentsOf() rows %i to %i of groups of ten are %j', (first, end, indexes) => {
  const found = segmentsOf(grouped(10), [{ first, end }]);
  expect(found.map(({ index }) => index)).toEqual(indexes);
  expect(found.at(-1)).toEqual({ index: 3, offset: 300, bytes: 700, digest: 'f' });
});
