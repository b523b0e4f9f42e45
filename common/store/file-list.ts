// Listings of a file store, in the order and with the words of S3.
// In: a prefix. Out: objects in UTF-8 byte order of their keys; names directly below a folder.
// Why by hand: a folder's files and its neighbours interleave as "a-b", "a/x", "a0" in S3.
import type { BigIntStats, Dirent } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { LIMITS } from '../limits.ts';
import { isAbsent } from './file-errors.ts';
import { infoOf, type Places, TEMP } from './file-places.ts';
import { compareKeys } from './keys.ts';
import type { ObjectInfo } from './store.ts';

/** Files below a prefix in key order: a folder sorts as its name with the "/" that follows it. */
export async function* walk(
  places: Places,
  prefix: string,
  after: string | undefined,
): AsyncGenerator<ObjectInfo> {
  const top = prefix.slice(0, prefix.lastIndexOf('/') + 1);
  if (await isFolderInside(places, top)) yield* walkFolder(places, top, { prefix, after });
}

type Wanted = { readonly prefix: string; readonly after: string | undefined };

async function* walkFolder(
  places: Places,
  folder: string,
  wanted: Wanted,
): AsyncGenerator<ObjectInfo> {
  const keys = (await entriesOf(places, folder))
    .map((name) => folder + name)
    .filter((key) => isWanted(key, wanted));
  for (let i = 0; i < keys.length; i += LIMITS.fileHandlesMax) {
    const batch = keys.slice(i, i + LIMITS.fileHandlesMax);
    const states = await Promise.all(
      batch.map((key) => (key.endsWith('/') ? undefined : statInside(places, key))),
    );
    for (const [j, key] of batch.entries()) {
      const stats = states[j];
      if (key.endsWith('/')) yield* walkFolder(places, key, wanted);
      else if (stats?.isFile()) yield infoOf(key, stats);
    }
  }
}

function isWanted(key: string, { prefix, after }: Wanted): boolean {
  if (key.endsWith('/')) {
    return (key.startsWith(prefix) || prefix.startsWith(key)) && !isPast(key, after);
  }
  return key.startsWith(prefix) && (after === undefined || compareKeys(key, after) > 0);
}

/** True where every key below the folder comes before `after`. */
const isPast = (folder: string, after: string | undefined): boolean =>
  after !== undefined && !after.startsWith(folder) && compareKeys(folder, after) < 0;

/** Below it nothing leads out: links to folders are not descended into, they may loop. */
async function isFolderInside(places: Places, folder: string): Promise<boolean> {
  try {
    await places.checkFolder(places.of(folder));
    return true;
  } catch (error) {
    if (!isAbsent(error)) throw error;
    await places.checkRoot();
    return false;
  }
}

/** Names in a folder, in key order, folders with "/". */
async function entriesOf(places: Places, folder: string): Promise<string[]> {
  let entries: Dirent[];
  try {
    entries = await fs.readdir(join(places.root, folder), { withFileTypes: true });
  } catch (error) {
    if (isAbsent(error)) return [];
    throw error;
  }
  return entries
    .filter((entry) => !(folder === '' && entry.name === TEMP))
    .map((entry) => (entry.isDirectory() ? `${entry.name}/` : entry.name))
    .sort(compareKeys);
}

/** The file's state, or undefined where it is gone, or a link that leads out. */
async function statInside(places: Places, key: string): Promise<BigIntStats | undefined> {
  try {
    const path = join(places.root, key);
    const stats = await fs.lstat(path, { bigint: true });
    if (!stats.isSymbolicLink()) return stats;
    const real = await fs.realpath(path);
    return places.holds(real) ? await fs.stat(real, { bigint: true }) : undefined;
  } catch (error) {
    if (isAbsent(error)) return undefined;
    throw error;
  }
}

/** Folders without an object in them do not exist, as in S3. */
export async function namesIn(places: Places, prefix: string): Promise<string[]> {
  const names: string[] = [];
  if (!(await isFolderInside(places, prefix))) return names;
  for (const name of await entriesOf(places, prefix)) {
    const isThere = name.endsWith('/')
      ? await hasObjects(places, prefix + name)
      : (await statInside(places, prefix + name))?.isFile();
    if (isThere) names.push(name);
  }
  return names;
}

async function hasObjects(places: Places, folder: string): Promise<boolean> {
  for await (const _ of walkFolder(places, folder, { prefix: folder, after: undefined }))
    return true;
  return false;
}
