// Folders that are tables of Delta or Iceberg: which of their Parquet files count, their log says.
// In: folders of a dataset, keys met below them. Out: TABLE_FORMAT where one is such a table.
// Why refuse: removed and rewritten rows still lie there as files, and nobody would notice that they were read.
import { GristmillError } from '../../common/errors.ts';
import type { Store } from '../../common/store/store.ts';

/** `a/b/` → "", "a/", "a/b/". */
export function foldersAbove(prefix: string): readonly string[] {
  const folders = prefix.split('/').slice(0, -1);
  return ['', ...folders.map((_, i) => `${folders.slice(0, i + 1).join('/')}/`)];
}

/** Looks beside the folders of a pattern: a table's log lies outside of what `table/data/*.parquet` lists. */
export async function refuseTables(
  lake: Store,
  dataset: string,
  folders: readonly string[],
): Promise<void> {
  for (const folder of folders) {
    const [delta, iceberg] = await Promise.all([
      lake.listNames(`${folder}${DELTA}`),
      lake.listNames(`${folder}${ICEBERG}`),
    ]);
    if (delta.some((name) => DELTA_FILE.test(name))) throw isTable(dataset, 'Delta', folder, DELTA);
    if (iceberg.some((name) => ICEBERG_FILE.test(name)))
      throw isTable(dataset, 'Iceberg', folder, ICEBERG);
  }
}

/** A key that is met while a dataset is listed. */
export function refuseTableFile(dataset: string, key: string): void {
  for (const [what, log, file] of TABLES) {
    const at = `/${key}`.lastIndexOf(`/${log}`);
    if (at < 0 || !file.test(key.slice(at + log.length))) continue;
    throw isTable(dataset, what, key.slice(0, at), log);
  }
}

const [DELTA, ICEBERG] = ['_delta_log/', 'metadata/'];
const [DELTA_FILE, ICEBERG_FILE] = [/^\d{20}\.(?:json|checkpoint)/, /\.metadata\.json$/];
const TABLES = [
  ['Delta', DELTA, DELTA_FILE],
  ['Iceberg', ICEBERG, ICEBERG_FILE],
] as const;

const isTable = (dataset: string, what: string, folder: string, log: string): GristmillError =>
  new GristmillError(
    'TABLE_FORMAT',
    `Cannot read dataset ${JSON.stringify(dataset)}: ${JSON.stringify(folder.replace(/\/$/, '') || '.')} is a table of ${what}, whose ${log} says which of its files still count, expected plain Parquet files`,
  );
