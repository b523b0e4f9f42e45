// The system calls of a file store: made at once where they take microseconds, in libuv's threads where they may wait.
// In: calls on paths and descriptors. Out: their results, as values or promises: callers await both alike.
// Why at once: handing mkdir(2) to a thread and back costs more than mkdir(2); a create made 9 such trips, now 2.
// Why not always: a network file system can stand still, and a process with it. A flush always waits, so never at once.
//
// Per create, 64 in flight, 2 vCPUs, ext4: 157 µs user + 257 µs system through the pool, 78 + 200 µs at once; 1,050–1,230
// and 3,300–3,550 creates/s. A trap for who measures: ext4 without a journal (some virtual machines) passes over inodes
// deleted in the last minutes one by one, so that after a large `rm -r` a create nearby takes 0.4–0.8 ms of CPU instead of
// 0.02: measure below a fresh folder of `/`.
import * as fs from 'node:fs';
import { statfs } from 'node:fs/promises';
import { promisify } from 'node:util';
import type { Clock } from '../clock.ts';
import { LIMITS } from '../limits.ts';

/** A value, or a promise of one; `await` takes both, and an error is thrown at the `await`. */
export type Soon<T> = T | Promise<T>;

export class Calls {
  readonly #clock: Clock;
  readonly #isLocal: boolean;
  /** How long calls made at once took of late. */
  #meanMs = 0;
  /** 0: not slow. */
  #slowUntilMs = 0;
  #count = 0;

  constructor(clock: Clock, isLocal: boolean) {
    this.#clock = clock;
    this.#isLocal = isLocal;
  }

  open = (path: string, flags: number, mode = 0o644): Soon<number> =>
    this.#call(
      () => fs.openSync(path, flags, mode),
      () => open(path, flags, mode),
    );

  stat = (fd: number): Soon<fs.BigIntStats> =>
    this.#call(
      () => fs.fstatSync(fd, { bigint: true }),
      () => fstat(fd, { bigint: true }),
    );

  /** As statPath, for those who only want its error where nothing is there: no Stats are made. */
  needPath = (path: string): Soon<unknown> =>
    this.#call(
      () => fs.existsSync(path) || fs.statSync(path),
      () => stat(path),
    );

  statPath = (path: string): Soon<fs.Stats> =>
    this.#call(
      () => fs.statSync(path),
      () => stat(path),
    );

  lstatPath = (path: string): Soon<fs.Stats> =>
    this.#call(
      () => fs.lstatSync(path),
      () => lstat(path),
    );

  readlink = (path: string): Soon<string> =>
    this.#call(
      () => fs.readlinkSync(path),
      () => readlink(path),
    );

  mkdir = (path: string): Soon<unknown> =>
    this.#call(
      () => fs.mkdirSync(path),
      () => mkdir(path),
    );

  link = (from: string, to: string): Soon<void> =>
    this.#call(
      () => fs.linkSync(from, to),
      () => link(from, to),
    );

  unlink = (path: string): Soon<void> =>
    this.#call(
      () => fs.unlinkSync(path),
      () => unlink(path),
    );

  /** At most `bytes.length` bytes from `position` on. */
  read = (fd: number, bytes: Uint8Array, position: number): Soon<number> =>
    bytes.length <= LIMITS.fileQuickBytes
      ? this.#call(
          () => fs.readSync(fd, bytes, 0, bytes.length, position),
          () => readSome(fd, bytes, position),
        )
      : readSome(fd, bytes, position);

  write = (fd: number, bytes: Uint8Array): Soon<number> =>
    bytes.length <= LIMITS.fileQuickBytes
      ? this.#call(
          () => fs.writeSync(fd, bytes),
          () => writeSome(fd, bytes),
        )
      : writeSome(fd, bytes);

  /** Everything of an open file or folder is on the disk when this resolves. */
  flush = (fd: number): Promise<void> => flush(fd);

  /** Nobody waits: what must be durable was flushed. */
  close(fd: number): void {
    if (this.#isQuick()) fs.closeSync(fd);
    else fs.close(fd, () => {});
  }

  #isQuick(): boolean {
    if (this.#slowUntilMs > 0 && this.#clock.monotonicMs() >= this.#slowUntilMs)
      this.#slowUntilMs = 0;
    return this.#isLocal && this.#slowUntilMs === 0;
  }

  #call<T>(atOnce: () => T, later: () => Promise<T>): Soon<T> {
    if (!this.#isQuick()) return later();
    const isTimed = this.#count++ % TIMED === 0;
    const startMs = isTimed ? this.#clock.monotonicMs() : 0;
    try {
      return atOnce();
    } catch (error) {
      return Promise.reject(error); // as later() would: thrown where it is awaited
    } finally {
      if (isTimed) this.#note(this.#clock.monotonicMs() - startMs);
    }
  }

  /** A mean over some 16 timed calls: one that met a cold block of the disk does not change the way. */
  #note(tookMs: number): void {
    this.#meanMs += (tookMs - this.#meanMs) / 16;
    if (this.#meanMs <= LIMITS.fileQuickMs) return;
    this.#meanMs = 0;
    this.#slowUntilMs = this.#clock.monotonicMs() + LIMITS.fileSlowMs;
  }
}

/** Every so many calls one is timed; prime, so that each kind of call comes up. */
const TIMED = 7;

/** Whether a folder lies on a disk of this machine; a file system that is not known counts as remote. */
export async function isLocal(folder: string): Promise<boolean> {
  return LOCAL_TYPES.has((await statfs(folder)).type);
}

/** statfs(2), f_type: ext2–4, XFS, Btrfs, tmpfs, overlayfs, F2FS. */
const LOCAL_TYPES = new Set([0xef53, 0x58465342, 0x9123683e, 0x01021994, 0x794c7630, 0xf2f52010]);

const open = promisify(fs.open) as (path: string, flags: number, mode: number) => Promise<number>;
const fstat = promisify(fs.fstat) as (
  fd: number,
  options: { bigint: true },
) => Promise<fs.BigIntStats>;
const stat = promisify(fs.stat) as (path: string) => Promise<fs.Stats>;
const lstat = promisify(fs.lstat) as (path: string) => Promise<fs.Stats>;
const readlink = promisify(fs.readlink) as (path: string) => Promise<string>;
const mkdir = promisify(fs.mkdir) as (path: string) => Promise<void>;
const link = promisify(fs.link);
const unlink = promisify(fs.unlink);
const flush = promisify(fs.fsync);

const readSome = (fd: number, bytes: Uint8Array, position: number): Promise<number> =>
  new Promise((resolve, reject) => {
    fs.read(fd, bytes, 0, bytes.length, position, (error, count) =>
      error ? reject(error) : resolve(count),
    );
  });

const writeSome = (fd: number, bytes: Uint8Array): Promise<number> =>
  new Promise((resolve, reject) => {
    fs.write(fd, bytes, (error, count) => (error ? reject(error) : resolve(count)));
  });
