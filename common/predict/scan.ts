// Columns out of DuckDB: the batch side of the same rows that arrive as JSON.
// In: raw columns of a part or of a lake object. Out: a ColumnBatch, or rows as a client would send them.
// Why beside rows.ts: missing, NUL and time have one form, whichever way a row comes in.
import type { ColumnData, ColumnKind } from '../engine/duckdb.ts';
import { quoteName } from '../sql.ts';
import type { ColumnType, RawColumn } from '../stage/terms.ts';
import { type Column, type ColumnBatch, cleanText, formatTime, isTime } from './rows.ts';

const KINDS: Readonly<Record<ColumnType, ColumnKind>> = {
  number: 'float64',
  string: 'string',
  time: 'int64',
};

/** What to select from a part, and in which form to scan it. */
export function scanColumns(inputs: readonly RawColumn[]): {
  sql: readonly string[];
  kinds: readonly ColumnKind[];
} {
  return {
    sql: inputs.map(({ name }) => quoteName(name)),
    kinds: inputs.map(({ type }) => KINDS[type]),
  };
}

/** One chunk of such a scan as a batch; numbers and times are views of the chunk. */
export function columnsFromScan(
  inputs: readonly RawColumn[],
  data: readonly ColumnData[],
  rows: number,
): ColumnBatch {
  const columns: Record<string, Column> = {};
  inputs.forEach(({ name, type }, i) => {
    columns[name] =
      type === 'string'
        ? textColumn(data[i] as readonly (string | null)[])
        : (data[i] as Float64Array | BigInt64Array);
  });
  return { rows, columns, ignoredFields: 0 };
}

const textColumn = (values: readonly (string | null)[]): string[] =>
  values.map((value) => (value === null ? '' : cleanText(value)));

/** Row `row` of a scan of source columns as the JSON that a client would send. */
export function rowToJson(
  inputs: readonly RawColumn[],
  data: readonly ColumnData[],
  row: number,
): Record<string, unknown> {
  return Object.fromEntries(
    inputs.map(({ name, type }, i) => [name, jsonValue(type, data[i]![row])]),
  );
}

/** JSON has neither NaN nor infinity, ISO 8601 no year 10000: a client that has one sends null. */
function jsonValue(type: ColumnType, value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (type === 'number') return Number.isFinite(value as number) ? value : null;
  if (type === 'time') return isTime(value as bigint) ? formatTime(value as bigint) : null;
  return value;
}
