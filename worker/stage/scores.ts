// The score files of several parts as blocks of rows, in the order of the parts.
// In: descriptors of score tasks and their local files. Out: blocks of scores, labels and slice values, from any row on.
// Why blocks: 64 parts may have more rows than memory; nothing is held but one block.
//
//   file: row by row, little-endian:  float32 score 1 … score k │ float32 label │ int32 code of slice 1 │ …
//
// A part codes its slice values by itself, in order of first appearance. Few values stand in its result; more lie in a
// file, a page a line of JSON: a page's codes follow the last page's, and rows never need an earlier page again.
import { closeSync, openSync, readSync } from 'node:fs';
import { GristmillError } from '../../common/errors.ts';
import type { TaskId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { GroupedRows } from '../../common/metric/groups.ts';
import type { Pair } from '../../common/metric/measure.ts';
import type { ScoreResult } from '../../common/stage/evaluate.ts';
import type { TaskInput } from '../../common/wire/task.ts';
import type { Prepared } from './runner.ts';

/** The tasks of a `results` input, in order. */
export function tasksOf(input: TaskInput): readonly TaskId[] {
  if (input.kind === 'results') return input.tasks.map(({ task }) => task);
  throw new GristmillError('INTERNAL', `Cannot read scores from ${input.kind}, expected results`);
}

export class ScoreFiles {
  readonly #parts: readonly { readonly result: ScoreResult; readonly path: string }[];
  readonly #files: Prepared['files'];
  readonly #width: number;
  readonly #blockRows: number;
  readonly rows: number;

  constructor(
    { json, files }: Pick<Prepared, 'json' | 'files'>,
    of: { readonly tasks: readonly TaskId[]; readonly width: number; readonly blockRows?: number },
  ) {
    const results = of.tasks.map((task) => json[task]!.result as ScoreResult);
    this.#parts = results.flatMap((result) =>
      result.scores ? [{ result, path: files[result.scores.key]! }] : [],
    );
    this.#files = files;
    this.#width = of.width;
    this.#blockRows = of.blockRows ?? LIMITS.metricRows;
    this.rows = results.reduce((sum, result) => sum + result.rows, 0);
  }

  /** Rows from `start` on; with the values of a slice, where one is named. */
  *blocks({ start = 0, slice }: { start?: number; slice?: string } = {}): Generator<GroupedRows> {
    let first = 0; // of the part
    for (const { result, path } of this.#parts) {
      const from = Math.max(0, start - first);
      if (from < result.rows) yield* this.#part(result, path, { from, slice });
      first += result.rows;
    }
  }

  *#part(
    result: ScoreResult,
    path: string,
    { from, slice }: { from: number; slice: string | undefined },
  ): Generator<GroupedRows> {
    const width = this.#width;
    const stride = width + 1 + result.slices.length;
    const column = slice === undefined ? 0 : width + 1 + result.slices.indexOf(slice);
    const pages = slice === undefined ? undefined : this.#pagesOf(result, slice);
    using words = new WordFile(path, { words: result.rows * stride, what: `${result.rows} rows` });
    for (let row = from; row < result.rows; ) {
      const rows = Math.min(this.#blockRows, result.rows - row);
      const block = words.read(row * stride, rows * stride);
      const floats = new Float32Array(block.buffer);
      const scores = new Float32Array(rows * width);
      const labels = new Float32Array(rows);
      for (let i = 0, at = 0; i < rows; i++, at += stride) {
        for (let k = 0; k < width; k++) scores[i * width + k] = floats[at + k]!;
        labels[i] = floats[at + width]!;
      }
      row += rows;
      if (!pages) yield { width, scores, labels, codes: null, values: [] };
      else {
        const codes = new Int32Array(rows);
        for (let i = 0; i < rows; i++) codes[i] = block[i * stride + column]!;
        yield* pages.cut({ width, scores, labels, codes, values: [] });
      }
    }
  }

  #pagesOf({ sliceValues, sliceFiles }: ScoreResult, slice: string): Pages {
    const file = sliceFiles?.[slice];
    if (!file) return new Pages(slice, () => sliceValues[slice] ?? [], 1);
    const { blob, pageBytes } = file;
    const path = this.#files[blob.key]!;
    const startOf = (page: number): number =>
      pageBytes.slice(0, page).reduce((sum, bytes) => sum + bytes, 0);
    const read = (page: number): readonly string[] =>
      JSON.parse(readText(path, startOf(page), pageBytes[page]!)) as string[];
    return new Pages(slice, read, pageBytes.length);
  }
}

function readText(path: string, start: number, bytes: number): string {
  const file = openSync(path, 'r');
  try {
    const text = Buffer.alloc(bytes);
    for (let at = 0; at < bytes; ) {
      const found = readSync(file, text, at, bytes - at, start + at);
      if (found === 0)
        throw new GristmillError('INTERNAL', 'Cannot read slice values: the file ends');
      at += found;
    }
    return text.toString();
  } finally {
    closeSync(file);
  }
}

/** Values page by page. */
class Pages {
  readonly #slice: string;
  readonly #read: (page: number) => readonly string[];
  readonly #count: number;
  #index = -1;
  #first = 0;
  #values: readonly string[] = [];

  constructor(slice: string, read: (page: number) => readonly string[], count: number) {
    this.#slice = slice;
    this.#read = read;
    this.#count = count;
    this.#turn();
  }

  /** The block in pieces of one page each, with codes into that page. */
  *cut(block: GroupedRows & { readonly codes: Int32Array }): Generator<GroupedRows> {
    const { width, scores, labels, codes } = block;
    for (let start = 0, end = 0; start < codes.length; start = end) {
      while (codes[start]! >= this.#first + this.#values.length) this.#turn(codes[start]!);
      const isHere = (code: number): boolean =>
        code >= this.#first && code < this.#first + this.#values.length;
      while (end < codes.length && isHere(codes[end]!)) end += 1;
      if (end === start) throw this.#unknown(codes[start]!);
      yield {
        width,
        scores: scores.subarray(start * width, end * width),
        labels: labels.subarray(start, end),
        codes: codes.subarray(start, end).map((code) => code - this.#first),
        values: this.#values,
      };
    }
  }

  #turn(code = 0): void {
    this.#index += 1;
    if (this.#index >= this.#count) throw this.#unknown(code);
    this.#first += this.#values.length;
    this.#values = this.#read(this.#index);
  }

  #unknown(code: number): GristmillError {
    const end = this.#first + this.#values.length;
    return new GristmillError(
      'INTERNAL',
      `Cannot read slice "${this.#slice}": code ${code}, expected below ${end}`,
    );
  }
}

/** int32 words of a file, a range at a time. */
class WordFile {
  readonly #file: number;

  constructor(path: string, { words, what }: { readonly words: number; readonly what: string }) {
    this.#file = openSync(path, 'r');
    const probe = Buffer.alloc(1);
    const isShort = words > 0 && readSync(this.#file, probe, 0, 1, words * 4 - 1) === 0;
    const isLong = readSync(this.#file, probe, 0, 1, words * 4) > 0;
    if (!isShort && !isLong) return;
    closeSync(this.#file);
    throw new GristmillError(
      'INTERNAL',
      `Cannot read scores of ${what}: the file is ${isShort ? 'shorter' : 'longer'} than the ${words * 4} bytes expected`,
    );
  }

  read(start: number, words: number): Int32Array {
    const bytes = Buffer.from(new ArrayBuffer(words * 4));
    for (let at = 0; at < bytes.length; ) {
      const found = readSync(this.#file, bytes, at, bytes.length - at, start * 4 + at);
      if (found === 0) throw new GristmillError('INTERNAL', 'Cannot read scores: the file ends');
      at += found;
    }
    return new Int32Array(bytes.buffer);
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }
}

/**
 * The same rows as two models scored them, `blockRows` at a time, across parts. Both scored the same rows only if both
 * saw the same labels.
 */
export function* pairBlocks(
  champion: ScoreFiles,
  challenger: ScoreFiles,
  blockRows: number = LIMITS.metricRows,
): Generator<Pair> {
  const differ = (): GristmillError =>
    new GristmillError(
      'INTERNAL',
      `Cannot compare scores of ${champion.rows} and ${challenger.rows} rows: their labels differ, expected the same rows`,
    );
  if (champion.rows !== challenger.rows) throw differ();
  const [left, right] = [champion, challenger].map((files) => new Refill(files.blocks()));
  for (let row = 0; row < champion.rows; ) {
    const rows = Math.min(blockRows, champion.rows - row);
    const [a, b] = [left!.take(rows), right!.take(rows)];
    if (a.labels.some((label, i) => label !== b.labels[i])) throw differ();
    yield { width: a.width, champion: a.scores, challenger: b.scores, labels: b.labels };
    row += rows;
  }
}

/** Blocks of any size as blocks of the size that is asked for. */
class Refill {
  readonly #blocks: Iterator<GroupedRows>;
  #block: GroupedRows | undefined;
  #at = 0;

  constructor(blocks: Iterable<GroupedRows>) {
    this.#blocks = blocks[Symbol.iterator]();
  }

  take(rows: number): { width: number; scores: Float32Array; labels: Float32Array } {
    const labels = new Float32Array(rows);
    let scores: Float32Array | undefined;
    let width = 1;
    for (let done = 0; done < rows; ) {
      if (!this.#block || this.#at === this.#block.labels.length) {
        const { done: isOver, value } = this.#blocks.next();
        if (isOver)
          throw new GristmillError('INTERNAL', `Cannot read ${rows} scores: rows are missing`);
        this.#block = value;
        this.#at = 0;
      }
      const block = this.#block!;
      width = block.width;
      scores ??= new Float32Array(rows * width);
      const taken = Math.min(rows - done, block.labels.length - this.#at);
      labels.set(block.labels.subarray(this.#at, this.#at + taken), done);
      scores.set(block.scores.subarray(this.#at * width, (this.#at + taken) * width), done * width);
      this.#at += taken;
      done += taken;
    }
    return { width, scores: scores ?? new Float32Array(0), labels };
  }
}
