// Statistics of the training rows as mergeable partials: moments, quantiles, frequent values, counts.
// In: columns of one part. Out: a partial; partials merge left to right in key order; then fitted values.
// Why histograms of truncated keys for quantiles: merging is adding integers, so order cannot matter.
import { GristmillError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import type { SplitCounts, Statistic } from '../stage/fit.ts';
import type { FittedValue } from '../stage/terms.ts';

/** n, mean and Σ(x − mean)² (M2): sums of squares lose every digit when the mean is large. */
export type Moments = readonly [n: number, mean: number, m2: number];

export type FitPartial = {
  readonly moments: Readonly<Record<string, Moments>>;
  /** Ascending [key, count]; a key is the float64 truncated to 16 bits of mantissa. */
  readonly quantiles: Readonly<Record<string, readonly (readonly [key: number, count: number])[]>>;
  /** [value, count] in UTF-8 byte order. */
  readonly frequent: Readonly<Record<string, readonly (readonly [value: string, count: number])[]>>;
  readonly missing: Readonly<Record<string, number>>;
  readonly counts: SplitCounts | null;
};

/** Welford's running moments; rows in order, so the bits are fixed. NaN and ±∞ are left out. */
export class MomentsAccumulator {
  #n = 0;
  #mean = 0;
  #m2 = 0;
  addAll(values: Float64Array, rows: number): void {
    for (let i = 0; i < rows; i++) {
      const x = values[i]!;
      if (!Number.isFinite(x)) continue;
      this.#n += 1;
      const delta = x - this.#mean;
      this.#mean += delta / this.#n;
      this.#m2 += delta * (x - this.#mean);
    }
  }
  result(): Moments {
    return [this.#n, this.#mean, this.#m2];
  }
}

/** Bits cut off the upper word of a float64. */
export const QUANTILE_KEY_SHIFT = 4;

/** Counts per truncated key: sign, 11 bits of exponent and 16 of mantissa, 28 bits in all. */
export class HistogramAccumulator {
  readonly #counts = new Map<number, number>();
  readonly #float = new Float64Array(1);
  readonly #words = new Uint32Array(this.#float.buffer);
  addAll(values: Float64Array, rows: number): void {
    for (let i = 0; i < rows; i++) {
      const x = values[i]!;
      if (!Number.isFinite(x)) continue;
      this.#float[0] = x + 0; // −0 becomes 0
      const key = this.#words[1]! >>> QUANTILE_KEY_SHIFT;
      this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
    }
  }
  result(): (readonly [number, number])[] {
    return [...this.#counts]
      .map(([key, n]) => [this.#value(key), n] as const)
      .sort(([a], [b]) => a - b);
  }
  #value(key: number): number {
    this.#words[0] = 0;
    this.#words[1] = (key << QUANTILE_KEY_SHIFT) >>> 0;
    return this.#float[0]!;
  }
}

export function mergeFit(left: FitPartial, right: FitPartial): FitPartial {
  return {
    moments: zip(left.moments, right.moments, mergeMoments),
    quantiles: zip(left.quantiles, right.quantiles, (a, b) => mergeCounts(a, b, (x, y) => x - y)),
    frequent: zip(left.frequent, right.frequent, (a, b) =>
      checkVocabulary(mergeCounts(a, b, compareUtf8)),
    ),
    missing: zip(left.missing, right.missing, (a, b) => a + b),
    counts: left.counts && right.counts ? mergeSplitCounts(left.counts, right.counts) : null,
  };
}

function zip<V>(
  a: Readonly<Record<string, V>>,
  b: Readonly<Record<string, V>>,
  merge: (a: V, b: V) => V,
): Record<string, V> {
  return Object.fromEntries(Object.keys(a).map((id) => [id, merge(a[id]!, b[id]!)]));
}

export function mergeMoments([n1, mean1, m1]: Moments, [n2, mean2, m2]: Moments): Moments {
  const n = n1 + n2;
  if (n === 0) return [0, 0, 0];
  const delta = mean2 - mean1;
  return [n, mean1 + (delta * n2) / n, m1 + m2 + (delta * delta * n1 * n2) / n];
}

function mergeCounts<K>(
  a: readonly (readonly [K, number])[],
  b: readonly (readonly [K, number])[],
  compare: (x: K, y: K) => number,
): (readonly [K, number])[] {
  const merged: (readonly [K, number])[] = [];
  let [i, j] = [0, 0];
  while (i < a.length && j < b.length) {
    const order = compare(a[i]![0], b[j]![0]);
    if (order < 0) merged.push(a[i++]!);
    else if (order > 0) merged.push(b[j++]!);
    else merged.push([a[i]![0], a[i++]![1] + b[j++]![1]]);
  }
  return [...merged, ...a.slice(i), ...b.slice(j)];
}

function mergeSplitCounts(a: SplitCounts, b: SplitCounts): SplitCounts {
  const add = (x: readonly number[], y: readonly number[]): number[] => x.map((n, i) => n + y[i]!);
  return {
    train: add(a.train, b.train),
    validation: add(a.validation, b.validation),
    test: add(a.test, b.test),
    labelSum: {
      train: a.labelSum.train + b.labelSum.train,
      validation: a.labelSum.validation + b.labelSum.validation,
      test: a.labelSum.test + b.labelSum.test,
    },
  };
}

/** The fitted values of all statistics but `missing`, which is a check and not a value. */
export function fittedValues(
  statistics: readonly Statistic[],
  sum: FitPartial,
): Record<string, FittedValue> {
  const values: Record<string, FittedValue> = {};
  for (const statistic of statistics) {
    const value = fittedValue(statistic, sum);
    if (value) values[statistic.id] = value;
  }
  return values;
}

function fittedValue(statistic: Statistic, sum: FitPartial): FittedValue | undefined {
  switch (statistic.kind) {
    case 'moments': {
      const [n, mean, m2] = sum.moments[statistic.id]!;
      if (n === 0) throw noValues(statistic);
      return { numbers: [mean, Math.sqrt(m2 / n)] };
    }
    case 'quantile':
      return { numbers: [quantile(statistic, sum.quantiles[statistic.id]!)] };
    case 'frequent':
      return { strings: mostFrequent(sum.frequent[statistic.id]!, statistic.limit) };
    case 'missing':
      return undefined;
  }
}

const noValues = (statistic: Statistic): GristmillError =>
  new GristmillError(
    'FEATURE_MISSING',
    `Cannot fit ${statistic.kind} of ${statistic.sql.slice(0, 200)}: 0 training rows hold a finite value, expected at least 1`,
  );

/** The smallest key whose cumulated count reaches p of all (`quantile_disc`). */
function quantile(
  statistic: Extract<Statistic, { kind: 'quantile' }>,
  counts: readonly (readonly [number, number])[],
): number {
  const total = counts.reduce((sum, [, n]) => sum + n, 0);
  if (total === 0) throw noValues(statistic);
  const rank = Math.max(1, Math.ceil(statistic.p * total));
  let seen = 0;
  for (const [key, n] of counts) {
    seen += n;
    if (seen >= rank) return key;
  }
  return counts.at(-1)![0];
}

function mostFrequent(counts: readonly (readonly [string, number])[], limit: number): string[] {
  // `counts` is in UTF-8 order and sort is stable, so ties stay in that order
  return [...checkVocabulary(counts)]
    .sort(([, a], [, b]) => b - a)
    .slice(0, limit)
    .map(([value]) => value);
}

/**
 * Merging only adds values, so what is too much in one place is too much in the end: it is refused where it is met, and
 * no place holds more than this of each side.
 */
export function checkVocabulary<T extends readonly (readonly [string, number])[]>(counts: T): T {
  if (counts.length > LIMITS.vocabularyMax) throw tooMany(counts.length);
  const characters = counts.reduce((sum, [value]) => sum + value.length, 0);
  if (characters <= LIMITS.vocabularyCharactersMax) return counts;
  throw new GristmillError(
    'PLAN_TOO_LARGE',
    `Cannot fit a vocabulary: ${counts.length} distinct values have ${characters} characters, expected at most ${LIMITS.vocabularyCharactersMax}; shorten or hash them`,
  );
}

const tooMany = (found: number): GristmillError =>
  new GristmillError(
    'PLAN_TOO_LARGE',
    `Cannot fit a vocabulary: at least ${found} distinct values, expected at most ${LIMITS.vocabularyMax}`,
  );

/** Order of UTF-8 bytes, as DuckDB's; JavaScript's own is UTF-16's. */
export const compareUtf8 = (a: string, b: string): number =>
  Buffer.compare(Buffer.from(a), Buffer.from(b));
