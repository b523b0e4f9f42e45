// The quickstart's data: three million real flights of 2001 as one Parquet object a month, made once and kept.
// In: flights-3m.parquet of the npm package vega-datasets, a number of rows. Out: files by lake key, and those of June apart.
// Why defects are added: 3 of the 3,000,000 rows break a rule of the example job; cleaning should be seen at work.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { openDuck } from '../../common/engine/duckdb.ts';
import { GristmillError } from '../../common/errors.ts';
import { quoteText } from '../../common/sql.ts';
import { openStore } from '../../common/store/open.ts';

/** Grows when the files below would come out otherwise. */
const LAKE_VERSION = 1;
export const SOURCE_ROWS = 3_000_000;
/** Fewer leave some month without a late flight. */
export const LAKE_ROWS_MIN = 2_000;
export const DEFECT_ROWS = 1_200;
const MONTHS = [1, 2, 3, 4, 5, 6];
const LATER_MONTH = 6;
const ROW_GROUP_ROWS = 122_880; // five groups a month
const MEMORY_BYTES = 1024 * 1024 * 1024;

export type LakeFile = {
  /** Where it goes in the lake. */
  readonly key: string;
  readonly path: string;
  readonly rows: number;
  readonly bytes: number;
};
export type Lake = {
  readonly folder: string;
  readonly rows: number;
  /** January to May, with the synthetic defects in March. */
  readonly first: readonly LakeFile[];
  /** June: it lands while the quickstart runs. */
  readonly later: readonly LakeFile[];
  readonly isNew: boolean;
};

type Manifest = {
  readonly formatVersion: 1;
  readonly lakeVersion: number;
  readonly sourceSha256: string;
  readonly rows: number;
  readonly files: readonly {
    readonly key: string;
    readonly rows: number;
    readonly bytes: number;
  }[];
};

/** Makes the files below `folder`, or finds them there. */
export async function makeLake(folder: string, rows: number = SOURCE_ROWS): Promise<Lake> {
  const source = sourcePath();
  const sourceSha256 = await sha256OfFile(source);
  const kept = await readManifest(folder, { sourceSha256, rows });
  if (kept) return describe(folder, kept, false);

  const temporary = `${folder}.${process.pid}.tmp`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(join(temporary, 'spill'), { recursive: true });
  const manifest = await writeFiles(temporary, { source, sourceSha256, rows });
  await rm(join(temporary, 'spill'), { recursive: true });
  await rm(folder, { recursive: true, force: true });
  await rename(temporary, folder);
  return describe(folder, manifest, true);
}

/** Puts files into a lake, wherever it is. */
export async function landFiles(
  lakeUri: string,
  files: readonly LakeFile[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<void> {
  const lake = await openStore(lakeUri, env, { create: true });
  try {
    for (const { key, path } of files) await lake.createFromFile(key, path);
  } finally {
    await lake.close();
  }
}

function sourcePath(): string {
  const from = createRequire(import.meta.url);
  return join(dirname(from.resolve('vega-datasets')), '../data/flights-3m.parquet');
}

async function writeFiles(
  folder: string,
  { source, sourceSha256, rows }: { source: string; sourceSha256: string; rows: number },
): Promise<Manifest> {
  await using duck = await openDuck({
    memoryBytes: MEMORY_BYTES,
    tempDir: join(folder, 'spill'),
    files: [source],
    writeDir: folder,
  });
  const files: Manifest['files'][number][] = [];
  const write = async (key: string, query: string): Promise<void> => {
    const path = join(folder, key);
    await mkdir(dirname(path), { recursive: true });
    await duck.run(
      `COPY (${query}) TO ${quoteText(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${ROW_GROUP_ROWS})`,
    );
    const [counted] = await duck.rows(`SELECT count(*) AS n FROM read_parquet(${quoteText(path)})`);
    files.push({ key, rows: Number(counted!.n), bytes: (await stat(path)).size });
  };
  for (const month of MONTHS) {
    await write(`${monthFolder(month)}/flights.parquet`, monthSql(source, month, rows));
    if (month === 3) await write(`${monthFolder(month)}/synthetic-defects.parquet`, defectsSql());
  }
  const manifest: Manifest = {
    formatVersion: 1,
    lakeVersion: LAKE_VERSION,
    sourceSha256,
    rows,
    files,
  };
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest, null, 2));
  return manifest;
}

const monthFolder = (month: number): string => `flights/month=2001-0${month}`;

/** Rows in the source's own order, by time. The sample is every so-manieth row: the same for the same number. */
function monthSql(source: string, month: number, rows: number): string {
  const next = month === LATER_MONTH ? '9999-01-01' : `2001-0${month + 1}-01`;
  const isSampled = `(file_row_number + 1) * ${rows} // ${SOURCE_ROWS} > file_row_number * ${rows} // ${SOURCE_ROWS}`;
  return `SELECT date, delay, distance, origin, destination
    FROM read_parquet(${quoteText(source)}, file_row_number = true)
    WHERE date >= TIMESTAMP '2001-0${month}-01' AND date < TIMESTAMP '${next}' AND ${isSampled}`;
}

/** Six kinds of defects in turn: a missing value in each required column, a distance and a delay that cannot be. */
function defectsSql(): string {
  return `SELECT
      CASE WHEN i % 6 = 0 THEN NULL ELSE TIMESTAMP '2001-03-01' + to_minutes((i * 36)::BIGINT) END AS date,
      CASE i % 6 WHEN 1 THEN NULL WHEN 5 THEN (CASE WHEN i % 4 < 2 THEN 99999 ELSE -5000 END)
        ELSE i % 60 - 10 END::BIGINT AS delay,
      CASE WHEN i % 6 = 4 THEN -(i % 500) ELSE 200 + i END::BIGINT AS distance,
      CASE WHEN i % 6 = 2 THEN NULL ELSE 'ATL' END AS origin,
      CASE WHEN i % 6 = 3 THEN NULL ELSE 'JFK' END AS destination
    FROM range(${DEFECT_ROWS}) AS defects(i)`;
}

async function readManifest(
  folder: string,
  wanted: { sourceSha256: string; rows: number },
): Promise<Manifest | undefined> {
  const text = await readFile(join(folder, 'manifest.json'), 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  const manifest = JSON.parse(text) as Manifest;
  const isSame =
    manifest.lakeVersion === LAKE_VERSION &&
    manifest.sourceSha256 === wanted.sourceSha256 &&
    manifest.rows === wanted.rows;
  return isSame ? manifest : undefined;
}

function describe(folder: string, manifest: Manifest, isNew: boolean): Lake {
  const files = manifest.files.map((file) => ({ ...file, path: join(folder, file.key) }));
  const isLater = ({ key }: LakeFile): boolean => key.startsWith(monthFolder(LATER_MONTH));
  return {
    folder,
    rows: files.reduce((sum, file) => sum + file.rows, 0),
    first: files.filter((file) => !isLater(file)),
    later: files.filter(isLater),
    isNew,
  };
}

/** Checks `--rows`. */
export function checkLakeRows(rows: number): number {
  if (Number.isInteger(rows) && rows >= LAKE_ROWS_MIN && rows <= SOURCE_ROWS) return rows;
  throw new GristmillError(
    'CONFIG_INVALID',
    `Cannot use --rows ${rows}: expected a whole number from ${LAKE_ROWS_MIN} to ${SOURCE_ROWS}`,
  );
}

async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
