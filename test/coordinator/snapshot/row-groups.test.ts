// Row groups in one block: each number comes back from where it was put, of however many columns groups are.
import { expect, test } from 'vitest';
import { RowGroups } from '../../../coordinator/snapshot/row-groups.ts';

/** No number twice. */
const groupsOf = (count: number, columns: number) =>
  Array.from({ length: count }, (_, i) => ({
    rows: 1000 * i + 1,
    bytes: 2 ** 40 + 1000 * i,
    chunks: Array.from({ length: columns }, (_, c) => [100 * i + c, 0.5 + 100 * i + c] as const),
  }));

test.each([
  [3, 2],
  [2, 1],
  [1, 7],
  [2, 0],
  [0, 0],
])('RowGroups of %d groups of %d columns gives back what it was made of', (count, columns) => {
  const given = groupsOf(count, columns);
  const groups = new RowGroups(given);
  expect([...groups]).toEqual(given);
  expect([groups.length, groups.columns]).toEqual([count, columns]);
});

test('RowGroups tells the rows, the bytes and a chunk of any group by number', () => {
  const given = groupsOf(3, 2);
  const groups = new RowGroups(given);
  for (const [i, { rows, bytes, chunks }] of given.entries()) {
    expect([groups.rowsOf(i), groups.bytesOf(i)]).toEqual([rows, bytes]);
    expect([groups.chunkOf(i, 0), groups.chunkOf(i, 1)]).toEqual(chunks);
  }
});
