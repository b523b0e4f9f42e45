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
    'at least 100001 distinct values, expected at most 100000',
  );
  const long = partial(0, 2, 'x'.repeat(LIMITS.vocabularyCharactersMax / 2));
  expect(() => checkVocabulary(long.frequent.f!)).toThrow(
    '2 distinct values have 33554444 characters',
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
    /Cannot fit moments of "x": 0 training rows/,
  );
});
