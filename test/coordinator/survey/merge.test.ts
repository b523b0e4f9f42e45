import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SurveyColumn, SurveyValue } from '../../../common/stage/survey.ts';
import type { ColumnKind } from '../../../common/wire/survey.ts';
import {
  mergeColumn,
  mergeDistinct,
  mergeLabel,
  mergeSample,
} from '../../../coordinator/survey/merge.ts';
import { foldMoments, foldPairs, foldRange } from '../../../worker/stage/survey-figures.ts';

const NOTHING: SurveyColumn = {
  missing: 0,
  distinct: 0,
  hashes: [],
  min: null,
  max: null,
  moments: null,
  pairs: null,
  explained: null,
  top: [],
};
const column = (type: string, kind: ColumnKind | null) => ({ name: 'x', type, kind });
const top = (...values: [SurveyValue, number, number][]): SurveyColumn['top'] =>
  values.map(([value, count, hash]) => ({ value, count, hash }));

function shardOf(values: readonly number[], labels: readonly number[]): SurveyColumn {
  const [x, y] = [Float64Array.from(values), Float64Array.from(labels)];
  const { count, min, max } = foldRange(x);
  const [moments, pairs] = [foldMoments(x), foldPairs(x, y)];
  return { ...NOTHING, missing: values.length - count, min, max, moments, pairs };
}

test('mergeColumn() over shards is what all rows together give', () => {
  // whole numbers: of values that differ in their last bits no correlation is told, by either way
  const cell = fc.option(fc.integer({ min: -1e6, max: 1e6 }), { nil: Number.NaN });
  const shard = fc.array(fc.tuple(cell, cell), { minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(fc.array(shard, { minLength: 1, maxLength: 5 }), (shards) => {
      const split = shards.map((rows) =>
        shardOf(
          rows.map(([x]) => x),
          rows.map(([, y]) => y),
        ),
      );
      const rows = shards.flat();
      const whole = shardOf(
        rows.map(([x]) => x),
        rows.map(([, y]) => y),
      );
      const [merged, one] = [split, [whole]].map((all) =>
        mergeColumn(column('DOUBLE', 'number'), all),
      );
      expect(merged).toMatchObject({ nulls: one!.nulls, min: one!.min, max: one!.max });
      for (const name of ['mean', 'std', 'labelCorrelation'] as const) {
        if (one![name] === null) expect(merged![name]).toBeNull();
        else expect(merged![name]).toBeCloseTo(one![name], 4);
      }
    }),
  );
});

test('mergeColumn() gives a constant no spread and no correlation', () => {
  const shards = [shardOf([0.1, 0.1, 0.1], [1, 2, 3]), shardOf([0.1, 0.1], [7, 9])];
  expect(mergeColumn(column('DOUBLE', 'number'), shards)).toMatchObject({
    min: 0.1,
    max: 0.1,
    std: 0,
    labelCorrelation: null,
  });
  const label = shards.map(({ min, max, moments, missing }) => ({
    missing,
    moments,
    min: Number(min),
    max: Number(max),
  }));
  expect(mergeLabel({ expression: 'x', kind: 'regression', columns: ['x'] }, label).std).toBe(0);
});

test('mergeColumn() adds frequent values by their hashes; ties in order of values', () => {
  const long = 'a'.repeat(100);
  const shards = [
    { ...NOTHING, top: top(['b', 3, 1], ['ä', 2, 2], [long, 1, 3]) },
    { ...NOTHING, top: top(['z', 5, 9], ['b', 2, 1], [long, 1, 4]) },
  ];
  expect(mergeColumn(column('VARCHAR', 'text'), shards).top).toEqual([
    { value: 'b', count: 5 },
    { value: 'z', count: 5 },
    { value: 'ä', count: 2 },
    { value: long, count: 1 }, // two texts that begin alike
    { value: long, count: 1 },
  ]);
  const many = {
    ...NOTHING,
    top: top(...Array.from({ length: 20 }, (_, i) => [20 - i, 1, i] as [number, number, number])),
  };
  expect(mergeColumn(column('BIGINT', 'number'), [many]).top.map(({ value }) => value)).toEqual([
    1, 2, 3, 4, 5, 6, 7, 8, 9, 10,
  ]);
});

test('mergeColumn() takes times in order of time, and shows a DATE without one', () => {
  const shards = [
    {
      ...NOTHING,
      min: '2001-01-01T00:00:00.5Z',
      max: '2001-01-02T00:00:00Z',
      top: top(['2001-01-02T00:00:00Z', 1, 1]),
    },
    NOTHING,
    { ...NOTHING, min: '2001-01-01T00:00:00Z', max: '2001-01-02T00:00:00.250000Z' },
  ];
  expect(mergeColumn(column('TIMESTAMP', 'time'), shards)).toMatchObject({
    min: '2001-01-01T00:00:00Z',
    max: '2001-01-02T00:00:00.250000Z',
    mean: null,
  });
  expect(mergeColumn(column('DATE', 'time'), shards)).toMatchObject({
    min: '2001-01-01',
    max: '2001-01-02',
    top: [{ value: '2001-01-02', count: 1 }],
  });
});

/** What shards tell of these values, each its own hash. */
const told = (values: readonly number[], hashesMax: number) => {
  const hashes = [...new Set(values)].sort((a, b) => a - b);
  return { distinct: hashes.length, hashes: hashes.slice(0, hashesMax) };
};
const SCATTER = 0x9e3779b1;
const hashes = (from: number, to: number): number[] =>
  Array.from({ length: to - from }, (_, i) => Math.imul(from + i, SCATTER) >>> 0);

test('mergeDistinct() is exact where all is told, and where shards share nothing', () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.nat(50)), { maxLength: 5 }), (shards) => {
      const distinct = mergeDistinct(shards.map((values) => told(values, 512)));
      expect(distinct).toBe(new Set(shards.flat()).size);
    }),
  );
  const apart = [hashes(0, 20_000), hashes(20_000, 40_000), hashes(40_000, 40_007)];
  expect(mergeDistinct(apart.map((values) => told(values, 512)))).toBe(40_007);
});

test('mergeDistinct() is near where shards share many of many', () => {
  const same = told(hashes(0, 20_000), 512);
  expect(mergeDistinct([same, same, same])).toBe(20_000);
  const half = [told(hashes(0, 20_000), 512), told(hashes(10_000, 30_000), 512)];
  expect(mergeDistinct(half) / 30_000).toBeCloseTo(1, 1);
});

test('mergeSample() shows rows of the first, a middle and the last shard', () => {
  const of = (name: string) => ({
    rows: 3,
    columns: [],
    label: null,
    sample: [1, 2, 3].map((n) => ({ x: `${name}${n}` })),
  });
  const columns = [{ name: 'x', type: 'VARCHAR', kind: 'text' as const }];
  const shown = (...names: string[]) => mergeSample(columns, names.map(of)).map(({ x }) => x);
  expect(shown('a', 'b', 'c')).toEqual(['a1', 'b2', 'c3']);
  expect(shown('a')).toEqual(['a1', 'a2', 'a3']);
  expect(mergeSample(columns, [])).toEqual([]);
});
