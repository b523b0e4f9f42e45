// Runs of scores word by word: what is one run and what are two, how large a block is, who is asked for what.
import { expect, test } from 'vitest';
import { groupsOf, mergeRuns, type Runs, runsOf, sortByKey } from '../../../common/metric/curve.ts';

const MOST = 2 ** 32 - 1;
const run = (...words: number[]): Runs => Uint32Array.from(words);
const merged = (...curves: Runs[][]): number[][] =>
  [...mergeRuns(curves)].map((block) => [...block]);

test('sortByKey() gives rows by key, equal keys in the order of rows', () => {
  expect([...sortByKey(run(5, 3, 9, 3, 0))]).toEqual([4, 1, 3, 0, 2]);
});

test('runsOf() makes one run of equal keys, and asks once for each row', () => {
  const asked: number[] = [];
  const isPositive = (row: number): boolean => {
    asked.push(row);
    return row < 2;
  };
  expect([...runsOf(run(7, 3, 7, 7), isPositive)]).toEqual([3, 1, 0, 7, 1, 2]);
  expect(asked).toEqual([0, 1, 2, 3]);
  expect([...runsOf(run(7, 3, 7, 7), isPositive, run(3, 0))]).toEqual([7, 1, 1]);
  expect([...runsOf(run(), isPositive)]).toEqual([]);
});

test('groupsOf() of nothing is nothing', () => {
  expect([...groupsOf([])]).toEqual([]);
  expect([...groupsOf([run()])]).toEqual([]);
});

test('mergeRuns() interleaves curves by key, equal keys as one run', () => {
  expect(merged([run(1, 1, 0, 5, 2, 1)], [run(2, 0, 1, 5, 3, 4, 6, 1, 1)])).toEqual([
    [1, 1, 0, 2, 0, 1, 5, 5, 5, 6, 1, 1],
  ]);
  expect(merged([run(4, 1, 1)], [run(4, 2, 3)])).toEqual([[4, 3, 4]]); // also the first of a block
});

test.each<[string, number[], number[], number[]]>([
  ['positives that just fit', [5, MOST - 2, 0], [5, 2, 7], [5, MOST, 7]],
  ['one positive too many', [5, MOST - 1, 0], [5, 2, 7], [5, MOST - 1, 0, 5, 2, 7]],
  ['negatives that just fit', [5, 0, MOST - 2], [5, 7, 2], [5, 7, MOST]],
  ['one negative too many', [5, 0, MOST - 1], [5, 7, 2], [5, 0, MOST - 1, 5, 7, 2]],
])('mergeRuns() of %s: the left one first where it takes two runs', (_, left, right, expected) => {
  expect(merged([run(...left)], [run(...right)])).toEqual([expected]);
});

test('mergeRuns() gives blocks of 4096 runs, and the rest', () => {
  const keys = (from: number): Runs =>
    Uint32Array.from({ length: 3 * 4500 }, (_, at) => (at % 3 === 0 ? from + at : 1));
  const [even, odd] = [keys(0), keys(1)];
  const blocks = [...mergeRuns([[even], [odd]])];
  expect(blocks.map(({ length }) => length / 3)).toEqual([4096, 4096, 808]);
  expect([...groupsOf(blocks)]).toHaveLength(9000);
  const alone = [...mergeRuns([[even], []])];
  expect(alone.map(({ length }) => length / 3)).toEqual([4096, 404]);
});
