// The tree of lanes: which nodes cover which.
import { expect, test } from 'vitest';
import {
  coverOf,
  isLeft,
  laneNode,
  lanesUnder,
  parentOf,
  siblingOf,
} from '../../../common/algorithm/tree.ts';

test('coverOf() covers all lanes with the root', () => {
  expect(coverOf([0, 1, 2, 3], 4)).toEqual([1]);
});

test('coverOf() takes the fewest whole subtrees, in lane order', () => {
  expect(coverOf([1, 2, 3, 4, 5, 6, 7], 8)).toEqual([9, 5, 3]);
  expect(coverOf([], 8)).toEqual([]);
  expect(coverOf([0], 1)).toEqual([1]);
});

test('lanesUnder() is the inverse of a cover of one node', () => {
  for (let node = 1; node < 32; node++) {
    const { first, count } = lanesUnder(node, 16);
    const lanes = Array.from({ length: count }, (_, i) => first + i);
    expect(coverOf(lanes, 16)).toEqual([node]);
  }
});

test('lanes are the leaves, from left to right', () => {
  expect([0, 3].map((lane) => laneNode(lane, 4))).toEqual([4, 7]);
  expect([4, 5, 6, 7].map(isLeft)).toEqual([true, false, true, false]);
});

test('parentOf() and siblingOf() of both children: one parent, each the other', () => {
  for (const node of [1, 2, 3, 7]) {
    const children = [2 * node, 2 * node + 1];
    expect(children.map(parentOf)).toEqual([node, node]);
    expect(children.map(siblingOf)).toEqual(children.toReversed());
  }
});
