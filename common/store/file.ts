// A store in a folder of this machine, or of a file system that several machines share.
// In: a root folder. Out: the Store contract, where a create is link(2): atomic, never replacing.
// Why not rename: of 50 racers that rename, 50 win. Why fsync folders: a link is a folder's entry.
//
//   create: temp file ─► fsync ─► link(temp, key) ─┬─ linked ─► fsync folder ─► created
//                                                  └─ EEXIST ─► fsync folder ─► exists
import type { BigIntStats } from 'node:fs';
import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Clock, systemClock } from '../clock.ts';
import { GristmillError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import { codeOf, explainFile, isAbsent } from './file-errors.ts';
import { namesIn, walk } from './file-list.ts';
import { etagOf, infoOf, Places } from './file-places.ts';
import { Temps } from './file-temps.ts';
import { FolderSync, gate } from './folder-sync.ts';
import { changed, missing } from './keys.ts';
import { type Range, type RawStore, settled } from './settle.ts';
import type { Created, Store } from './store.ts';

export type FileStoreOptions = {
  /** Make the root where it is missing; otherwise a missing root is STORE_UNAVAILABLE. */
  readonly create?: boolean;
  readonly clock?: Clock;
  readonly jitter?: () => number;
};

/** Opens a folder as a store. Symbolic links are followed only as far as they stay below it. */
export async function openFileStore(root: string, options: FileStoreOptions = {}): Promise<Store> {
  const { clock = systemClock, jitter = Math.random } = options;
  const uri = pathToFileURL(root).href;
  const real = await openRoot(root, uri, options.create === true);
  return settled(rawFileStore(real, uri, clock), { clock, jitter });
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

function rawFileStore(root: string, uri: string, clock: Clock): RawStore {
  const places = new Places(root);
  const folders = new FolderSync(root, (path) => places.checkFolder(path));
  const temps = new Temps(root, clock);
  const limited = gate(LIMITS.fileHandlesMax);

  const link = async (temp: string, key: string): Promise<Created> => {
    const path = places.of(key);
    try {
      await folders.ensure(dirname(path));
      const isOurs = await fs.link(temp, path).then(
        () => true,
        (error: unknown) => {
          if (codeOf(error) === 'EEXIST') return false;
          throw error;
        },
      );
      if (!isOurs && (await fs.lstat(path)).isDirectory()) throw isFolder(key);
      await Promise.all([folders.sync(dirname(path)), temps.drop(temp)]);
      return isOurs ? 'created' : 'exists';
    } catch (error) {
      if (codeOf(error) === 'ENOENT') folders.forget(); // somebody removed a folder
      await temps.drop(temp);
      throw error;
    }
  };
  const withFile = async <T>(
    key: string,
    act: (handle: fs.FileHandle, stats: BigIntStats) => Promise<T>,
  ): Promise<T | undefined> => {
    const handle = await places.open(key);
    if (!handle) return undefined;
    try {
      const stats = await handle.stat({ bigint: true });
      return stats.isFile() ? await act(handle, stats) : undefined;
    } finally {
      await handle.close();
    }
  };

  return {
    uri,
    head: (key) => limited(() => withFile(key, async (_handle, stats) => infoOf(key, stats))),
    get: (key) =>
      limited(() =>
        withFile(key, (handle, stats) =>
          readExactly(handle, key, { offset: 0, length: Number(stats.size) }),
        ),
      ),
    getRange: (key, range) =>
      limited(async () => {
        const bytes = await withFile(key, async (handle, stats) => {
          checkEtag(key, stats, range);
          const read = await readExactly(handle, key, range);
          checkEtag(key, await handle.stat({ bigint: true }), range); // overwritten meanwhile
          return read;
        });
        if (!bytes) throw missing(key);
        return bytes;
      }),
    open: (key, { offset, etag }) =>
      limited(async () => {
        const handle = await places.open(key);
        if (!handle) return undefined;
        try {
          const stats = await handle.stat({ bigint: true });
          if (etag !== undefined) checkEtag(key, stats, { offset, length: 0, etag });
          if (stats.isFile()) {
            return { etag: etagOf(stats), stream: handle.createReadStream({ start: offset }) };
          }
        } catch (error) {
          await handle.close();
          throw error;
        }
        await handle.close();
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
      await withFile(key, (handle) => handle.sync());
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

function checkEtag(key: string, stats: BigIntStats, { etag }: Range): void {
  if (etag !== undefined && etag !== etagOf(stats)) {
    throw changed(key, `etag ${etagOf(stats)}`, etag);
  }
}

async function readExactly(
  handle: fs.FileHandle,
  key: string,
  { offset, length }: Range,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0)
      throw changed(key, `${offset + done} bytes`, `at least ${offset + length}`);
    done += bytesRead;
  }
  return bytes;
}

const isFolder = (key: string): GristmillError =>
  new GristmillError('CONFLICT', `Cannot create ${key}: a folder lies there, expected a free key`);
