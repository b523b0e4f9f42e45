// A row of the table of feature functions, and the odd inputs on which every row says its value.
// In: nothing. Out: types and probes. Why probes in the row: documentation and parity test read the same numbers.
//
// What stands in a value's place when it is missing: NULL in SQL; NaN, '' or INT64_MIN in ONNX.
// Numbers are float64 in both targets. SQL never holds NaN: whatever can make one is wrapped in nullif.

export type ValueKind = 'number' | 'text' | 'time' | 'boolean' | 'category';
export type ArgKind = ValueKind | 'median, mean or a constant' | 'a constant' | 'a count';

/** A row of the documentation, and of the parity test that runs `example` on each probe in both targets. */
export type FeatureFunction = {
  readonly name: string;
  /** Other names that DuckDB has for it. */
  readonly also?: readonly string[];
  readonly takes: readonly ArgKind[];
  readonly gives: 'number' | 'category';
  readonly says: string;
  /** Over the columns x (number), s (text), t (time); fitted as in EXAMPLE_FITTED. */
  readonly example: string;
  /** Its value for each probe of its first argument's kind; null is missing. */
  readonly on: Readonly<Record<string, number | null>>;
};

/** Odd inputs, by the kind of the first argument. */
export const PROBES = {
  number: {
    missing: null,
    zero: 0,
    'minus two': -2,
    infinite: Infinity,
    'minus infinite': -Infinity,
  },
  text: { missing: null, empty: '', known: 'B', unseen: 'Z' },
  /** A leap day in a century year, 23:59:59.999999, before 1970; and a year past the last. */
  time: {
    missing: null,
    'leap day': '1600-02-29 23:59:59.999999',
    'year 10000': '10000-01-01 00:00:00',
  },
} as const satisfies Record<string, Readonly<Record<string, number | string | null>>>;

/** What the examples are fitted with. */
export const EXAMPLE_FITTED = {
  quantile: { numbers: [3] },
  moments: { numbers: [1, 2] },
  frequent: { strings: ['A', 'B'] },
} as const;

/** Values of a numeric function on PROBES.number. */
export const probes = (
  missing: number | null,
  zero: number | null,
  minusTwo: number | null,
  infinite: number | null,
  minusInfinite: number | null,
): FeatureFunction['on'] => ({
  missing,
  zero,
  'minus two': minusTwo,
  infinite,
  'minus infinite': minusInfinite,
});
