import { expect, test } from 'vitest';
import type { Shard } from '../../../common/wire/task.ts';
import { cutShards, findRuns } from '../../../coordinator/plan/shards.ts';
import { snapshotOf } from '../../support/snapshots.ts';

const packs = {
  ...{ bytesMax: 1_000, objectsMin: 4, objectsOneIn: 16, objectsMax: 40, textMax: 100_000 },
};
const smallOnes = (count: number, more: Parameters<typeof snapshotOf>[0] = {}) => {
  const names = Array.from({ length: count }, (_, i) => [`${i}`.padStart(6, '0'), i] as const);
  const small = names.map(([name, i]): [string, { rows: number; bytes: number }[]] => [
    `${name}.parquet`,
    [{ rows: 1 + (i % 3), bytes: 20 }],
  ]);
  const all = { ...Object.fromEntries(small), ...more };
  return snapshotOf(
    Object.fromEntries(Object.entries(all).toSorted(([a], [b]) => (a < b ? -1 : 1))),
  );
};
const keysOf = (snapshot: ReturnType<typeof snapshotOf>) =>
  [...cutShards(snapshot, { reads: ['a'], shardBytesMax: 100_000, packs })].map((run) =>
    run.map(({ key }) => key),
  );

const edges = (shards: Iterable<Shard>) =>
  [...shards].map(({ key, rowGroupStart, rowGroupEnd, rowStart, rowEnd }) => [
    key,
    rowGroupStart,
    rowGroupEnd,
    rowStart,
    rowEnd,
  ]);

test('cutShards() joins row groups up to the limit, never over objects', () => {
  const snapshot = snapshotOf({
    'a.parquet': [
      { rows: 10, bytes: 40 },
      { rows: 20, bytes: 40 },
      { rows: 30, bytes: 40 },
    ],
    'b.parquet': [{ rows: 5, bytes: 10 }],
  });
  expect(edges([...cutShards(snapshot, { reads: ['a'], shardBytesMax: 80 })].flat())).toEqual([
    ['a.parquet', 0, 2, 0, 30],
    ['a.parquet', 2, 3, 30, 60],
    ['b.parquet', 0, 1, 0, 5],
  ]);
});

test('cutShards() gives a row group larger than the limit a shard of its own', () => {
  const snapshot = snapshotOf({
    'a.parquet': [
      { rows: 1, bytes: 10 },
      { rows: 2, bytes: 900 },
      { rows: 3, bytes: 10 },
    ],
  });
  expect(edges([...cutShards(snapshot, { reads: ['a'], shardBytesMax: 100 })].flat())).toEqual([
    ['a.parquet', 0, 1, 0, 1],
    ['a.parquet', 1, 2, 1, 3],
    ['a.parquet', 2, 3, 3, 6],
  ]);
});

test('cutShards() leaves out groups without rows, and a whole object of them', () => {
  const snapshot = snapshotOf({ 'a.parquet': [{ rows: 0, bytes: 10 }], 'b.parquet': [] });
  expect([...cutShards(snapshot, { reads: ['a'], shardBytesMax: 100 })].flat()).toEqual([]);
});

test('cutShards() fetches only the columns read, adjacent chunks as one range', () => {
  const snapshot = snapshotOf({
    'a.parquet': [
      { rows: 1, bytes: 20 },
      { rows: 1, bytes: 20 },
    ],
  });
  const ranges = (reads: string[]) =>
    [...cutShards(snapshot, { reads, shardBytesMax: 100 })].flat()[0]!.ranges;
  expect(ranges(['a', 'b'])).toEqual([[4, 40]]);
  expect(ranges(['b'])).toEqual([
    [14, 10],
    [34, 10],
  ]);
});

test('cutShards() gives each shard the chunks of its own groups, and none of its neighbours', () => {
  const groups = Array.from({ length: 3 }, () => ({ rows: 1, bytes: 20 }));
  const shards = [
    ...cutShards(snapshotOf({ a: groups }), { reads: ['b'], shardBytesMax: 20 }),
  ].flat();
  expect(shards.map(({ ranges }) => ranges)).toEqual([[[14, 10]], [[34, 10]], [[54, 10]]]);
});

test('findRuns() gives the shards that begin there, in the order asked, as cutShards() cuts them', () => {
  const snapshot = snapshotOf({
    'a.parquet': [
      { rows: 10, bytes: 40 },
      { rows: 20, bytes: 40 },
      { rows: 30, bytes: 40 },
    ],
    'b.parquet': [{ rows: 5, bytes: 10 }],
  });
  const cut = { reads: ['b'], shardBytesMax: 80 };
  const all = [...cutShards(snapshot, cut)].toReversed();
  const starts = all.map(([first]) => first!);
  expect(findRuns(snapshot, cut, starts)).toEqual(all);
  const nowhere = [
    { key: 'a.parquet', rowStart: 10 },
    { key: 'c.parquet', rowStart: 0 },
  ];
  expect(findRuns(snapshot, cut, nowhere)).toEqual([undefined, undefined]);
});

test('cutShards() cuts an object only when its first shard is asked for', () => {
  const snapshot = snapshotOf({ 'a.parquet': [{ rows: 1, bytes: 2 }] });
  const unread = {
    ...snapshot.objects[0]!,
    get rowGroups(): never {
      throw new Error('read');
    },
  };
  const shards = cutShards(
    { ...snapshot, objects: [...snapshot.objects, unread] },
    { reads: ['a'], shardBytesMax: 1 },
  );
  expect(shards.next().value).toMatchObject([{ key: 'a.parquet' }]);
  expect(() => shards.next()).toThrow('read');
});

test('packs hold every small object once, whole and in order, between their bounds', () => {
  const snapshot = smallOnes(2_000);
  const runs = [...cutShards(snapshot, { reads: ['a'], shardBytesMax: 100_000, packs })];
  expect(runs.flat().map(({ key }) => key)).toEqual(snapshot.objects.map(({ key }) => key));
  expect(runs.flat().map(({ rowStart, rowEnd }) => [rowStart, rowEnd])).toEqual(
    snapshot.objects.map(({ rows }) => [0, rows]),
  );
  const sizes = runs.map(({ length }) => length);
  expect(Math.max(...sizes)).toBeLessThanOrEqual(packs.objectsMax);
  expect(Math.min(...sizes.slice(0, -1))).toBeGreaterThanOrEqual(packs.objectsMin);
  expect(runs.length).toBeLessThan(200);
  const starts = runs.map(([first]) => first!);
  const cut = { reads: ['a'], shardBytesMax: 100_000, packs };
  expect(findRuns(snapshot, cut, starts.toReversed())).toEqual(runs.toReversed());
});

test('an object more makes a pack or two new, wherever it comes, and moves no other', () => {
  const before = new Set(keysOf(smallOnes(2_000)).map((keys) => keys.join()));
  for (const key of ['.parquet', '000700x.parquet', '001234x.parquet', 'zzz.parquet']) {
    const after = keysOf(smallOnes(2_000, { [key]: [{ rows: 1, bytes: 20 }] }));
    const fresh = after.filter((keys) => !before.has(keys.join()));
    expect(fresh.length).toBeLessThanOrEqual(4);
    expect(fresh.flat()).toContain(key);
  }
});

test('large objects are cut as ever, and end no pack', () => {
  const large = {
    '000500x.parquet': [
      { rows: 9, bytes: 60_000 },
      { rows: 9, bytes: 60_000 },
    ],
  };
  const alone = keysOf(smallOnes(1_000));
  const beside = keysOf(smallOnes(1_000, large));
  expect(beside.filter(([key]) => key !== '000500x.parquet')).toEqual(alone);
  expect(beside.filter(([key]) => key === '000500x.parquet')).toHaveLength(2);
});

const sizesOf = (snapshot: ReturnType<typeof snapshotOf>, bounds: object) =>
  [...cutShards(snapshot, { reads: ['a'], shardBytesMax: 100_000, packs, ...bounds })].map(
    ({ length }) => length,
  );

test('a pack holds as many bytes as a shard may, and not one more', () => {
  const snapshot = smallOnes(6); // of 124 bytes each
  expect(sizesOf(snapshot, { shardBytesMax: 372 })).toEqual([3, 3]);
  expect(sizesOf(snapshot, { shardBytesMax: 371 })).toEqual([2, 2, 2]);
});

test('a pack holds as much text as it may, of names, etags and other types, and not one character more', () => {
  const { objects, ...made } = smallOnes(4);
  const of = (change: object) => ({
    ...made,
    objects: objects.map((one) => ({ ...one, ...change })),
  });
  const texts = [
    [of({}), 300 + 2 * 14 + 1 + 2],
    [of({ etag: 'x'.repeat(40) }), 300 + 2 * 14 + 40 + 2],
    [of({ types: { a: null } }), 300 + 2 * 14 + 1 + 10],
    [of({ key: 'k'.repeat(50) }), 300 + 2 * 50 + 1 + 2],
  ] as const;
  for (const [snapshot, each] of texts) {
    expect(sizesOf(snapshot, { packs: { ...packs, textMax: 2 * each } })).toEqual([2, 2]);
    expect(sizesOf(snapshot, { packs: { ...packs, textMax: 2 * each - 1 } })).toEqual([1, 1, 1, 1]);
    expect(sizesOf(snapshot, { packs: { ...packs, textMax: 1 } })).toEqual([1, 1, 1, 1]);
  }
});

test('a pack ends behind the first object that may end it once it holds enough, or with the most it may hold', () => {
  const snapshot = smallOnes(10);
  expect(sizesOf(snapshot, { packs: { ...packs, objectsOneIn: 1 } })).toEqual([4, 4, 2]);
  const most = { ...packs, objectsMin: 100, objectsMax: 5 };
  expect(sizesOf(snapshot, { packs: most })).toEqual([5, 5]);
});

test('an object of just so many bytes is small; one without rows is in no pack', () => {
  const snapshot = smallOnes(8, { 'z.parquet': [{ rows: 0, bytes: 20 }] });
  expect(sizesOf(snapshot, { packs: { ...packs, bytesMax: 124, objectsMin: 100 } })).toEqual([8]);
  expect(sizesOf(snapshot, { packs: { ...packs, bytesMax: 123 } })).toEqual(Array(8).fill(1));
});

test('objects of a pack are few reads each', () => {
  const groups = Array.from({ length: 50 }, () => ({ rows: 1, bytes: 10 }));
  const far = Array.from({ length: 9 }, () => ({ rows: 1, bytes: 9_000 }));
  const snapshot = snapshotOf({ 'a.parquet': groups, 'b.parquet': groups, 'c.parquet': far });
  const cut = { reads: ['b'], shardBytesMax: 1e6, packs: { ...packs, bytesMax: 1e5 } };
  const [run] = [...cutShards(snapshot, cut)];
  expect(run!.map(({ ranges }) => ranges.length)).toEqual([1, 1, 1]);
  const [[alone] = []] = [...cutShards(snapshotOf({ 'c.parquet': far }), cut)];
  expect(alone!.ranges).toHaveLength(9);
});

test('shards say of the columns that are read which their object has otherwise', () => {
  const { objects, ...made } = snapshotOf({ 'a.parquet': [{ rows: 1, bytes: 2 }] });
  const typesWith = (types: Record<string, string | null> | undefined, reads: string[]) => {
    const snapshot = { ...made, objects: [types ? { ...objects[0]!, types } : objects[0]!] };
    return [...cutShards(snapshot, { reads, shardBytesMax: 9 })][0]![0]!;
  };
  expect(typesWith({ a: 'SMALLINT', b: null }, ['a', 'b']).types).toEqual({
    a: 'SMALLINT',
    b: null,
  });
  expect(typesWith({ a: 'SMALLINT', b: null }, ['b']).types).toEqual({ b: null });
  expect(typesWith({ a: 'SMALLINT' }, ['b'])).not.toHaveProperty('types');
  expect(typesWith(undefined, ['a'])).not.toHaveProperty('types');
});

test('thousands of tiny row groups are few reads: over the holes between them, no wider than it takes', () => {
  const groups = Array.from({ length: 5_000 }, () => ({ rows: 1, bytes: 2_000 }));
  const snapshot = snapshotOf({ 'a.parquet': groups });
  const [shards] = [...cutShards(snapshot, { reads: ['b'], shardBytesMax: 2 ** 30 })];
  expect(shards![0]!.ranges).toEqual([[1_004, 5_000 * 2_000 - 1_000]]);
  const far = snapshotOf({
    'a.parquet': groups.slice(0, 60).map((group) => ({ ...group, bytes: 1e6 })),
  });
  const [apart] = [...cutShards(far, { reads: ['b'], shardBytesMax: 2 ** 30 })];
  expect(apart![0]!.ranges).toHaveLength(60);
});

test('a small object in a pack is whole, whatever its row groups claim to hold', () => {
  const snapshot = smallOnes(40);
  const claims = Array.from({ length: 3 }, () => ({ rows: 2, bytes: 90_000 }));
  const liar = { ...snapshotOf({ '000020.parquet': claims }).objects[0]!, bytes: 500 };
  const objects = snapshot.objects.map((one) => (one.key === liar.key ? liar : one));
  const cut = { reads: ['a'], shardBytesMax: 100_000, packs };
  const held = [...cutShards({ ...snapshot, objects }, cut)].flat();
  expect(held.filter(({ key }) => key === liar.key)).toMatchObject([
    { rowStart: 0, rowEnd: 6, rowGroupStart: 0, rowGroupEnd: 3 },
  ]);
});
