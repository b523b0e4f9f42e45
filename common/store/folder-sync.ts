// Folders of a file store: made once, their entries flushed to the disk in groups.
// In: paths below a root. Out: promises that resolve once the folder's entries are durable.
// Why groups: 32 creates in one folder need one fsync that begins after the last link, not 32.
import * as fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { LIMITS } from '../limits.ts';

type Flush = { running: Promise<void>; next: Promise<void> | undefined };

export class FolderSync {
  readonly #root: string;
  readonly #flushes = new Map<string, Flush>();
  readonly #checkInside: (folder: string) => Promise<void>;
  /** Folders whose own entry is known to be durable: the store never removes one. */
  readonly #known = new Set<string>();

  constructor(root: string, checkInside: (folder: string) => Promise<void>) {
    this.#root = root;
    this.#checkInside = checkInside;
  }

  /** Makes the folder and those above it, durably. Gives the folder back. */
  async ensure(folder: string): Promise<string> {
    if (folder === this.#root || this.#known.has(folder)) return folder;
    const parent = await this.ensure(dirname(folder));
    await fs.mkdir(folder).catch(async (error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      await this.#checkInside(folder);
      if (!(await fs.stat(folder)).isDirectory()) throw notFolder(folder);
    });
    await this.sync(parent); // also where another process made it: it may not have got this far
    if (this.#known.size >= LIMITS.knownFoldersMax) this.#known.clear();
    this.#known.add(folder);
    return folder;
  }

  forget(): void {
    this.#known.clear();
  }

  /** Resolves after an fsync of the folder that began after this call. */
  sync(folder: string): Promise<void> {
    const flush = this.#flushes.get(folder);
    if (!flush) {
      const first: Flush = { running: flushFolder(folder), next: undefined };
      this.#flushes.set(folder, first);
      return this.#follow(folder, first);
    }
    flush.next ??= flush.running
      .catch(() => {})
      .then(() => {
        flush.running = flushFolder(folder);
        flush.next = undefined;
        return this.#follow(folder, flush);
      });
    return flush.next;
  }

  /** Waits for the running flush, and forgets the folder once nobody waits for another. */
  async #follow(folder: string, flush: Flush): Promise<void> {
    const mine = flush.running;
    try {
      await mine;
    } finally {
      if (flush.running === mine && !flush.next) this.#flushes.delete(folder);
    }
  }
}

async function flushFolder(folder: string): Promise<void> {
  const handle = await fs.open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    handle.close().catch(() => {}); // nobody waits: it was only read
  }
}

const notFolder = (folder: string): Error =>
  Object.assign(new Error(`${folder} is no folder`), { code: 'ENOTDIR' });

/** Lets at most `max` run at a time; the rest wait in order. */
export function gate(max: number): <T>(run: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (run) => {
    if (running >= max) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await run();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
