import { expect, test } from 'vitest';
import { BLOCK_ROWS, epochOrder, WINDOW_BLOCKS } from '../../../common/algorithm/order.ts';
import { sha256Hex } from '../../../common/ids.ts';

const digest = (order: Uint32Array): string => sha256Hex(new Uint8Array(order.buffer)).slice(0, 16);

// computed apart from this code, in Python
test('epochOrder() gives golden orders', () => {
  const key = { seed: 7, epoch: 0, lane: 3, rows: 12 };
  expect([...epochOrder(key)]).toEqual(TWELVE);
  expect(digest(epochOrder({ ...key, rows: 200_000 }))).toBe(LONG);
});
const TWELVE = [2, 4, 11, 9, 6, 7, 10, 8, 5, 1, 3, 0];
const LONG = '3f8da83bdb19bac3';

test('epochOrder() holds each row once', () => {
  for (const rows of [0, 1, 2, BLOCK_ROWS, BLOCK_ROWS + 1, 3 * BLOCK_ROWS - 5]) {
    const order = epochOrder({ seed: 1, epoch: 2, lane: 0, rows });
    expect(order.length).toBe(rows);
    expect(order.toSorted().every((row, i) => row === i)).toBe(true);
  }
});

test('epochOrder() differs between seeds, epochs and lanes', () => {
  const key = { seed: 7, epoch: 0, lane: 0, rows: 1000 };
  const orders = [key, { ...key, seed: 8 }, { ...key, epoch: 1 }, { ...key, lane: 1 }];
  expect(new Set(orders.map((k) => digest(epochOrder(k)))).size).toBe(4);
});

test('epochOrder() takes a window from at most 16 blocks', () => {
  const rows = 18 * BLOCK_ROWS;
  const order = epochOrder({ seed: 7, epoch: 0, lane: 0, rows });
  const windowRows = WINDOW_BLOCKS * BLOCK_ROWS;
  const blocks = (from: number, to: number) =>
    new Set(Array.from(order.subarray(from, to), (row) => Math.floor(row / BLOCK_ROWS)));
  const [first, second] = [blocks(0, windowRows), blocks(windowRows, rows)];
  expect(first.size).toBe(16);
  expect(second.size).toBe(2);
  expect([...second].some((block) => first.has(block))).toBe(false);
});
