// Row groups of a part: how many rows each has, where it ends, what its bytes hash to.
// In: a finished Parquet file. Out: what a reader of some rows needs to fetch and check only those.
// Why not one size for all: a range of lanes prunes nothing where all rows are one group, and tiny groups compress badly.
import { open } from 'node:fs/promises';
import type { Duck } from '../../common/engine/duckdb.ts';
import { GristmillError } from '../../common/errors.ts';
import { quoteText } from '../../common/sql.ts';
import { segmentDigest } from '../../common/store/segments.ts';
import type { PartGroups } from '../../common/wire/task.ts';

/** DuckDB writes whole vectors of 2,048 rows, so sizes that are multiples of them are kept exactly. */
const VECTOR_ROWS = 2048;
/** Also of parts whose program does not say how many groups they have. */
const GROUP_ROWS_MAX = 32_768;

/** Rows in each group but the last: about `groups` of them, where the part is not so large that there are more. */
export function groupRowsOf(rows: number, groups: number | undefined): number {
  if (groups === undefined) return GROUP_ROWS_MAX;
  const vectors = Math.ceil(rows / groups / VECTOR_ROWS);
  return Math.min(GROUP_ROWS_MAX, Math.max(1, vectors) * VECTOR_ROWS);
}

/** Reads a finished part's footer and hashes its groups. */
export async function sealGroups(duck: Duck, path: string, groupRows: number): Promise<PartGroups> {
  const found = await duck.rows(`SELECT row_group_id AS id, any_value(row_group_num_rows) AS n,
      min(coalesce(dictionary_page_offset, data_page_offset)) AS start,
      sum(total_compressed_size)::BIGINT AS bytes
    FROM parquet_metadata(${quoteText(path)}) GROUP BY 1 ORDER BY 1`);
  const groups = found.map((row) => ({
    rows: Number(row.n),
    start: Number(row.start),
    end: Number(row.start) + Number(row.bytes),
  }));
  const ends = groups.map(({ end }, i) => groups[i + 1]?.start ?? end);
  checkGroups(path, groups, groupRows);
  return { rows: groupRows, ends, digests: await digestsOf(path, ends) };
}

/** Groups lie one after the other, full but the last. */
function checkGroups(
  path: string,
  groups: readonly { readonly rows: number; readonly start: number; readonly end: number }[],
  groupRows: number,
): void {
  const isSound = groups.every(
    ({ rows, start, end }, i) =>
      (rows === groupRows || (i === groups.length - 1 && rows <= groupRows)) &&
      start >= (groups[i - 1]?.end ?? 0) &&
      end > start,
  );
  if (isSound) return;
  throw new GristmillError(
    'INTERNAL',
    `Cannot seal ${path}: its row groups are ${JSON.stringify(groups)}, expected ${groupRows} rows each`,
  );
}

/** Of each group, and of what lies behind the last one. */
async function digestsOf(path: string, ends: readonly number[]): Promise<string[]> {
  await using file = await open(path, 'r');
  const { size } = await file.stat();
  const digests: string[] = [];
  let start = 0;
  for (const end of [...ends, size]) {
    const bytes = new Uint8Array(end - start);
    await file.read(bytes, 0, bytes.byteLength, start);
    digests.push(segmentDigest(bytes));
    start = end;
  }
  return digests;
}
