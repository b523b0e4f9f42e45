// Datasets written by hand, as GET /v1/schema tells them. In: what differs. Out: a whole DatasetView.
import type { ColumnView, DatasetView, LabelView } from '../../../common/wire/survey.ts';

export const ROWS = 10_000;

export const column = (name: string, change: Partial<ColumnView> = {}): ColumnView => ({
  name,
  type: 'DOUBLE',
  kind: 'number',
  nulls: 0,
  distinct: 5_000,
  min: -3,
  max: 3,
  mean: 0,
  std: 1,
  lengthMean: null,
  top: [],
  labelCorrelation: 0.1,
  labelExplained: 0.1,
  ...change,
});

export const text = (
  name: string,
  distinct: number,
  change: Partial<ColumnView> = {},
): ColumnView =>
  column(name, {
    ...{ type: 'VARCHAR', kind: 'text', distinct, min: null, max: null, mean: null, std: null },
    ...{ lengthMean: 8, labelCorrelation: null, top: [{ value: 'mill', count: 10 }] },
    ...change,
  });

export const whole = (name: string, min: number, max: number, change: Partial<ColumnView> = {}) =>
  column(name, {
    type: 'BIGINT',
    distinct: max - min + 1,
    min,
    max,
    mean: (min + max) / 2,
    ...change,
  });

export const time = (name: string, min: string, max: string, change: Partial<ColumnView> = {}) =>
  column(name, {
    ...{ type: 'TIMESTAMP', kind: 'time', distinct: 9_000, min, max, mean: null, std: null },
    top: [{ value: '2001-02-03T04:05:06Z', count: 3 }],
    ...change,
  });

export const lateLabel: LabelView = {
  expression: 'late',
  kind: 'binary',
  columns: ['late'],
  missing: 0,
  mean: 0.3,
  std: 0.46,
  min: 0,
  max: 1,
};

export const dataset = (
  columns: readonly ColumnView[],
  change: Partial<DatasetView> = {},
): DatasetView => ({
  uri: 'trips/*.parquet',
  objects: 1,
  footers: 1,
  rowGroups: 1,
  rows: ROWS,
  bytes: 1_000_000,
  sampledRows: ROWS,
  columns: [column('late', { type: 'BOOLEAN', kind: 'boolean', distinct: 2 }), ...columns],
  label: lateLabel,
  sample: [],
  ...change,
});
