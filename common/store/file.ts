// A store in a folder of this machine, or of a file system that several machines share.
// In: a root folder. Out: the Store contract, where a create is link(2): atomic, never replacing.
// Why not rename: of 50 racers that rename, 50 win. Why fsync folders: a link is a folder's entry.
//
//   create: temp file ─► fsync ─► mkdir, link(temp, key) ─┬─ linked ─► fsync folder and its parents ─► created
//                                                         └─ EEXIST ─► fsync folder and its parents ─► exists
import { type BigIntStats, createReadStream } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Clock, systemClock } from '../clock.ts';
import { GristmillError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import { Calls, isLocal, type Soon } from './file-calls.ts';
import { codeOf, explainFile, isAbsent } from './file-errors.ts';
import { namesIn, walk } from './file-list.ts';
import { etagOf, infoOf, Places } from './file-places.ts';
import { Temps } from './file-temps.ts';
import { FolderSync, gate } from './folder-sync.ts';
import type { StoreHealth } from './health.ts';
import { changed, missing } from './keys.ts';
import { type Range, type RawStore, settled } from './settle.ts';
import type { Created, Store } from './store.ts';

export type FileStoreOptions = {
  /** Make the root where it is missing; otherwise a missing root is STORE_UNAVAILABLE. */
  readonly create?: boolean;
  /** Whether the folder lies on a disk of this machine, where that is known better than by statfs(2). */
  readonly local?: boolean;
  readonly clock?: Clock;
  readonly jitter?: () => number;
  readonly health?: StoreHealth;
};

/** Opens a folder as a store. Symbolic links are followed only as far as they stay below it. */
export async function openFileStore(root: string, options: FileStoreOptions = {}): Promise<Store> {
  const { clock = systemClock, jitter = Math.random, health } = options;
  const uri = pathToFileURL(root).href;
  const real = await openRoot(root, uri, options.create === true);
  const calls = new Calls(clock, options.local ?? (await isLocal(real)));
  return settled(rawFileStore(real, uri, calls, clock), { clock, jitter, health });
}

async function openRoot(root: string, uri: string, create: boolean): Promise<string> {
  try {
    if (create) await fs.mkdir(root, { recursive: true });
    const real = await fs.realpath(root);
    if ((await fs.stat(real)).isDirectory()) return real;
  } catch (error) {
    const failure = explainFile(error, 'open', uri);
    if (codeOf(error) !== 'ENOENT') throw failure.error;
  }
  throw new GristmillError('STORE_UNAVAILABLE', `Cannot open ${uri}: expected an existing folder`);
}

function rawFileStore(root: string, uri: string, calls: Calls, clock: Clock): RawStore {
  const places = new Places(root, calls);
  const folders = new FolderSync(root, calls, (path) => places.checkFolder(path));
  const temps = new Temps(root, calls, clock);
  const limited = gate(LIMITS.fileHandlesMax);

  const link = async (temp: string, key: string): Promise<Created> => {
    const path = places.of(key);
    const folder = dirname(path);
    try {
      const { durable } = await folders.make(folder);
      const isOurs = await linkFree(calls, temp, path);
      if (!isOurs && (await calls.lstatPath(path)).isDirectory()) throw isFolder(key);
      await Promise.all([durable, folders.sync(folder), temps.drop(temp)]);
      return isOurs ? 'created' : 'exists';
    } catch (error) {
      if (codeOf(error) === 'ENOENT') folders.forget(); // somebody removed a folder
      await temps.drop(temp);
      throw error;
    }
  };
  const withFile = async <T>(
    key: string,
    act: (fd: number, stats: BigIntStats) => Soon<T>,
  ): Promise<T | undefined> => {
    const fd = await places.open(key);
    if (fd === undefined) return undefined;
    try {
      const stats = await calls.stat(fd);
      return stats.isFile() ? await act(fd, stats) : undefined;
    } finally {
      calls.close(fd);
    }
  };

  return {
    uri,
    head: (key) => limited(() => withFile(key, (_fd, stats) => infoOf(key, stats))),
    get: (key) =>
      limited(() =>
        withFile(key, (fd, stats) =>
          readExactly(calls, fd, key, { offset: 0, length: Number(stats.size) }),
        ),
      ),
    getRange: (key, range) =>
      limited(async () => {
        const bytes = await withFile(key, async (fd, stats) => {
          checkEtag(key, stats, range);
          const read = await readExactly(calls, fd, key, range);
          checkEtag(key, await calls.stat(fd), range); // overwritten meanwhile
          return read;
        });
        if (!bytes) throw missing(key);
        return bytes;
      }),
    open: (key, { offset, etag }) =>
      limited(async () => {
        const fd = await places.open(key);
        if (fd === undefined) return undefined;
        try {
          const stats = await calls.stat(fd);
          if (etag !== undefined) checkEtag(key, stats, { offset, length: 0, etag });
          if (stats.isFile()) {
            return { etag: etagOf(stats), stream: createReadStream('', { fd, start: offset }) };
          }
        } catch (error) {
          calls.close(fd);
          throw error;
        }
        calls.close(fd);
        return undefined;
      }),
    put: (key, bytes) => limited(async () => link(await temps.write(bytes), key)),
    upload: (key, path) => ({
      put: () =>
        limited(async () => {
          if (!(await withFile(key, async () => true))) return link(await temps.copy(path), key);
          await folders.sync(dirname(places.of(key)));
          return 'exists';
        }),
      drop: async () => {},
    }),
    harden: async (key) => {
      await withFile(key, (fd) => calls.flush(fd));
      await folders.sync(dirname(places.of(key)));
    },
    list: (prefix, after) => walk(places, prefix, after),
    listNames: (prefix) => limited(() => namesIn(places, prefix)),
    delete: (key) =>
      limited(async () => {
        const path = places.of(key);
        try {
          await places.checkFolder(dirname(path));
          await fs.unlink(path);
        } catch (error) {
          if (isAbsent(error)) return;
          throw error;
        }
        await folders.sync(dirname(path));
      }),
    close: async () => {},
    explain: (error, act) => explainFile(error, act, uri),
  };
}

/** False where the key is taken. */
async function linkFree(calls: Calls, temp: string, path: string): Promise<boolean> {
  try {
    await calls.link(temp, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function checkEtag(key: string, stats: BigIntStats, { etag }: Range): void {
  if (etag !== undefined && etag !== etagOf(stats)) {
    throw changed(key, `etag ${etagOf(stats)}`, etag);
  }
}

async function readExactly(
  calls: Calls,
  fd: number,
  key: string,
  { offset, length }: Range,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const count = await calls.read(fd, bytes.subarray(done), offset + done);
    if (count === 0) throw changed(key, `${offset + done} bytes`, `at least ${offset + length}`);
    done += count;
  }
  return bytes;
}

const isFolder = (key: string): GristmillError =>
  new GristmillError('CONFLICT', `Cannot create ${key}: a folder lies there, expected a free key`);
