// A few of many: which, and how many.
import { expect, test } from 'vitest';
import { spread } from '../../common/spread.ts';

test.each([
  [1, [0]],
  [2, [0, 9]],
  [3, [0, 5, 9]],
  [4, [0, 3, 6, 9]],
  [9, [0, 1, 2, 3, 5, 6, 7, 8, 9]],
])('spread() takes %d of ten: the first, the last, and others evenly between', (max, expected) => {
  const ten = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  expect(spread(ten, max)).toEqual(expected);
});

test('spread() leaves alone what is few enough', () => {
  const some = [1, 2, 3];
  expect(spread(some, 3)).toBe(some);
  expect(spread(some, 4)).toBe(some);
  expect(spread([], 1)).toEqual([]);
});
