// The score files of several parts as columns, in the order of the parts.
// In: descriptors of score tasks and their local files. Out: scores, labels, and slice values under one numbering.
// Why renumbered: a part codes its slice values by itself; two parts may give one airport two codes.
//
//   file: row by row, little-endian:  float32 score 1 … score k │ float32 label │ int32 code of slice 1 │ …
import { readFile } from 'node:fs/promises';
import { GristmillError } from '../../common/errors.ts';
import type { TaskId } from '../../common/ids.ts';
import type { Scored } from '../../common/metric/metric.ts';
import type { ScoreResult } from '../../common/wire/program.ts';
import type { Prepared } from './runner.ts';

export type Slice = {
  readonly name: string;
  /** Each value once, in order of first appearance. */
  readonly values: readonly string[];
  /** Index into `values` of each row. */
  readonly codes: Int32Array;
};
export type ScoreColumns = Scored & { readonly slices: readonly Slice[] };

export async function readScores(
  prepared: Pick<Prepared, 'json' | 'files'>,
  tasks: readonly TaskId[],
  { width, slices }: { readonly width: number; readonly slices: readonly string[] },
): Promise<ScoreColumns> {
  const results = tasks.map((task) => prepared.json[task]!.result as ScoreResult);
  const rows = results.reduce((sum, result) => sum + result.rows, 0);
  const scores = new Float32Array(rows * width);
  const labels = new Float32Array(rows);
  const books = slices.map((name) => new SliceBook(name, rows));
  let row = 0;
  for (const result of results) {
    if (!result.scores) continue;
    const stride = width + 1 + result.slices.length;
    const words = await readWords(prepared.files[result.scores.key]!, result.rows, stride);
    const floats = new Float32Array(words.buffer, words.byteOffset, words.length);
    for (let at = 0; at < words.length; at += stride, row++) {
      for (let k = 0; k < width; k++) scores[row * width + k] = floats[at + k]!;
      labels[row] = floats[at + width]!;
    }
    const start = row - result.rows;
    for (const book of books) {
      const column = width + 1 + result.slices.indexOf(book.name);
      book.take(start, result, words, { width: stride, column });
    }
  }
  return { width, scores, labels, slices: books.map((book) => book.slice()) };
}

async function readWords(path: string, rows: number, width: number): Promise<Int32Array> {
  const bytes = await readFile(path);
  const expected = rows * width * 4;
  if (bytes.length !== expected) {
    throw new GristmillError(
      'INTERNAL',
      `Cannot read scores of ${rows} rows: the file has ${bytes.length} bytes, expected ${expected}`,
    );
  }
  const aligned = new Uint8Array(bytes.length); // a Buffer may begin at any offset of its pool
  aligned.set(bytes);
  return new Int32Array(aligned.buffer);
}

class SliceBook {
  readonly name: string;
  readonly #codes: Int32Array;
  readonly #numbers = new Map<string, number>();

  constructor(name: string, rows: number) {
    this.name = name;
    this.#codes = new Int32Array(rows);
  }

  take(
    start: number,
    result: ScoreResult,
    words: Int32Array,
    { width, column }: { width: number; column: number },
  ): void {
    const numbers = (result.sliceValues[this.name] ?? []).map((value) => this.#number(value));
    for (let row = 0; row < result.rows; row++) {
      const number = numbers[words[row * width + column]!];
      if (number === undefined) {
        throw new GristmillError(
          'INTERNAL',
          `Cannot read slice "${this.name}": code ${words[row * width + column]}, expected below ${numbers.length}`,
        );
      }
      this.#codes[start + row] = number;
    }
  }

  slice(): Slice {
    return { name: this.name, values: [...this.#numbers.keys()], codes: this.#codes };
  }

  #number(value: string): number {
    const known = this.#numbers.get(value) ?? this.#numbers.size;
    this.#numbers.set(value, known);
    return known;
  }
}
