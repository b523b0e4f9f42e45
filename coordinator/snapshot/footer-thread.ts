// Parses one footer with DuckDB. Runs in a thread of the coordinator's expendable child.
// In: a sparse local file that holds nothing but a footer. Out: columns with types, row groups with byte ranges.
// Why DuckDB: the types it reports are those that the SQL will meet.
import { openDuck } from '../../common/engine/duckdb.ts';
import { GristmillError } from '../../common/errors.ts';
import { groupBy } from '../../common/group.ts';
import { quoteText } from '../../common/sql.ts';
import type { RowGroup, SchemaColumn } from '../../common/wire/plan.ts';

export type Footer = {
  readonly schema: readonly SchemaColumn[];
  readonly rowGroups: readonly RowGroup[];
  readonly rows: number;
};

const MEMORY_BYTES = 512 * 1024 * 1024;

export async function parseFooter({
  path,
  tempDir,
}: {
  path: string;
  tempDir: string;
}): Promise<Footer> {
  await using duck = await openDuck({ memoryBytes: MEMORY_BYTES, tempDir, files: [path] });
  const schema = await duck.describe(`SELECT * FROM read_parquet(${quoteText(path)})`);
  const chunks =
    (await duck.rows(`SELECT row_group_id AS g, row_group_num_rows AS n, path_in_schema AS path,
      total_compressed_size AS bytes,
      CASE WHEN dictionary_page_offset > 0 AND dictionary_page_offset < data_page_offset
        THEN dictionary_page_offset ELSE data_page_offset END AS start
    FROM parquet_metadata(${quoteText(path)}) ORDER BY row_group_id, column_id`)) as Chunk[];
  const groups = groupBy(chunks, (chunk) => Number(chunk.g));
  const rowGroups = [...groups.values()].map((leaves) => rowGroup(schema, leaves));
  return { schema, rowGroups, rows: rowGroups.reduce((sum, group) => sum + group.rows, 0) };
}

type Chunk = { g: number; n: number; path: string; bytes: number; start: number };

/** A nested column has several leaves, which lie side by side: its range spans them. */
function rowGroup(schema: readonly SchemaColumn[], leaves: readonly Chunk[]): RowGroup {
  const chunks = schema.map(({ name }) => {
    const own = leaves.filter(
      ({ path }) => path === name || path.startsWith(`${name}, `) || path.startsWith(`${name}.`),
    );
    if (own.length === 0)
      throw new GristmillError(
        'SHARD_UNREADABLE',
        `column ${JSON.stringify(name)} has no bytes in a row group`,
      );
    const start = Math.min(...own.map((leaf) => Number(leaf.start)));
    const end = Math.max(...own.map((leaf) => Number(leaf.start) + Number(leaf.bytes)));
    return [start, end - start] as const;
  });
  const bytes = leaves.reduce((sum, leaf) => sum + Number(leaf.bytes), 0);
  return { rows: Number(leaves[0]!.n), bytes, chunks };
}
