// Files on their way into a file store: written whole and flushed before they get their name.
// In: bytes, or a local file. Out: the path of a durable copy without a key yet.
// Why below the root: link(2) works only within one file system.
import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock.ts';
import { LIMITS } from '../limits.ts';
import type { Calls } from './file-calls.ts';
import { codeOf } from './file-errors.ts';
import { TEMP } from './file-places.ts';

export class Temps {
  readonly #folder: string;
  readonly #calls: Calls;
  readonly #clock: Clock;
  readonly #prefix = `${process.pid}-${randomBytes(6).toString('hex')}`;
  #count = 0;
  #ready: Promise<void> | undefined;

  constructor(root: string, calls: Calls, clock: Clock) {
    this.#calls = calls;
    this.#folder = join(root, TEMP);
    this.#clock = clock;
  }

  /** Written into the page cache, flushed by a thread: 1,600–2,800 a second, with O_DSYNC 1,300–1,600. */
  async write(bytes: Uint8Array): Promise<string> {
    const path = await this.#next();
    const fd = await this.#calls.open(path, CREATE);
    try {
      for (let done = 0; done < bytes.length; ) {
        done += await this.#calls.write(fd, done === 0 ? bytes : bytes.subarray(done));
      }
      await this.#calls.flush(fd);
    } finally {
      this.#calls.close(fd);
    }
    return path;
  }

  async copy(source: string): Promise<string> {
    const path = await this.#next();
    await fs.copyFile(source, path, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    const handle = await fs.open(path, 'r+');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    return path;
  }

  /** A temp file that stays is swept another day. */
  async drop(path: string): Promise<void> {
    try {
      await this.#calls.unlink(path);
    } catch {}
  }

  async #next(): Promise<string> {
    this.#ready ??= this.#prepare();
    await this.#ready.catch((error: unknown) => {
      this.#ready = undefined;
      throw error;
    });
    return join(this.#folder, `${this.#prefix}-${this.#count++}`);
  }

  /** Makes the folder, and removes what crashed processes left in it. */
  async #prepare(): Promise<void> {
    await fs.mkdir(this.#folder, { mode: 0o700 }).catch((error: unknown) => {
      if (codeOf(error) !== 'EEXIST') throw error;
    });
    for (const name of await fs.readdir(this.#folder)) {
      const path = join(this.#folder, name);
      const stats = await fs.lstat(path).catch(() => undefined);
      if (!stats?.isFile() || this.#clock.now() - stats.mtimeMs < LIMITS.tempAgeMs) continue;
      await fs.unlink(path).catch(() => {});
    }
  }
}

const CREATE = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY;
