import { expect, test } from 'vitest';
import type { Shard } from '../../../common/wire/task.ts';
import { cutShards, findShards } from '../../../coordinator/plan/shards.ts';
import { snapshotOf } from '../../support/snapshots.ts';

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
  expect(edges(cutShards(snapshot, { reads: ['a'], shardBytesMax: 80 }))).toEqual([
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
  expect(edges(cutShards(snapshot, { reads: ['a'], shardBytesMax: 100 }))).toEqual([
    ['a.parquet', 0, 1, 0, 1],
    ['a.parquet', 1, 2, 1, 3],
    ['a.parquet', 2, 3, 3, 6],
  ]);
});

test('cutShards() leaves out groups without rows, and a whole object of them', () => {
  const snapshot = snapshotOf({ 'a.parquet': [{ rows: 0, bytes: 10 }], 'b.parquet': [] });
  expect([...cutShards(snapshot, { reads: ['a'], shardBytesMax: 100 })]).toEqual([]);
});

test('cutShards() fetches only the columns read, adjacent chunks as one range', () => {
  const snapshot = snapshotOf({
    'a.parquet': [
      { rows: 1, bytes: 20 },
      { rows: 1, bytes: 20 },
    ],
  });
  const ranges = (reads: string[]) =>
    [...cutShards(snapshot, { reads, shardBytesMax: 100 })][0]!.ranges;
  expect(ranges(['a', 'b'])).toEqual([[4, 40]]);
  expect(ranges(['b'])).toEqual([
    [14, 10],
    [34, 10],
  ]);
});

test('cutShards() gives each shard the chunks of its own groups, and none of its neighbours', () => {
  const groups = Array.from({ length: 3 }, () => ({ rows: 1, bytes: 20 }));
  const shards = [...cutShards(snapshotOf({ a: groups }), { reads: ['b'], shardBytesMax: 20 })];
  expect(shards.map(({ ranges }) => ranges)).toEqual([[[14, 10]], [[34, 10]], [[54, 10]]]);
});

test('findShards() gives the shards that begin there, in the order asked, as cutShards() cuts them', () => {
  const snapshot = snapshotOf({
    'a.parquet': [
      { rows: 10, bytes: 40 },
      { rows: 20, bytes: 40 },
      { rows: 30, bytes: 40 },
    ],
    'b.parquet': [{ rows: 5, bytes: 10 }],
  });
  const cut = { reads: ['b'], shardBytesMax: 80 };
  const all = [...cutShards(snapshot, cut)];
  expect(findShards(snapshot, cut, all.toReversed())).toEqual(all.toReversed());
  const nowhere = [
    { key: 'a.parquet', rowStart: 10 },
    { key: 'c.parquet', rowStart: 0 },
  ];
  expect(findShards(snapshot, cut, nowhere)).toEqual([undefined, undefined]);
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
  expect(shards.next().value).toMatchObject({ key: 'a.parquet' });
  expect(() => shards.next()).toThrow('read');
});
