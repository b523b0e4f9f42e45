// Raw JSON rows become typed columns: the one way in for gateway, proof and golden rows.
// In: a model's signature and instances as parsed JSON. Out: one column a raw input, missing in the tensors' form.
// Why strict about types: a string "5" that silently becomes 5 here would be another row than the batch saw.
import { type FieldError, GristmillError } from '../errors.ts';
import type { RawColumn, Signature } from '../stage/terms.ts';

/** number: float64, NaN missing. string: "" missing. time: int64 µs UTC, INT64_MIN missing. */
export type Column = Float64Array | BigInt64Array | readonly string[];

export type ColumnBatch = {
  readonly rows: number;
  /** By raw column name, each of length `rows`. */
  readonly columns: Readonly<Record<string, Column>>;
  /** Fields of the rows that the model does not read. */
  readonly ignoredFields: number;
};

export const TIME_MISSING = -(2n ** 63n);

/** At most this many wrong fields are listed: the rest say the same. */
const ERRORS_MAX = 20;

/** Throws ROW_INVALID with a JSON pointer for each wrong field. */
export function parseRows(signature: Signature, instances: readonly unknown[]): ColumnBatch {
  const errors: FieldError[] = [];
  const columns: Record<string, Column> = {};
  let ignoredFields = 0;
  const rows = instances.map((instance, index) => {
    if (isRecord(instance)) {
      ignoredFields += Object.keys(instance).length;
      return instance;
    }
    errors.push({
      pointer: `/instances/${index}`,
      detail: `is ${describe(instance)}, expected an object with a field a column`,
    });
    return {};
  });
  for (const input of signature.inputs) {
    columns[input.name] = readColumn(input, rows, (index, detail) => {
      if (isRecord(instances[index]))
        errors.push({ pointer: `/instances/${index}/${escapePointer(input.name)}`, detail });
    });
    ignoredFields -= rows.length; // each has it, or it is among the errors
  }
  if (errors.length > 0) throw rowsInvalid(errors);
  return { rows: rows.length, columns, ignoredFields };
}

function rowsInvalid(errors: readonly FieldError[]): GristmillError {
  const [first] = errors;
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more fields)` : '';
  return new GristmillError(
    'ROW_INVALID',
    `Cannot predict: ${first!.pointer} ${first!.detail}${more}`,
    { errors: errors.slice(0, ERRORS_MAX) },
  );
}

type Complain = (index: number, detail: string) => void;

function readColumn(
  input: RawColumn,
  rows: readonly Record<string, unknown>[],
  complain: Complain,
): Column {
  const value = (row: Record<string, unknown>, index: number): unknown => {
    if (Object.hasOwn(row, input.name)) return row[input.name];
    complain(index, `is absent, expected ${EXPECTED[input.type]}, or null for missing`);
    return null;
  };
  const wrong = (index: number, found: unknown): void =>
    complain(index, `is ${describe(found)}, expected ${EXPECTED[input.type]}, or null for missing`);
  switch (input.type) {
    case 'number':
      return Float64Array.from(rows, (row, i) =>
        readNumber(value(row, i), (found) => wrong(i, found)),
      );
    case 'string':
      return rows.map((row, i) => readText(value(row, i), (found) => wrong(i, found)));
    case 'time':
      return BigInt64Array.from(rows, (row, i) =>
        readTime(value(row, i), (found) => wrong(i, found)),
      );
  }
}

const EXPECTED: Readonly<Record<RawColumn['type'], string>> = {
  number: 'a number',
  string: 'a string',
  time: 'an ISO 8601 time such as "2001-06-30T17:45:00Z"',
};

type Wrong = (found: unknown) => void;

/** A boolean counts as 0 or 1, as it does when Parquet holds one. */
function readNumber(value: unknown, wrong: Wrong): number {
  if (value === null) return Number.NaN;
  if (typeof value === 'boolean') return Number(value);
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  wrong(value);
  return Number.NaN;
}

function readText(value: unknown, wrong: Wrong): string {
  if (value === null) return '';
  if (typeof value === 'string') return cleanText(value);
  wrong(value);
  return '';
}

/** ONNX Runtime cuts strings at NUL and cannot hold lone surrogates: both become U+FFFD on either side. */
export const cleanText = (value: string): string => value.replaceAll('\0', '\uFFFD').toWellFormed();

function readTime(value: unknown, wrong: Wrong): bigint {
  if (value === null) return TIME_MISSING;
  const micros = typeof value === 'string' ? parseTime(value) : undefined;
  if (micros !== undefined) return micros;
  wrong(value);
  return TIME_MISSING;
}

const ISO =
  /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(Z|[+-](?:[01]\d|2[0-3])(?::?[0-5]\d)?)?)?$/;

/** Microseconds since 1970 UTC; a time without an offset is UTC. Undefined where the text is no such time. */
export function parseTime(text: string): bigint | undefined {
  const match = ISO.exec(text);
  if (!match) return undefined;
  const [year, month, day, hour, minute, second] = [1, 2, 3, 4, 5, 6].map((i) =>
    Number(match[i] ?? 0),
  ) as [number, number, number, number, number, number];
  if (hour > 23 || minute > 59 || second > 59 || year < 1) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1) return undefined; // no day of two digits ends in its own month again
  const seconds =
    date.getTime() / 1000 + hour * 3600 + minute * 60 + second - offsetSeconds(match[8]);
  return BigInt(seconds) * 1_000_000n + BigInt((match[7] ?? '').slice(0, 6).padEnd(6, '0'));
}

function offsetSeconds(text: string | undefined): number {
  if (text === undefined || text === 'Z') return 0;
  const digits = text.slice(1).replace(':', '');
  const seconds = Number(digits.slice(0, 2)) * 3600 + Number(digits.slice(2) || 0) * 60;
  return text.startsWith('-') ? -seconds : seconds;
}

/** Years 1 to 9999 UTC, as microseconds: every other time counts as missing. */
export const isTime = (micros: bigint): boolean =>
  micros >= -62_135_596_800_000_000n && micros < 253_402_300_800_000_000n;

/** ISO 8601 with microseconds where there are any: what parseTime reads back. */
export function formatTime(micros: bigint): string {
  const rest = ((micros % 1_000_000n) + 1_000_000n) % 1_000_000n;
  const whole = new Date(Number((micros - rest) / 1000n)).toISOString().slice(0, 19);
  return rest === 0n ? `${whole}Z` : `${whole}.${String(rest).padStart(6, '0')}Z`;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const escapePointer = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');

function describe(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  if (typeof value === 'object') return 'an object';
  return `${typeof value} ${JSON.stringify(value)?.slice(0, 80)}`;
}
