// Parses one footer with DuckDB. Runs in a thread of the coordinator's expendable child.
// In: a sparse local file that holds nothing but a footer. Out: columns with types, row groups with byte ranges.
// Why DuckDB: the types it reports are those that the SQL will meet.
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { type Duck, openDuck } from '../../common/engine/duckdb.ts';
import { GristmillError } from '../../common/errors.ts';
import { quoteText } from '../../common/sql.ts';
import type { RowGroup } from '../../common/wire/plan.ts';
import type { FileColumn } from './contract.ts';
import { NO_TYPE } from './widen.ts';

export type Footer = {
  readonly schema: readonly FileColumn[];
  readonly rowGroups: readonly RowGroup[];
  readonly rows: number;
};

const MEMORY_BYTES = 512 * 1024 * 1024;

/** `path` lies in `folder`. */
export function parseFooter(of: { path: string; folder: string }): Promise<Footer> {
  const footer = before.then(() => parseNext(of));
  before = footer.catch(() => {}); // whose engine may be let go: one after the other
  return footer;
}

let before: Promise<unknown> = Promise.resolve();

async function parseNext({ path, folder }: { path: string; folder: string }): Promise<Footer> {
  if (kept?.folder !== folder) await letGo();
  kept ??= { folder, duck: openFor(folder) };
  try {
    return await parseWith(await kept.duck, path);
  } catch (error) {
    await letGo(); // a footer can leave an engine unusable
    throw error;
  }
}

/** One a thread, for footer after footer: to open one takes longer than to read some. All SQL is our own. */
let kept: { readonly folder: string; readonly duck: Promise<Duck> } | undefined;

const openFor = (folder: string): Promise<Duck> =>
  openDuck({
    memoryBytes: MEMORY_BYTES,
    ...{ tempDir: join(folder, `spill-${threadId}`), files: [], writeDir: folder },
  });

async function letGo(): Promise<void> {
  const duck = kept?.duck;
  kept = undefined;
  await (await duck?.catch(() => undefined))?.[Symbol.asyncDispose]();
}

async function parseWith(duck: Duck, path: string): Promise<Footer> {
  const types = await duck.describe(
    `SELECT * FROM read_parquet(${quoteText(path)}, hive_partitioning = false)`,
  );
  const columns = columnsOf(await readTree(duck, path), types);
  const rowGroups = await readGroups(duck, path, columns);
  const rows = rowGroups.reduce((sum, group) => sum + group.rows, 0);
  return { schema: columns.map(({ column }) => column), rowGroups, rows };
}

/** A node of the file's own schema, which is a tree, depth first. */
type Node = {
  readonly name: string;
  readonly children: number;
  readonly bytes: number | null;
  readonly digits: number | null;
  readonly scale: number | null;
  readonly logical: string | null;
};

const readTree = async (duck: Duck, path: string): Promise<readonly Node[]> =>
  (await duck.rows(`SELECT name, coalesce(num_children, 0) AS children, type_length AS bytes,
      "precision" AS digits, "scale", logical_type AS logical
    FROM parquet_schema(${quoteText(path)})`)) as Node[];

/** A column at the top, and which of the file's leaves are its own: [start, end). Those lie side by side. */
type TopColumn = { readonly column: FileColumn; readonly start: number; readonly end: number };

function columnsOf(
  [root, ...nodes]: readonly Node[],
  types: readonly { readonly name: string; readonly type: string }[],
): readonly TopColumn[] {
  let [at, leaf] = [0, 0];
  const skip = (): void => {
    const { children } = nodes[at++]!;
    if (children === 0) leaf += 1;
    for (let i = 0; i < children; i++) skip();
  };
  const columns: TopColumn[] = [];
  while (at < nodes.length) {
    const [node, start] = [nodes[at]!, leaf];
    skip();
    const described = types[columns.length];
    if (described) columns.push({ column: columnOf(node, described), start, end: leaf });
  }
  if (root && columns.length === types.length && columns.length === Number(root.children))
    return columns;
  throw new GristmillError(
    'SHARD_UNREADABLE',
    `its schema has ${columns.length} columns, and ${types.length} are read`,
  );
}

/** DuckDB calls the second of two names that differ in case alone by another. */
function columnOf(node: Node, { name, type }: { name: string; type: string }): FileColumn {
  if (node.name !== name)
    return {
      name,
      type,
      unreadable: `another column is called ${JSON.stringify(node.name)}, too, but perhaps for the case of its letters`,
    };
  if (node.logical?.startsWith('NullType')) return { name, type: NO_TYPE };
  const { bytes, digits, scale } = node;
  if (
    digits !== null &&
    digits > DECIMAL_DIGITS_MAX &&
    (bytes === null || bytes % WORD_BYTES !== 0)
  )
    return {
      name,
      type,
      unreadable: `it is DECIMAL(${digits},${scale}), expected at most ${DECIMAL_DIGITS_MAX} digits`,
    };
  return { name, type };
}

/** Wider ones become DOUBLE, wrongly so where their bytes do not fill words. */
const [DECIMAL_DIGITS_MAX, WORD_BYTES] = [38, 8];

/** A nested column has several leaves: its range spans them. */
async function readGroups(
  duck: Duck,
  path: string,
  columns: readonly TopColumn[],
): Promise<readonly RowGroup[]> {
  const owners = columns.flatMap(({ start, end }, i) => new Array<number>(end - start).fill(i));
  const groups: { rows: number; bytes: number; chunks: [offset: number, length: number][] }[] = [];
  const sql = `SELECT row_group_id::DOUBLE, row_group_num_rows::DOUBLE, column_id::DOUBLE,
      total_compressed_size::DOUBLE,
      (CASE WHEN dictionary_page_offset > 0 AND dictionary_page_offset < data_page_offset
        THEN dictionary_page_offset ELSE data_page_offset END)::DOUBLE
    FROM parquet_metadata(${quoteText(path)})`;
  await duck.scan(sql, ['float64', 'float64', 'float64', 'float64', 'float64'], (count, data) => {
    const [group, rows, leaf, bytes, start] = data as readonly Float64Array[];
    for (let i = 0; i < count; i++) {
      const into = groups[group![i]!] ?? { rows: rows![i]!, bytes: 0, chunks: [] };
      groups[group![i]!] = into;
      into.bytes += bytes![i]!;
      const owner = owners[leaf![i]!];
      if (owner === undefined) continue;
      const chunk = into.chunks[owner];
      const end = start![i]! + bytes![i]!;
      if (!chunk) into.chunks[owner] = [start![i]!, bytes![i]!];
      else {
        const first = Math.min(chunk[0], start![i]!);
        into.chunks[owner] = [first, Math.max(chunk[0] + chunk[1], end) - first];
      }
    }
  });
  for (const { chunks } of groups) checkChunks(chunks, columns);
  return groups;
}

function checkChunks(chunks: readonly unknown[], columns: readonly TopColumn[]): void {
  const missing = columns.findIndex((_, i) => chunks[i] === undefined);
  if (missing < 0) return;
  const { name } = columns[missing]!.column;
  throw new GristmillError(
    'SHARD_UNREADABLE',
    `column ${JSON.stringify(name)} has no bytes in a row group`,
  );
}
