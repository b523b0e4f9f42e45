// Reads Parquet footers: the schema and where each column's bytes lie.
// In: an object's tail. Out: row groups with the byte range of every top-level column.
// Why in the expendable child: footers are hostile until parsed, and parsing them has crashed DuckDB.

import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Child } from '../../common/child/host.ts';
import { GristmillError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import { fetchSparse } from '../../common/store/ranges.ts';
import type { ObjectInfo, Store } from '../../common/store/store.ts';
import type { Footer } from './footer-thread.ts';
import { RowGroups } from './row-groups.ts';

export type ReadFooter = Omit<Footer, 'rowGroups'> & {
  readonly rowGroups: RowGroups;
  readonly footerBytes: number;
};

/** The largest footer that is fetched: 1,000 columns × 1,000 row groups take some 100 MB. */
const FOOTER_BYTES_MAX = 256 * 1024 * 1024;
const MAGIC = 'PAR1';

export async function readFooter(
  lake: Store,
  object: ObjectInfo,
  { child, scratch }: { child: Child; scratch: string },
): Promise<ReadFooter> {
  const footerBytes = await footerLength(lake, object);
  const footer = await parse(lake, object, { footerBytes, child, scratch });
  checkRowGroups(object, { ...footer, footerBytes });
  return { ...footer, rowGroups: new RowGroups(footer.rowGroups), footerBytes };
}

const DEADLINE_MS = 30_000;
let alone: Promise<unknown> = Promise.resolve();

/** A child that dies takes every footer in it along. Each of them is parsed again, one at a time: then it is
 * clear which one kills, and the others are not called unsound for it. */
async function parseOrAlone(
  child: Child,
  args: { readonly path: string; readonly folder: string },
): Promise<Footer> {
  const parseOnce = (): Promise<Footer> =>
    child.call<Footer>('footer', args, { deadlineMs: DEADLINE_MS });
  try {
    return await parseOnce();
  } catch (error) {
    if (!(error instanceof GristmillError) || error.code !== 'CHILD_LOST') throw error;
    const again = alone.then(parseOnce);
    alone = again.catch(() => {});
    return again;
  }
}

async function parse(
  lake: Store,
  object: ObjectInfo,
  { footerBytes, child, scratch }: { footerBytes: number; child: Child; scratch: string },
): Promise<Footer> {
  const folder = join(scratch, `footers-${process.pid}`); // its engines spill, and may read, there
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${crypto.randomUUID()}.parquet`);
  try {
    await fetchSparse(
      lake,
      object.key,
      { ...object, ranges: [[object.bytes - footerBytes, footerBytes]] },
      path,
    );
    return await parseOrAlone(child, { path, folder });
  } catch (error) {
    if (
      !(error instanceof GristmillError) ||
      error.code === 'INPUT_CHANGED' ||
      error.code.startsWith('STORE')
    )
      throw error;
    const isEngines = /^Cannot read a Parquet file/.test(error.message);
    const why = isEngines ? 'its footer is not sound' : error.message;
    throw unreadable(object, why, error);
  } finally {
    await rm(path, { force: true });
  }
}

/** Length of metadata, its 4-byte length and the magic, from the last 8 bytes. */
async function footerLength(lake: Store, object: ObjectInfo): Promise<number> {
  if (object.bytes < 12)
    throw unreadable(object, `it has ${object.bytes} bytes, expected at least 12`);
  const length = Math.min(8, object.bytes);
  const tail = await lake.getRange(object.key, {
    offset: object.bytes - length,
    length,
    etag: object.etag,
  });
  const view = Buffer.from(tail);
  const magic = view.toString('latin1', 4, 8);
  if (magic !== MAGIC)
    throw unreadable(object, `its last bytes are ${JSON.stringify(magic)}, expected "${MAGIC}"`);
  const footerBytes = view.readUInt32LE(0) + 8;
  if (footerBytes > object.bytes - 4 || footerBytes > FOOTER_BYTES_MAX) {
    throw unreadable(object, `its footer claims ${footerBytes} bytes of ${object.bytes}`);
  }
  return footerBytes;
}

function checkRowGroups(
  object: ObjectInfo,
  { schema, rowGroups, footerBytes }: Footer & { readonly footerBytes: number },
): void {
  const dataEnd = object.bytes - footerBytes;
  for (const [index, { rows, chunks }] of rowGroups.entries()) {
    if (rows > LIMITS.rowGroupRowsMax) {
      throw unreadable(
        object,
        `row group ${index} claims ${rows} rows, expected at most ${LIMITS.rowGroupRowsMax}`,
      );
    }
    const outside = chunks.findIndex(
      ([start, length]) => start < MAGIC.length || length < 0 || start + length > dataEnd,
    );
    if (rows === 0 || outside < 0) continue;
    const [start, length] = chunks[outside]!;
    throw unreadable(
      object,
      `column ${JSON.stringify(schema[outside]!.name)} of row group ${index} claims bytes ${start} to ${start + length}, expected within ${MAGIC.length} to ${dataEnd}`,
    );
  }
}

const unreadable = (object: ObjectInfo, why: string, cause?: unknown): GristmillError =>
  new GristmillError('SHARD_UNREADABLE', `Cannot read ${object.key} as Parquet: ${why}`, { cause });
