// Groups of rows with their sums and curves in a file: what a metrics task leaves, and where it puts what it cannot hold.
// In: groups in order. Out: the same groups, read again a frame at a time.
// Why synchronous: a runner's thread does nothing else meanwhile, and one loop serves files and memory alike.
//
//   frame: uint32 length │ bytes       group: a frame of JSON {table, value, rows, sums}, then for each curve frames of
//                                      runs (3 × uint32 each) and an empty frame; all little-endian
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { GristmillError } from '../../common/errors.ts';
import type { Runs } from '../../common/metric/curve.ts';
import type { Group, Groups, Spill } from '../../common/metric/groups.ts';

const BUFFER_BYTES = 64 * 1024; // of each open file: 64 of them are merged at a time

/** `curves`: how many each group has. */
export function writeGroups(path: string, groups: Iterable<Group>): void {
  const file = new FrameWriter(path);
  try {
    for (const { curves, ...head } of groups) {
      file.add(Buffer.from(JSON.stringify(head)));
      for (const curve of curves) {
        for (const runs of curve) {
          if (runs.length > 0) file.add(Buffer.from(runs.buffer, runs.byteOffset, runs.byteLength));
        }
        file.add(EMPTY);
      }
    }
    file.flush();
  } finally {
    file.close();
  }
}

const EMPTY = Buffer.alloc(0);

/** Read whole or not at all: who stops midway leaves the rest unread. */
export const readGroups =
  (path: string, { curves }: { readonly curves: number }): Groups =>
  () =>
    groupsIn(path, curves);

function* groupsIn(path: string, curves: number): Generator<Group> {
  const file = new FrameReader(path);
  try {
    for (let head = file.next(); head !== undefined; head = file.next()) {
      let left = curves;
      function* curve(): Generator<Runs> {
        for (let runs = file.next(); runs && runs.length > 0; runs = file.next()) {
          yield new Uint32Array(runs.buffer, runs.byteOffset, runs.length / 4);
        }
        left -= 1;
      }
      const ofGroup = Array.from({ length: curves }, curve);
      yield { ...(JSON.parse(head.toString()) as Omit<Group, 'curves'>), curves: ofGroup };
      while (left > 0) {
        // what nobody asked for
        for (let runs = file.next(); runs && runs.length > 0; runs = file.next());
        left -= 1;
      }
    }
  } finally {
    file.close();
  }
}

/** New files below a folder of this attempt. */
export function spillTo(pathOf: (name: string) => string, curves: number): Spill {
  let files = 0;
  return (groups) => {
    const path = pathOf(`groups-${files++}.bin`);
    writeGroups(path, groups);
    return readGroups(path, { curves });
  };
}

class FrameWriter {
  readonly #file: number;
  readonly #buffer = Buffer.alloc(BUFFER_BYTES);
  #used = 0;

  constructor(path: string) {
    this.#file = openSync(path, 'w');
  }

  add(payload: Buffer): void {
    if (this.#used + 4 + payload.length > BUFFER_BYTES) this.flush();
    const length = Buffer.alloc(4);
    length.writeUInt32LE(payload.length);
    if (4 + payload.length > BUFFER_BYTES) {
      writeAll(this.#file, length);
      writeAll(this.#file, payload);
      return;
    }
    length.copy(this.#buffer, this.#used);
    payload.copy(this.#buffer, this.#used + 4);
    this.#used += 4 + payload.length;
  }

  flush(): void {
    writeAll(this.#file, this.#buffer.subarray(0, this.#used));
    this.#used = 0;
  }

  close(): void {
    closeSync(this.#file);
  }
}

function writeAll(file: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

class FrameReader {
  readonly #file: number;
  readonly #buffer = Buffer.alloc(BUFFER_BYTES);
  #at = 0;
  #end = 0;

  constructor(path: string) {
    this.#file = openSync(path, 'r');
  }

  /** A copy that may be kept, aligned to words; undefined at the end of the file. */
  next(): Buffer | undefined {
    const length = Buffer.alloc(4);
    if (this.#read(length) === 0) return undefined;
    const bytes = length.readUInt32LE();
    const payload = Buffer.from(new ArrayBuffer(bytes));
    const found = this.#read(payload);
    if (found === bytes) return payload;
    throw new GristmillError(
      'INTERNAL',
      `Cannot read groups: a frame has ${found} bytes, expected ${bytes}`,
    );
  }

  #read(into: Buffer): number {
    let done = 0;
    while (done < into.length) {
      if (this.#at === this.#end) {
        this.#end = readSync(this.#file, this.#buffer, 0, BUFFER_BYTES, null);
        this.#at = 0;
        if (this.#end === 0) break;
      }
      const taken = Math.min(into.length - done, this.#end - this.#at);
      this.#buffer.copy(into, done, this.#at, this.#at + taken);
      this.#at += taken;
      done += taken;
    }
    return done;
  }

  close(): void {
    closeSync(this.#file);
  }
}
