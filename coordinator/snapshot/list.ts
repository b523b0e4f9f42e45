// Finds the objects of a dataset in the lake.
// In: a dataset pattern, the lake. Out: objects in key order, relative to the lake's root.
// Why only below the lake: a spec never names an endpoint or a folder that the operator did not configure.
// Flow: job → [snapshot] → plan → prepare → fit → train → evaluate → prove → publish → gate → predictions
import { posix } from 'node:path';
import { GristmillError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import type { ObjectInfo, Store } from '../../common/store/store.ts';
import { compileGlob } from './glob.ts';
import { foldersAbove, refuseTableFile, refuseTables } from './tables.ts';

export type Listing = {
  readonly objects: readonly ObjectInfo[];
  /** What matched otherwise, and is passed over. */
  readonly skipped: Skipped;
};
export type Skipped = {
  /** Objects without a byte. */
  readonly empty: number;
  /** Names that begin with "_" or ".", met by a wildcard. */
  readonly hidden: number;
  /** In a folder that was named as a whole: files that are not called Parquet. */
  readonly foreign: number;
};

/** Lists what the pattern matches: `*` within a folder, `**` over folders, `?`, `{a,b}`, `{01..12}`, `[a-z]`; or all of a folder. */
export async function listDataset(lake: Store, dataset: string): Promise<Listing> {
  const named = resolveDataset(dataset, lake.uri);
  const pattern = isPattern(named) ? named : await wholeFolder(lake, named);
  const glob = compileGlob(pattern);
  const isHidden = hiddenBy(pattern);
  const isForeign = pattern === named ? () => false : foreign;
  const objects: ObjectInfo[] = [];
  const skipped = { empty: 0, hidden: 0, foreign: 0 };
  await refuseTables(lake, dataset, foldersAbove(fixedPrefix(pattern)));
  for await (const object of lake.list(fixedPrefix(pattern))) {
    refuseTableFile(dataset, object.key);
    if (!glob.matches(object.key)) continue;
    if (isHidden(object.key)) skipped.hidden += 1;
    else if (isForeign(object.key)) skipped.foreign += 1;
    else if (object.bytes === 0) skipped.empty += 1;
    else objects.push(object);
    if (objects.length > LIMITS.objectsMax) throw tooMany(dataset);
  }
  if (objects.length > 0) return { objects, skipped };
  throw new GristmillError(
    'INPUT_EMPTY',
    `Cannot read dataset ${JSON.stringify(dataset)}: it matched 0 objects below ${lake.uri}${leftOut(skipped)}, expected at least 1`,
  );
}

const isPattern = (pattern: string): boolean => /[*?[{\\]/.test(pattern);

/** A name without a wildcard is an object, or else everything below a folder. */
async function wholeFolder(lake: Store, name: string): Promise<string> {
  const folder = name === '.' || name === '' ? '' : name.replace(/\/*$/, '/');
  if (name !== '' && !name.endsWith('/') && (await lake.head(name))) return name;
  return `${escaped(folder)}**`;
}

const escaped = (text: string): string => text.replaceAll(/[*?[\]{}\\]/g, '\\$&');

/** Called otherwise than Parquet: a writer's own list, a checksum. Many writers give no ending at all. */
const foreign = (key: string): boolean => !/(?:^|\/)[^./]*$|\.(?:parquet|parq|pq)$/i.test(key);

/**
 * What writers leave beside data: `_SUCCESS`, `.part-0.crc`, `_temporary/…`. Only where a wildcard meets the name: who writes
 * `_exports/2024/*.parquet` means it. A folder `_year=2024` is a column.
 */
function hiddenBy(pattern: string): (key: string) => boolean {
  const segments = pattern.split('/');
  const fixed = segments.findIndex(isPattern);
  const meant = segments.filter((segment) => /^[_.]/.test(segment)).map(compileGlob);
  return (key) =>
    key
      .split('/')
      .slice(fixed < 0 ? segments.length : fixed)
      .some(
        (name) =>
          /^[_.]/.test(name) && !/^_[^=]+=/.test(name) && !meant.some((glob) => glob.matches(name)),
      );
}

function leftOut({ empty, hidden, foreign }: Skipped): string {
  const said = [
    ...(empty > 0 ? [`${empty} without a byte`] : []),
    ...(hidden > 0 ? [`${hidden} whose names begin with "_" or "."`] : []),
    ...(foreign > 0 ? [`${foreign} not called .parquet`] : []),
  ];
  return said.length > 0 ? `; left out are ${said.join(', ')}` : '';
}

/** The pattern relative to the lake's root. */
export function resolveDataset(dataset: string, lakeUri: string): string {
  const outside = (): GristmillError =>
    new GristmillError(
      'INPUT_OUTSIDE',
      `Cannot read dataset ${JSON.stringify(dataset)}: it lies outside the lake ${lakeUri}, expected a pattern below it`,
    );
  if (!/^[a-z][a-z0-9+.-]*:/i.test(dataset)) {
    const clean = posix.normalize(dataset).replace(/^\.\//, '');
    if (clean.startsWith('..') || clean.startsWith('/') || clean.includes('\0')) throw outside();
    return clean;
  }
  const root = lakeUri.endsWith('/') ? lakeUri : `${lakeUri}/`;
  const normal = dataset.replace(/^(file:\/\/)(?!\/)/, '$1/');
  if (!normal.startsWith(root) || normal.split('/').includes('..')) throw outside();
  return normal.slice(root.length);
}

/** The folders of a pattern before its first special character: what has to be listed. */
function fixedPrefix(pattern: string): string {
  const special = pattern.search(/[*?[{\\]/);
  if (special < 0) return pattern;
  return pattern.slice(0, pattern.lastIndexOf('/', special) + 1);
}

const tooMany = (dataset: string): GristmillError =>
  new GristmillError(
    'PLAN_TOO_LARGE',
    `Cannot read dataset ${JSON.stringify(dataset)}: it matches more than ${LIMITS.objectsMax} objects, expected at most that`,
  );
