import { expect, test } from 'vitest';
import type { Snapshot } from '../../../common/wire/plan.ts';
import { cutShards } from '../../../coordinator/plan/shards.ts';

/** Two columns: `a` in the first half of each group's bytes, `b` in the second. */
function snapshotOf(objects: Record<string, readonly { rows: number; bytes: number }[]>): Snapshot {
  return {
    formatVersion: 1,
    dataset: '*.parquet',
    schema: [
      { name: 'a', type: 'BIGINT' },
      { name: 'b', type: 'VARCHAR' },
    ],
    objects: Object.entries(objects).map(([key, groups]) => {
      let offset = 4;
      const rowGroups = groups.map(({ rows, bytes }) => {
        const half = bytes / 2;
        const chunks = [[offset, half] as const, [offset + half, half] as const];
        offset += bytes;
        return { rows, bytes, chunks };
      });
      const rows = groups.reduce((sum, group) => sum + group.rows, 0);
      return { key, etag: 'e', bytes: offset + 100, footerBytes: 100, rows, rowGroups };
    }),
  };
}

const edges = (shards: ReturnType<typeof cutShards>) =>
  shards.map(({ key, rowGroupStart, rowGroupEnd, rowStart, rowEnd }) => [
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
  expect(cutShards(snapshot, { reads: ['a'], shardBytesMax: 100 })).toEqual([]);
});

test('cutShards() fetches only the columns read, adjacent chunks as one range', () => {
  const snapshot = snapshotOf({
    'a.parquet': [
      { rows: 1, bytes: 20 },
      { rows: 1, bytes: 20 },
    ],
  });
  const ranges = (reads: string[]) => cutShards(snapshot, { reads, shardBytesMax: 100 })[0]!.ranges;
  expect(ranges(['a', 'b'])).toEqual([[4, 40]]);
  expect(ranges(['b'])).toEqual([
    [14, 10],
    [34, 10],
  ]);
});
