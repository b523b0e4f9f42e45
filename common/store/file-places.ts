// Where the keys of a file store lie on the disk, and that they lie below its root.
// In: keys. Out: paths, open files and states; INPUT_OUTSIDE where a symbolic link leads out.
// Why realpath on each opening: a link can be put there after the store was opened.
import { type BigIntStats, constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join, sep } from 'node:path';
import { GristmillError } from '../errors.ts';
import { isAbsent } from './file-errors.ts';
import type { ObjectInfo } from './store.ts';

/** The folder for files on their way; no key. */
export const TEMP = '.gristmill-tmp';

export class Places {
  readonly root: string;
  readonly #inside: string;

  constructor(root: string) {
    this.root = root;
    this.#inside = root.endsWith(sep) ? root : root + sep;
  }

  of(key: string): string {
    if (key === TEMP || key.startsWith(`${TEMP}/`)) throw this.#outside(key);
    return join(this.root, key);
  }

  /** The open file, or undefined where there is none. */
  async open(key: string): Promise<fs.FileHandle | undefined> {
    try {
      const real = await fs.realpath(this.of(key));
      if (!this.holds(real)) throw this.#outside(key);
      return await fs.open(real, constants.O_RDONLY | constants.O_NOFOLLOW);
    } catch (error) {
      if (!isAbsent(error)) throw error;
      await this.checkRoot();
      return undefined;
    }
  }

  holds = (real: string): boolean => real === this.root || real.startsWith(this.#inside);

  async checkFolder(path: string): Promise<void> {
    if (!this.holds(await fs.realpath(path))) throw this.#outside(path.slice(this.#inside.length));
  }

  /** An unmounted root must not read as an empty store. */
  async checkRoot(): Promise<void> {
    await fs.stat(this.root);
  }

  #outside = (key: string): GristmillError =>
    new GristmillError(
      'INPUT_OUTSIDE',
      `Cannot use ${JSON.stringify(key)} as an object key: it leads out of the store`,
    );
}

export const etagOf = (stats: BigIntStats): string => `${stats.size}-${stats.mtimeNs}`;

export const infoOf = (key: string, stats: BigIntStats): ObjectInfo => ({
  key,
  bytes: Number(stats.size),
  etag: etagOf(stats),
});
