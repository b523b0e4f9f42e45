// Rows of several requests as one batch of columns.
// In: batches of one signature. Out: one batch, the rows in order. Pure.
import assert from 'node:assert';
import type { ColumnBatch } from '../common/predict/rows.ts';

type Column = ColumnBatch['columns'][string];

export function joinBatches(batches: readonly ColumnBatch[]): ColumnBatch {
  const [first] = batches;
  assert(first, 'there is a batch to join');
  if (batches.length === 1) return first;
  const rows = batches.reduce((sum, batch) => sum + batch.rows, 0);
  const ignoredFields = batches.reduce((sum, batch) => sum + batch.ignoredFields, 0);
  const columns: Record<string, Column> = {};
  for (const name of Object.keys(first.columns)) {
    columns[name] = joinColumns(
      batches.map((batch) => batch.columns[name]!),
      rows,
    );
  }
  return { rows, columns, ignoredFields };
}

function joinColumns(parts: readonly Column[], rows: number): Column {
  const [first] = parts;
  if (first instanceof Float64Array) return fill(new Float64Array(rows), parts as Float64Array[]);
  if (first instanceof BigInt64Array) {
    return fill(new BigInt64Array(rows), parts as BigInt64Array[]);
  }
  return (parts as string[][]).flat();
}

function fill<T extends { set(from: T, at: number): void; readonly length: number }>(
  all: T,
  parts: readonly T[],
): T {
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
