// Codes of a slice's values, in order of first appearance, which is row order.
// In: values, row by row. Out: codes; the values themselves, few at once or a page a line of a file.
// Why pages: a slice may have a value a row. A full page is written and forgotten; its values get new codes when they come
// again, and who reads counts by value, not by code.
import { closeSync, openSync, writeSync } from 'node:fs';
import { LIMITS } from '../../common/limits.ts';

export type ValueBookBounds = { readonly valuesMax: number; readonly charactersMax: number };
const BOUNDS: ValueBookBounds = {
  valuesMax: LIMITS.sliceGroupsMax,
  charactersMax: LIMITS.slicePageCharactersMax,
};

export class ValueBook {
  readonly #path: string;
  readonly #bounds: ValueBookBounds;
  readonly #codes = new Map<string, number>();
  readonly #pageBytes: number[] = [];
  #file: number | undefined;
  #next = 0;
  #characters = 0;

  constructor(path: string, bounds = BOUNDS) {
    this.#path = path;
    this.#bounds = bounds;
  }

  code(value: string): number {
    const known = this.#codes.get(value);
    if (known !== undefined) return known;
    const { valuesMax, charactersMax } = this.#bounds;
    const isFull = this.#codes.size >= valuesMax || this.#characters >= charactersMax;
    if (isFull) this.#turn();
    this.#codes.set(value, this.#next);
    this.#characters += value.length;
    return this.#next++;
  }

  /** All values by code, where one page holds them. */
  few(): readonly string[] | undefined {
    return this.#file === undefined ? [...this.#codes.keys()] : undefined;
  }

  /** Writes what is left: the file is whole then. */
  close(): { readonly path: string; readonly pageBytes: readonly number[] } {
    this.#turn();
    closeSync(this.#file!);
    return { path: this.#path, pageBytes: this.#pageBytes };
  }

  #turn(): void {
    this.#file ??= openSync(this.#path, 'w');
    const line = Buffer.from(`${JSON.stringify([...this.#codes.keys()])}\n`);
    for (let at = 0; at < line.length; ) at += writeSync(this.#file, line, at);
    this.#pageBytes.push(line.length);
    this.#codes.clear();
    this.#characters = 0;
  }
}
