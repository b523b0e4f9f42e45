// Turns DuckDB's vectors into typed arrays and plain values.
// In: a vector of a data chunk. Out: one typed array a column, NULL in the form that tensors have for it.
// Why past the library's accessors: value by value they read 0.3 M rows/s, as whole arrays 3 M rows/s; and
// its text decoder strips a leading byte order mark, which a vocabulary must keep.
import {
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBListValue,
  DuckDBStructValue,
  DuckDBVarCharVector,
  type DuckDBVector,
} from '@duckdb/node-api';
import bindings from '@duckdb/node-bindings';
import { GristmillError, unreachable } from '../errors.ts';

/** float64: DOUBLE. float32: FLOAT. int32: INTEGER. int64: BIGINT or TIMESTAMP (µs). string: VARCHAR. */
export type ColumnKind = 'float64' | 'float32' | 'int32' | 'int64' | 'string';
export type ColumnData =
  | Float64Array
  | Float32Array
  | Int32Array
  | BigInt64Array
  | readonly (string | null)[];

/** NULL in an int64 column: no time that DuckDB can hold. */
export const INT64_MIN = -(2n ** 63n);

/** NULL becomes NaN, INT64_MIN or null; in int32, which has no such value, it is an error. */
export function readColumn(vector: DuckDBVector, kind: ColumnKind): ColumnData {
  switch (kind) {
    case 'float64':
      return withMissing(itemsOf(vector, kind, Float64Array), vector, Number.NaN);
    case 'float32':
      return withMissing(itemsOf(vector, kind, Float32Array), vector, Number.NaN);
    case 'int64':
      return withMissing(itemsOf(vector, kind, BigInt64Array), vector, INT64_MIN);
    case 'int32':
      return withoutMissing(itemsOf(vector, kind, Int32Array), vector);
    case 'string':
      return readStrings(vector);
    default:
      return unreachable(kind);
  }
}

/** A value as plain data: for small results. */
export function readValue(vector: DuckDBVector, row: number): unknown {
  if (vector instanceof DuckDBVarCharVector) return readString(vector, row);
  return plainValue(vector.getItem(row));
}

/** What the library keeps in private fields; its version is pinned, and a change fails loudly here. */
type Internals = {
  readonly items?: unknown;
  readonly dataView?: DataView;
  readonly validity: { readonly data: BigUint64Array | null; readonly offset: number };
};
const internals = (vector: DuckDBVector): Internals => vector as unknown as Internals;

function itemsOf<T>(vector: DuckDBVector, kind: ColumnKind, form: new (n: number) => T): T {
  const { items } = internals(vector);
  if (items instanceof form) return items;
  throw new GristmillError(
    'INTERNAL',
    `Cannot read a column of type ${vector.type} as ${kind}, expected a cast in the SQL`,
  );
}

/** Writes `missing` where a row is NULL; into a copy, as the vector may be the table's own memory. */
function withMissing<T extends Float64Array | Float32Array | BigInt64Array>(
  items: T,
  vector: DuckDBVector,
  missing: T[number],
): T {
  const words = validityWords(vector);
  if (!words) return items;
  const filled = items.slice() as T;
  for (let row = 0; row < filled.length; row++) {
    if (!isValid(words, row)) filled[row] = missing;
  }
  return filled;
}

function withoutMissing(items: Int32Array, vector: DuckDBVector): Int32Array {
  const words = validityWords(vector);
  for (let row = 0; words && row < items.length; row++) {
    if (isValid(words, row)) continue;
    throw new GristmillError('INTERNAL', 'Cannot read NULL as int32, expected a code in every row');
  }
  return items;
}

/** The validity mask as 32-bit words, or undefined where every row is valid. */
function validityWords(vector: DuckDBVector): Uint32Array | undefined {
  const { data } = internals(vector).validity;
  if (!data) return undefined;
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length * 2);
  return words;
}
const isValid = (words: Uint32Array, row: number): boolean =>
  ((words[row >>> 5]! >>> (row & 31)) & 1) === 1;

// A string of DuckDB is 16 bytes:  [length u32][ up to 12 bytes in place                    ]
//                                  [length u32][ first 4 bytes ][ pointer to the whole, u64 ]
// Unused bytes in place are zero, so the four words identify a short string. Columns of categories repeat
// a few of them: a small table of those seen last saves most decoding.
const SEEN = 4096;
const seenWords = new Uint32Array(SEEN * 4);
const seenText: string[] = new Array<string>(SEEN).fill('');
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });

function readStrings(vector: DuckDBVector): (string | null)[] {
  if (!(vector instanceof DuckDBVarCharVector)) {
    throw new GristmillError(
      'INTERNAL',
      `Cannot read a column of type ${vector.type} as string, expected VARCHAR`,
    );
  }
  const view = internals(vector).dataView!;
  const words = new Uint32Array(view.buffer, view.byteOffset, view.byteLength / 4);
  const valid = validityWords(vector);
  const strings: (string | null)[] = new Array<string | null>(vector.itemCount);
  for (let row = 0; row < strings.length; row++) {
    if (valid && !isValid(valid, row)) strings[row] = null;
    else
      strings[row] = words[row * 4]! <= 12 ? shortString(view, words, row) : longString(view, row);
  }
  return strings;
}

function readString(vector: DuckDBVector, row: number): string | null {
  const valid = validityWords(vector);
  if (valid && !isValid(valid, row)) return null;
  const view = internals(vector).dataView!;
  const words = new Uint32Array(view.buffer, view.byteOffset, view.byteLength / 4);
  return words[row * 4]! <= 12 ? shortString(view, words, row) : longString(view, row);
}

function shortString(view: DataView, words: Uint32Array, row: number): string {
  const at = row * 4;
  const length = words[at]!;
  const [a, b, c] = [words[at + 1]!, words[at + 2]!, words[at + 3]!];
  const hash = Math.imul(
    Math.imul(Math.imul(a ^ length, 0x9e3779b1) ^ b, 0x85ebca6b) ^ c,
    0xc2b2ae35,
  );
  const slot = (hash ^ (hash >>> 15)) & (SEEN - 1);
  const s = slot * 4;
  if (
    seenWords[s] === length &&
    seenWords[s + 1] === a &&
    seenWords[s + 2] === b &&
    seenWords[s + 3] === c
  ) {
    return seenText[slot]!;
  }
  const text = utf8.decode(new Uint8Array(view.buffer, view.byteOffset + at * 4 + 4, length));
  seenWords[s] = length;
  seenWords[s + 1] = a;
  seenWords[s + 2] = b;
  seenWords[s + 3] = c;
  seenText[slot] = text;
  return text;
}

function longString(view: DataView, row: number): string {
  const start = view.byteOffset + row * 16;
  const length = view.getUint32(row * 16, true);
  return utf8.decode(bindings.get_data_from_pointer(view.buffer as ArrayBuffer, start + 8, length));
}

function plainValue(value: unknown): unknown {
  if (typeof value === 'bigint') {
    const asNumber = Number(value);
    return Number.isSafeInteger(asNumber) ? asNumber : value;
  }
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof DuckDBListValue) return value.items.map(plainValue);
  if (value instanceof DuckDBStructValue) {
    return Object.fromEntries(
      Object.entries(value.entries).map(([name, inner]) => [name, plainValue(inner)]),
    );
  }
  if (value instanceof DuckDBDecimalValue) return value.toDouble();
  if (value instanceof DuckDBDateValue) return value.toString();
  return String(value);
}
