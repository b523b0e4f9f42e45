// Where the keys of a file store lie on the disk, and that they lie below its root.
// In: keys. Out: paths, open files and states; INPUT_OUTSIDE where a symbolic link leads out.
// Why on each opening: a link can be put there after the store was opened. The open file itself is asked where it lies
// (/proc/self/fd, Linux): one call, where realpath(3) makes one for each folder above it, and no moment between asking and
// opening. Elsewhere realpath first.
import { type BigIntStats, constants, existsSync } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join, sep } from 'node:path';
import { GristmillError } from '../errors.ts';
import type { Calls } from './file-calls.ts';
import { isAbsent } from './file-errors.ts';
import type { ObjectInfo } from './store.ts';

/** The folder for files on their way; no key. */
export const TEMP = '.gristmill-tmp';

export class Places {
  readonly root: string;
  readonly #inside: string;
  readonly #calls: Calls;

  constructor(root: string, calls: Calls) {
    this.root = root;
    this.#calls = calls;
    this.#inside = root.endsWith(sep) ? root : root + sep;
  }

  of(key: string): string {
    if (key === TEMP || key.startsWith(`${TEMP}/`)) throw this.#outside(key);
    return join(this.root, key);
  }

  /** The descriptor of the open file, or undefined where there is none. */
  async open(key: string): Promise<number | undefined> {
    const path = this.of(key);
    try {
      return await (KNOWS_PATHS ? this.#openAndAsk(key, path) : this.#askAndOpen(key, path));
    } catch (error) {
      if (!isAbsent(error)) throw error;
      await this.checkRoot();
      return undefined;
    }
  }

  async #openAndAsk(key: string, path: string): Promise<number> {
    const fd = await this.#calls.open(path, OPEN);
    try {
      if (this.holds(await this.#calls.readlink(`/proc/self/fd/${fd}`))) return fd;
    } catch (error) {
      this.#calls.close(fd);
      throw error;
    }
    this.#calls.close(fd);
    throw this.#outside(key);
  }

  async #askAndOpen(key: string, path: string): Promise<number> {
    const real = await fs.realpath(path);
    if (!this.holds(real)) throw this.#outside(key);
    return this.#calls.open(real, OPEN | constants.O_NOFOLLOW);
  }

  holds = (real: string): boolean => real === this.root || real.startsWith(this.#inside);

  async checkFolder(path: string): Promise<void> {
    if (!this.holds(await fs.realpath(path))) throw this.#outside(path.slice(this.#inside.length));
  }

  /** An unmounted root must not read as an empty store. */
  async checkRoot(): Promise<void> {
    await this.#calls.needPath(this.root);
  }

  #outside = (key: string): GristmillError =>
    new GristmillError(
      'INPUT_OUTSIDE',
      `Cannot use ${JSON.stringify(key)} as an object key: it leads out of the store`,
    );
}

/** Without waiting for the other end of a pipe that somebody put there. */
const OPEN = constants.O_RDONLY | constants.O_NONBLOCK;

/** Linux tells the path of an open file: one call, and nobody can move the file between asking and opening. */
const KNOWS_PATHS = process.platform === 'linux' && existsSync('/proc/self/fd');

export const etagOf = (stats: BigIntStats): string => `${stats.size}-${stats.mtimeNs}`;

export const infoOf = (key: string, stats: BigIntStats): ObjectInfo => ({
  key,
  bytes: Number(stats.size),
  etag: etagOf(stats),
});
