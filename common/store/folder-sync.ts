// Folders of a file store: made once, their entries flushed to the disk in groups.
// In: paths below a root. Out: promises that resolve once the folder's entries are durable.
// Why groups: 32 creates in one folder need one fsync that begins after the last link, not 32.
// Why folders are never removed, and empty ones hidden instead: a folder's entry, once flushed, stays flushed.
import { constants } from 'node:fs';
import { dirname } from 'node:path';
import { LIMITS } from '../limits.ts';
import type { Calls, Soon } from './file-calls.ts';

type Flush = { running: Promise<void>; next: Promise<void> | undefined };

/** A folder that is there; `durable` resolves once its entry, and those above it, are on the disk. */
type Made = { readonly durable: Promise<void> };
const DURABLE: Made = { durable: Promise.resolve() };

export class FolderSync {
  readonly #root: string;
  readonly #calls: Calls;
  readonly #flushes = new Map<string, Flush>();
  readonly #checkInside: (folder: string) => Promise<void>;
  /** Folders whose own entry is known to be durable: the store never removes one. */
  readonly #known = new Set<string>();
  /** Folders that are being made, or made and not yet durable. */
  readonly #pending = new Map<string, Promise<Made>>();

  constructor(root: string, calls: Calls, checkInside: (folder: string) => Promise<void>) {
    this.#root = root;
    this.#calls = calls;
    this.#checkInside = checkInside;
  }

  /** Makes the folder and those above it. What is put into it is durable only after `durable`, too. */
  make(folder: string): Soon<Made> {
    if (folder === this.#root || this.#known.has(folder)) return DURABLE;
    const pending = this.#pending.get(folder);
    if (pending) return pending;
    const making = this.#make(folder);
    this.#pending.set(folder, making);
    const forget = (isKnown: boolean): void => {
      if (this.#pending.get(folder) !== making) return;
      this.#pending.delete(folder);
      if (!isKnown) return;
      if (this.#known.size >= LIMITS.knownFoldersMax) this.#known.clear();
      this.#known.add(folder);
    };
    making
      .then(({ durable }) => durable)
      .then(
        () => forget(true),
        () => forget(false),
      );
    return making;
  }

  async #make(folder: string): Promise<Made> {
    const parent = dirname(folder);
    const above = await this.make(parent);
    try {
      await this.#calls.mkdir(folder);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      await this.#checkInside(folder);
      if (!(await this.#calls.statPath(folder)).isDirectory()) throw notFolder(folder);
    }
    // also where another process made it: that one may not have got this far
    return { durable: Promise.all([above.durable, this.sync(parent)]).then(() => {}) };
  }

  forget(): void {
    this.#known.clear();
    this.#pending.clear();
  }

  /** Resolves after an fsync of the folder that began after this call. */
  sync(folder: string): Promise<void> {
    const flush = this.#flushes.get(folder);
    if (!flush) {
      const first: Flush = { running: this.#flush(folder), next: undefined };
      this.#flushes.set(folder, first);
      return this.#follow(folder, first);
    }
    flush.next ??= flush.running
      .catch(() => {})
      .then(() => {
        flush.running = this.#flush(folder);
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

  async #flush(folder: string): Promise<void> {
    const fd = await this.#calls.open(folder, constants.O_RDONLY);
    try {
      await this.#calls.flush(fd);
    } finally {
      this.#calls.close(fd);
    }
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
