import { expect, test } from 'vitest';
import { cutLanes } from '../../../coordinator/plan/train.ts';

const bucketRows = Array.from({ length: 64 }, (_, bucket) => bucket);

test('cutLanes() gives each lane its run of buckets, and loses no row', () => {
  const { lanes, laneRows } = cutLanes({ lanes: 4, batchRows: 64 }, bucketRows);
  expect(lanes).toBe(4);
  expect(laneRows).toEqual([120, 376, 632, 888]);
  expect(laneRows.reduce((a, b) => a + b)).toBe(bucketRows.reduce((a, b) => a + b));
});

test('cutLanes() ends an epoch with the longest lane', () => {
  expect(cutLanes({ lanes: 4, batchRows: 64 }, bucketRows).steps).toBe(Math.ceil(888 / 16));
  expect(cutLanes({ lanes: 1, batchRows: 2016 }, bucketRows).steps).toBe(1);
  expect(cutLanes({ lanes: 1, batchRows: 2015 }, bucketRows).steps).toBe(2);
});
