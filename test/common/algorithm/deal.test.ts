import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dealLanes, lanesOf, type Taker } from '../../../common/algorithm/deal.ts';
import { coverOf } from '../../../common/algorithm/tree.ts';

const all = (lanes: number): number[] => [...new Array(lanes).keys()];
const nobody = (lanes: number): undefined[] => new Array(lanes).fill(undefined);
const deal = (
  lanes: number,
  takers: readonly Taker<string>[],
  previous: readonly (string | undefined)[] = nobody(lanes),
): (string | undefined)[] => dealLanes({ lanes, dealt: all(lanes), takers, previous });
const taker = (id: string, threads = 1): Taker<string> => ({ id, threads });

test('dealLanes() gives equal takers whole subtrees', () => {
  const owner = deal(
    32,
    ['a', 'b', 'c', 'd'].map((id) => taker(id)),
  );
  for (const id of ['a', 'b', 'c', 'd']) expect(coverOf(lanesOf(owner, id), 32)).toHaveLength(1);
});

test('dealLanes() deals by threads', () => {
  const owner = deal(32, [taker('a', 3), taker('b', 1)]);
  expect(lanesOf(owner, 'a')).toHaveLength(24);
  expect(lanesOf(owner, 'b')).toHaveLength(8);
});

test('dealLanes() moves only what a joiner gets', () => {
  const before = deal(32, [taker('a'), taker('b')]);
  const after = deal(32, [taker('a'), taker('b'), taker('c')], before);
  const moved = all(32).filter((lane) => before[lane] !== after[lane]);
  expect(moved).toEqual(lanesOf(after, 'c'));
  expect(moved).toHaveLength(10);
});

test('dealLanes() moves only what a lost taker had', () => {
  const before = deal(
    32,
    ['a', 'b', 'c', 'd'].map((id) => taker(id)),
  );
  const after = deal(32, [taker('a'), taker('c'), taker('d')], before);
  const moved = all(32).filter((lane) => before[lane] !== after[lane]);
  expect(moved).toEqual(lanesOf(before, 'b'));
});

test('dealLanes() leaves takers out where there are more of them than lanes', () => {
  const owner = deal(
    2,
    ['a', 'b', 'c'].map((id) => taker(id)),
    ['c', undefined],
  );
  expect([...owner].sort()).toEqual(['a', 'c']);
});

test('dealLanes() deals every lane, and nobody computes longer than needed', () => {
  const takers = fc.array(fc.integer({ min: 1, max: 8 }), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 6 }), takers, takers, (power, first, second) => {
      const lanes = 2 ** power;
      const named = (threads: readonly number[]): Taker<string>[] =>
        threads.map((count, i) => taker(`t${i}`, count));
      const before = deal(lanes, named(first));
      const after = deal(lanes, named(second), before);
      const total = second.reduce((sum, count) => sum + count, 0);
      const turns = Math.ceil(lanes / total);
      for (const { id, threads } of named(second)) {
        expect(lanesOf(after, id).length).toBeLessThanOrEqual(Math.max(1, turns * threads));
      }
      expect(after.every((id) => id !== undefined)).toBe(true);
    }),
  );
});
