// Snapshots of made-up footers. In: the row groups of each object. Out: a snapshot of two columns; its form in the store.
import type { Snapshot, SnapshotJson } from '../../common/wire/plan.ts';

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
        const chunks = [offset, half, offset + half, half];
        offset += bytes;
        return { rows, bytes, chunks };
      });
      const rows = groups.reduce((sum, group) => sum + group.rows, 0);
      return { key, etag: 'e', bytes: offset + 100, footerBytes: 100, rows, rowGroups };
    }),
  };
}

/** As it lies in the store: chunks in pairs. */
export const storedForm = (snapshot: Snapshot): SnapshotJson => ({
  ...snapshot,
  objects: snapshot.objects.map((object) => ({
    ...object,
    rowGroups: object.rowGroups.map(({ chunks, ...group }) => ({
      ...group,
      chunks: Array.from({ length: chunks.length / 2 }, (_, i) => [
        chunks[2 * i]!,
        chunks[2 * i + 1]!,
      ]) as [number, number][],
    })),
  })),
});
