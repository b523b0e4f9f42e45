import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LIMITS } from '../../../common/limits.ts';
import { spread } from '../../../common/spread.ts';
import type { RowGroup } from '../../../common/wire/plan.ts';
import { RowGroups, type Snapshot } from '../../../coordinator/snapshot/row-groups.ts';
import { chooseShards } from '../../../coordinator/survey/choose.ts';

const MiB = 1024 * 1024;

const group = (rows: number, bytes: number): RowGroup => ({ rows, bytes, chunks: [[4, bytes]] });

function snapshotOf(objects: readonly (readonly RowGroup[])[]): Snapshot {
  return {
    formatVersion: 1,
    dataset: 'x',
    schema: [{ name: 'x', type: 'DOUBLE' }],
    objects: objects.map((groups, i) => ({
      key: `${String(i).padStart(5, '0')}.parquet`,
      etag: `e${i}`,
      bytes: 1e9,
      footerBytes: 100,
      rows: groups.reduce((sum, { rows }) => sum + rows, 0),
      rowGroups: new RowGroups(groups),
    })),
  };
}

const keysOf = (snapshot: Snapshot): string[] => chooseShards(snapshot).map(({ key }) => key);

test('spread() takes the first, the last, and others evenly between', () => {
  expect(spread([1, 2, 3], 4)).toEqual([1, 2, 3]);
  expect(spread([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 4)).toEqual([0, 3, 6, 9]);
  expect(spread([1, 2], 1)).toEqual([1]);
  expect(spread([], 4)).toEqual([]);
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 500 }), fc.integer({ min: 2, max: 64 }), (n, max) => {
      const items = Array.from({ length: n }, (_, i) => i);
      const some = spread(items, max);
      expect(some).toHaveLength(Math.min(n, max));
      expect(new Set(some).size).toBe(some.length);
      expect([...some].sort((a, b) => a - b)).toEqual(some);
      if (n > 0) expect([some[0], some.at(-1)]).toEqual([0, n - 1]);
    }),
  );
});

test('chooseShards() looks at few of many large row groups, from the first to the last', () => {
  const objects = Array.from({ length: 7 }, () => [
    group(100_000, 20 * MiB),
    group(90_000, 20 * MiB),
  ]);
  const shards = chooseShards(snapshotOf(objects));
  expect(shards.map(({ key, rowGroupStart }) => [key, rowGroupStart])).toEqual([
    ['00000.parquet', 0],
    ['00002.parquet', 0],
    ['00004.parquet', 1],
    ['00006.parquet', 1],
  ]);
  expect(shards.every(({ rowGroupStart, rowGroupEnd }) => rowGroupEnd - rowGroupStart === 1)).toBe(
    true,
  );
});

test('chooseShards() joins small row groups, and takes more of small objects', () => {
  const one = chooseShards(snapshotOf([Array.from({ length: 50 }, () => group(100, 1000))]));
  expect(one).toMatchObject([{ rowStart: 0, rowEnd: 5000, rowGroupStart: 0, rowGroupEnd: 50 }]);
  const many = keysOf(snapshotOf(Array.from({ length: 1000 }, () => [group(50, 1000)])));
  expect(many).toHaveLength(LIMITS.surveyShardsMax);
  expect([many[0], many.at(-1)]).toEqual(['00000.parquet', '00999.parquet']);
});

test('chooseShards() stays within its bytes, but for one shard', () => {
  const large = [group(1e6, 200 * MiB)];
  const small = [group(1e6, 90 * MiB)];
  expect(keysOf(snapshotOf([large, small, small, large]))).toEqual([
    '00001.parquet',
    '00002.parquet',
  ]);
  expect(keysOf(snapshotOf([[group(1e6, 900 * MiB)], [group(1e6, 800 * MiB)]]))).toEqual([
    '00001.parquet',
  ]);
  expect(chooseShards(snapshotOf([[group(0, 100)], []]))).toEqual([]);
});
