// Partials of statistics: the same values however the rows are cut, and what becomes of rows without any.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  checkVocabulary,
  compareUtf8,
  type FitPartial,
  fittedValues,
  HistogramAccumulator,
  MomentsAccumulator,
  mergeFit,
  mergeMoments,
} from '../../../common/algorithm/statistics.ts';
import { LIMITS } from '../../../common/limits.ts';
import { refusal } from '../../support/refusal.ts';

const empty: FitPartial = { moments: {}, quantiles: {}, frequent: {}, missing: {}, counts: null };

const momentsOf = (values: readonly number[]) => {
  const fold = new MomentsAccumulator();
  fold.addAll(Float64Array.from(values), values.length);
  return fold.result();
};
const histogramOf = (values: readonly number[]) => {
  const fold = new HistogramAccumulator();
  fold.addAll(Float64Array.from(values), values.length);
  return fold.result();
};

test('mergeMoments() of parts is the moments of the whole, also far from zero', () => {
  const finite = fc.array(fc.double({ min: -1e3, max: 1e3, noNaN: true }), {
    minLength: 1,
    maxLength: 50,
  });
  fc.assert(
    fc.property(finite, finite, fc.constantFrom(0, 1e9), (a, b, far) => {
      const shifted = [a, b].map((part) => part.map((x) => x + far));
      const [n, mean, m2] = mergeMoments(momentsOf(shifted[0]!), momentsOf(shifted[1]!));
      const all = shifted.flat();
      const expectedMean = all.reduce((sum, x) => sum + (x - far), 0) / all.length;
      expect(n).toBe(all.length);
      expect(mean - far).toBeCloseTo(expectedMean, 3);
      expect(m2 / n).toBeCloseTo(
        all.reduce((sum, x) => sum + (x - far - expectedMean) ** 2, 0) / n,
        0,
      );
    }),
    { verbose: 1 },
  );
});

test('mergeFit() refuses a vocabulary as soon as it is too large, wherever that is met', () => {
  const partial = (from: number, count: number, text = ''): FitPartial => ({
    ...empty,
    frequent: {
      f: Array.from({ length: count }, (_, i) => [
        `${String(from + i).padStart(6, '0')}${text}`,
        1,
      ]),
    },
  });
  const both = mergeFit(partial(0, 60_000), partial(40_000, 60_000));
  expect(both.frequent.f).toHaveLength(LIMITS.vocabularyMax);
  expect(both.frequent.f![50_000]).toEqual(['050000', 2]);
  expect(() => mergeFit(partial(0, 60_000), partial(40_000, 60_001))).toThrow(
    refusal('PLAN_TOO_LARGE', 'at least 100001 distinct values, expected at most 100000'),
  );
  const long = partial(0, 2, 'x'.repeat(LIMITS.vocabularyCharactersMax / 2));
  expect(() => checkVocabulary(long.frequent.f!)).toThrow(
    refusal('PLAN_TOO_LARGE', '2 distinct values have 33554444 characters'),
  );
});

test('MomentsAccumulator leaves out NaN and infinities', () => {
  expect(momentsOf([1, Number.NaN, 3, Number.POSITIVE_INFINITY])).toEqual([2, 2, 2]);
});

test('quantile of merged histograms is the disc quantile of truncated values, in any grouping', () => {
  const statistic = { id: 'q', kind: 'quantile', p: 0.5, sql: 'x' } as const;
  const partial = (values: readonly number[]): FitPartial => ({
    ...empty,
    quantiles: { q: histogramOf(values) },
  });
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.integer({ min: -60_000, max: 60_000 }), { minLength: 1 }), {
        minLength: 1,
        maxLength: 6,
      }),
      (parts) => {
        const merged = fittedValues([statistic], parts.map(partial).reduce(mergeFit));
        const sorted = parts.flat().sort((a, b) => a - b);
        expect(merged).toEqual({ q: { numbers: [sorted[Math.ceil(sorted.length / 2) - 1]! + 0] } });
      },
    ),
    { verbose: 1 },
  );
});

test('HistogramAccumulator keys −0 and 0 alike, and keeps 16 bits of mantissa', () => {
  expect(histogramOf([0, -0, 1 + 2 ** -16, 1 + 2 ** -17])).toEqual([
    [0, 2],
    [1, 1],
    [1 + 2 ** -16, 1],
  ]);
});

test('frequent values come by count, ties by UTF-8 bytes, whatever the order of parts', () => {
  const statistic = { id: 'f', kind: 'frequent', limit: 3, sql: 's' } as const;
  const sorted = (counts: [string, number][]) => counts.sort(([a], [b]) => compareUtf8(a, b));
  const left: FitPartial = {
    ...empty,
    frequent: {
      f: sorted([
        ['b', 2],
        ['\u{1F600}', 1],
        ['\uFFFD', 1],
      ]),
    },
  };
  const right: FitPartial = {
    ...empty,
    frequent: {
      f: sorted([
        ['a', 2],
        ['c', 1],
      ]),
    },
  };
  const expected = { f: { strings: ['a', 'b', 'c'] } };
  expect(fittedValues([statistic], mergeFit(left, right))).toEqual(expected);
  expect(fittedValues([statistic], mergeFit(right, left))).toEqual(expected);
  expect(compareUtf8('\uFFFD', '\u{1F600}')).toBeLessThan(0); // UTF-16 has it the other way round
});

test('fittedValues() names a statistic that no training row has a value for', () => {
  const statistic = { id: 'm', kind: 'moments', sql: '"x"' } as const;
  expect(() => fittedValues([statistic], { ...empty, moments: { m: [0, 0, 0] } })).toThrow(
    refusal('FEATURE_MISSING', 'Cannot fit moments of "x": 0 training rows'),
  );
});

test('mergeFit() adds missing values and the rows of each split', () => {
  const counts = (n: number) => ({
    train: [n, 2 * n],
    validation: [3 * n],
    test: [4 * n],
    labelSum: { train: 5 * n, validation: 6 * n, test: 7 * n },
  });
  const part = (n: number): FitPartial => ({ ...empty, missing: { x: n }, counts: counts(n) });
  expect(mergeFit(part(1), part(10))).toMatchObject({ missing: { x: 11 }, counts: counts(11) });
  const uncounted = { ...part(1), counts: null };
  for (const [left, right] of [
    [part(1), uncounted],
    [uncounted, part(1)],
    [uncounted, uncounted],
  ] as const) {
    expect(mergeFit(left, right).counts).toBeNull();
  }
});

test('moments of nothing are zeros, merged or not', () => {
  expect(mergeMoments([0, 0, 0], [0, 0, 0])).toEqual([0, 0, 0]);
  const fold = new MomentsAccumulator();
  fold.addAll(Float64Array.of(1, 3, 99), 2); // a buffer may be longer than its rows
  expect(fold.result()).toEqual([2, 2, 2]);
});

test('HistogramAccumulator leaves out NaN and infinities, and what lies behind the rows', () => {
  expect(histogramOf([Number.NaN, 2, Number.POSITIVE_INFINITY])).toEqual([[2, 1]]);
  const fold = new HistogramAccumulator();
  fold.addAll(Float64Array.of(1, 99), 1);
  expect(fold.result()).toEqual([[1, 1]]);
});

test('fittedValues() gives a mean and the deviation of all rows, and no value to a check', () => {
  const statistics = [
    { id: 'm', kind: 'moments', sql: 'x' },
    { id: 'n', kind: 'missing', sql: 'y' },
  ] as const;
  const sum = { ...empty, moments: { m: [4, 7, 36] as const }, missing: { n: 3 } };
  expect(fittedValues(statistics, sum)).toStrictEqual({ m: { numbers: [7, 3] } });
});

test('fittedValues() of a quantile without values names it, shortened', () => {
  const sql = `${'x'.repeat(200)}tail`;
  const statistic = { id: 'q', kind: 'quantile', p: 0.5, sql } as const;
  expect(() => fittedValues([statistic], { ...empty, quantiles: { q: [] } })).toThrow(
    refusal(
      'FEATURE_MISSING',
      `Cannot fit quantile of ${'x'.repeat(200)}: 0 training rows hold a finite value`,
    ),
  );
});

test.each([
  [0, 1],
  [0.25, 1],
  [0.26, 2],
  [1, 4],
])('quantile %d of 1 2 3 4 is %d', (p, expected) => {
  const statistic = { id: 'q', kind: 'quantile', p, sql: 'x' } as const;
  const sum = { ...empty, quantiles: { q: histogramOf([4, 2, 1, 3]) } };
  expect(fittedValues([statistic], sum)).toEqual({ q: { numbers: [expected] } });
});

test('frequent values are sorted by count, and the partial stays as it is', () => {
  const counts: [string, number][] = [
    ['a', 1],
    ['b', 3],
    ['c', 2],
  ];
  const statistic = { id: 'f', kind: 'frequent', limit: 2, sql: 's' } as const;
  const sum = { ...empty, frequent: { f: counts } };
  expect(fittedValues([statistic], sum)).toEqual({ f: { strings: ['b', 'c'] } });
  expect(counts.map(([value]) => value)).toEqual(['a', 'b', 'c']);
});

test('checkVocabulary() takes as many characters as its limit', () => {
  const half = 'x'.repeat(LIMITS.vocabularyCharactersMax / 2);
  const counts = [
    [half, 1],
    [half, 1],
  ] as const;
  expect(checkVocabulary(counts)).toBe(counts);
});
