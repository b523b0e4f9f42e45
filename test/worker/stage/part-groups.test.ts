import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openDuck } from '../../../common/engine/duckdb.ts';
import { LIMITS } from '../../../common/limits.ts';
import { segmentDigest } from '../../../common/store/segments.ts';
import { groupRowsOf, sealGroups } from '../../../worker/stage/part-groups.ts';

test.each([
  [0, 32, 2048],
  [1, 32, 2048],
  [65_536, 32, 2048],
  [65_537, 32, 4096],
  [1_048_576, 32, 32_768],
  [10_000_000, 32, 32_768],
  [5, undefined, 32_768],
])('groupRowsOf() a part of %i rows for %s groups are %i', (rows, groups, expected) => {
  expect(groupRowsOf(rows, groups)).toBe(expected);
});

test('sealGroups() tells of each row group where it ends and what it hashes to', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'groups-'));
  const path = join(folder, 'part.parquet');
  try {
    await using duck = await openDuck({
      memoryBytes: LIMITS.taskMemoryBytes,
      tempDir: join(folder, 'spill'),
      files: [],
      writeDir: folder,
    });
    const write = (rows: number, groupRows: number): Promise<void> =>
      duck.run(`COPY (SELECT i, (i % 10)::VARCHAR AS text FROM range(${rows}) t(i)) TO '${path}'
        (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${groupRows})`);
    await write(5000, 2048);
    const { rows, ends, digests } = await sealGroups(duck, path, 2048);
    const bytes = await readFile(path);
    expect([rows, ends.length, digests.length]).toEqual([2048, 3, 4]);
    expect(ends.at(-1)).toBeLessThan(bytes.length);
    const starts = [0, ...ends];
    expect(digests).toEqual(
      starts.map((start, i) => segmentDigest(bytes.subarray(start, ends[i] ?? bytes.length))),
    );
    await expect(sealGroups(duck, path, 4096)).rejects.toThrow('expected 4096 rows each');
    await write(100, 2048);
    expect((await sealGroups(duck, path, 2048)).ends).toHaveLength(1);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
