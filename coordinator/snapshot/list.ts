// Finds the objects of a dataset in the lake.
// In: a dataset pattern, the lake. Out: objects in key order, relative to the lake's root.
// Why only below the lake: a spec never names an endpoint or a folder that the operator did not configure.
// Flow: job → [snapshot] → plan → prepare → fit → train → evaluate → prove → publish → gate → predictions
import { posix } from 'node:path';
import { GristmillError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import type { ObjectInfo, Store } from '../../common/store/store.ts';
import { compileGlob } from './glob.ts';

/** Lists what the pattern matches: `*` within a folder, `**` over folders, `?`, `{a,b}`, `{01..12}`, `[a-z]`. */
export async function listDataset(lake: Store, dataset: string): Promise<readonly ObjectInfo[]> {
  const pattern = resolveDataset(dataset, lake.uri);
  const glob = compileGlob(pattern);
  const found: ObjectInfo[] = [];
  for await (const object of lake.list(fixedPrefix(pattern))) {
    if (object.bytes === 0 || isHidden(object.key) || !glob.matches(object.key)) continue;
    found.push(object);
    if (found.length > LIMITS.objectsMax) throw tooMany(dataset);
  }
  if (found.length > 0) return found;
  throw new GristmillError(
    'INPUT_EMPTY',
    `Cannot read dataset ${JSON.stringify(dataset)}: it matched 0 objects below ${lake.uri}, expected at least 1`,
  );
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

/** `_delta_log/…`, `.tmp`, `_SUCCESS`: what writers leave beside data. */
const isHidden = (key: string): boolean =>
  key.split('/').some((name) => name.startsWith('_') || name.startsWith('.'));

const tooMany = (dataset: string): GristmillError =>
  new GristmillError(
    'PLAN_TOO_LARGE',
    `Cannot read dataset ${JSON.stringify(dataset)}: it matches more than ${LIMITS.objectsMax} objects, expected at most that`,
  );
