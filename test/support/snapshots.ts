// Snapshots of made-up footers. In: the row groups of each object. Out: a snapshot of two columns; its form in the store.
import type { SnapshotJson } from '../../common/wire/plan.ts';
import { RowGroups, type Snapshot } from '../../coordinator/snapshot/row-groups.ts';

/** Column `a` in the first half of each group's bytes, `b` in the second. */
export function snapshotOf(
  objects: Record<string, readonly { rows: number; bytes: number }[]>,
): Snapshot {
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
      return {
        key,
        etag: 'e',
        bytes: offset + 100,
        footerBytes: 100,
        rows,
        rowGroups: new RowGroups(rowGroups),
      };
    }),
  };
}

/** As it lies in the store. */
export const storedForm = (snapshot: Snapshot): SnapshotJson => ({
  ...snapshot,
  objects: snapshot.objects.map((object) => ({ ...object, rowGroups: [...object.rowGroups] })),
});
