// The feature functions: one table from which documentation, error messages and tests are derived.
// In: nothing. Out: for each function what it takes, gives and does with odd input; for numeric functions
// and date parts, both targets. Why one table: a function without a serving target cannot be written down here.
//
// What stands in a value's place when it is missing: NULL in SQL; NaN, '' or INT64_MIN in ONNX.
// Numbers are float64 in both targets. SQL never holds NaN: whatever can make one is wrapped in nullif.
import type { GraphBuilder } from '../../common/onnx/build.ts';

export type ValueKind = 'number' | 'text' | 'time' | 'boolean' | 'category';
export type ArgKind = ValueKind | 'median, mean or a constant' | 'a constant' | 'a count';

/** A row of the documentation, and of the parity test that runs `example` on each probe in both targets. */
export type FeatureFunction = {
  readonly name: string;
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

type UnaryTarget = {
  readonly says: string;
  readonly on: FeatureFunction['on'];
  readonly sql: (x: string) => string;
  readonly onnx: (b: GraphBuilder, x: string) => string;
  /** How often `x` stands in the SQL: nesting multiplies. */
  readonly copies: number;
};

const NAN = (b: GraphBuilder): string => b.scalar('double', Number.NaN);
const ZERO = (b: GraphBuilder): string => b.scalar('double', 0);
const onlyWhere = (b: GraphBuilder, op: 'Greater' | 'GreaterOrEqual', x: string): string =>
  b.node('Where', [b.node(op, [x, ZERO(b)]), x, NAN(b)]);

const probes = (
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

/** Numeric functions of one argument, with both targets. */
export const UNARY = {
  abs: {
    says: 'without its sign',
    on: probes(null, 0, 2, Infinity, Infinity),
    sql: (x) => `abs(${x})`,
    onnx: (b, x) => b.node('Abs', [x]),
    copies: 1,
  },
  log1p: {
    says: 'ln(1 + x); missing where x ≤ −1',
    on: probes(null, 0, null, Infinity, null),
    // ln raises on 0 and below; greatest skips NULL, so NULL becomes 0 and then NULL again
    sql: (x) => `ln(nullif(greatest('1'::DOUBLE + ${x}, 0), 0))`,
    onnx: (b, x) => {
      const sum = b.node('Add', [b.scalar('double', 1), x]);
      return b.node('Log', [onlyWhere(b, 'Greater', sum)]);
    },
    copies: 1,
  },
  ln: {
    says: 'natural logarithm; missing where x ≤ 0',
    on: probes(null, null, null, Infinity, null),
    sql: (x) => `ln(nullif(greatest(${x}, 0), 0))`,
    onnx: (b, x) => b.node('Log', [onlyWhere(b, 'Greater', x)]),
    copies: 1,
  },
  exp: {
    says: 'e to the power of x',
    on: probes(null, 1, Math.exp(-2), Infinity, 0),
    sql: (x) => `exp(${x})`,
    onnx: (b, x) => b.node('Exp', [x]),
    copies: 1,
  },
  sqrt: {
    says: 'square root; missing where x < 0',
    on: probes(null, 0, null, Infinity, null),
    sql: (x) => `sqrt(CASE WHEN ${x} >= 0 THEN ${x} END)`,
    onnx: (b, x) => b.node('Sqrt', [onlyWhere(b, 'GreaterOrEqual', x)]),
    copies: 2,
  },
  floor: {
    says: 'the next integer below',
    on: probes(null, 0, -2, Infinity, -Infinity),
    sql: (x) => `floor(${x})`,
    onnx: (b, x) => b.node('Floor', [x]),
    copies: 1,
  },
  ceil: {
    says: 'the next integer above',
    on: probes(null, 0, -2, Infinity, -Infinity),
    sql: (x) => `ceil(${x})`,
    onnx: (b, x) => b.node('Ceil', [x]),
    copies: 1,
  },
} as const satisfies Record<string, UnaryTarget>;
export type UnaryName = keyof typeof UNARY;
export const unaryTarget = (name: UnaryName): UnaryTarget => UNARY[name];

/** Calendar numbers of a time in UTC, from int64 arithmetic that never meets a negative number. */
export type CalendarNames = {
  /** Microseconds within the day. */
  readonly ofDay: string;
  /** Days since 0000-03-01. */
  readonly days: string;
  /** Day of a year that begins on 1 March, 0 … 365. */
  readonly marchDay: string;
  /** Year that begins on 1 March. */
  readonly marchYear: string;
  /** 1 where the calendar year of marchYear has a 29 February, else 0. */
  readonly leap: string;
};

type DatePart = {
  readonly says: string;
  readonly min: number;
  readonly max: number;
  readonly leapDay: number;
  readonly sql: (t: string) => string;
  /** int64 from int64. */
  readonly onnx: (b: GraphBuilder, calendar: CalendarNames) => string;
};

const whole = (b: GraphBuilder, value: number): string => b.int64([value], []);
const divided = (b: GraphBuilder, x: string, by: number): string =>
  b.node('Div', [x, whole(b, by)]);
const modulo = (b: GraphBuilder, x: string, by: number): string => b.node('Mod', [x, whole(b, by)]);
const plus = (b: GraphBuilder, x: string, y: number): string => b.node('Add', [x, whole(b, y)]);

/** A value of each of the 366 days from 1 March to the 29 February of a leap year. */
const byMarchDay = (b: GraphBuilder, day: string, of: (date: Date) => number): string => {
  const values = Array.from({ length: 366 }, (_, i) => of(new Date(Date.UTC(2003, 2, 1 + i))));
  return b.node('Gather', [b.int64(values), day]);
};

/** Adds one to the years of January and February, which end a year that began on 1 March. */
const afterFebruary = (b: GraphBuilder, day: string): string =>
  b.node('Cast', [b.node('GreaterOrEqual', [day, whole(b, 306)])], {
    attributes: { to: { kind: 'int', value: 7 } },
  });

export const DATE_PARTS = {
  minute: {
    says: 'minute of the hour',
    min: 0,
    max: 59,
    leapDay: 59,
    sql: (t) => `minute(${t})`,
    onnx: (b, c) => modulo(b, divided(b, c.ofDay, 60_000_000), 60),
  },
  hour: {
    says: 'hour of the day',
    min: 0,
    max: 23,
    leapDay: 23,
    sql: (t) => `hour(${t})`,
    onnx: (b, c) => divided(b, c.ofDay, 3_600_000_000),
  },
  weekday: {
    says: 'day of the week, Sunday is 0',
    min: 0,
    max: 6,
    leapDay: 2,
    sql: (t) => `dayofweek(${t})`,
    onnx: (b, c) => modulo(b, plus(b, c.days, 3), 7), // 0000-03-01 was a Wednesday
  },
  day: {
    says: 'day of the month',
    min: 1,
    max: 31,
    leapDay: 29,
    sql: (t) => `day(${t})`,
    onnx: (b, c) => byMarchDay(b, c.marchDay, (date) => date.getUTCDate()),
  },
  month: {
    says: 'month',
    min: 1,
    max: 12,
    leapDay: 2,
    sql: (t) => `month(${t})`,
    onnx: (b, c) => byMarchDay(b, c.marchDay, (date) => date.getUTCMonth() + 1),
  },
  quarter: {
    says: 'quarter of the year',
    min: 1,
    max: 4,
    leapDay: 1,
    sql: (t) => `quarter(${t})`,
    onnx: (b, c) => byMarchDay(b, c.marchDay, (date) => Math.floor(date.getUTCMonth() / 3) + 1),
  },
  dayofyear: {
    says: 'day of the year',
    min: 1,
    max: 366,
    leapDay: 60,
    sql: (t) => `dayofyear(${t})`,
    // 1 March is day 60, or 61 after a 29 February; from 1 January on, days count from 1 again
    onnx: (b, c) => {
      const spring = b.node('Add', [plus(b, c.marchDay, 60), c.leap]);
      const winter = plus(b, c.marchDay, -305);
      return b.node('Where', [b.node('Less', [c.marchDay, whole(b, 306)]), spring, winter]);
    },
  },
  year: {
    says: 'year',
    min: 1,
    max: 9999,
    leapDay: 1600,
    sql: (t) => `year(${t})`,
    onnx: (b, c) => b.node('Add', [c.marchYear, afterFebruary(b, c.marchDay)]),
  },
} as const satisfies Record<string, DatePart>;
export type DatePartName = keyof typeof DATE_PARTS;
export const datePart = (name: DatePartName): DatePart => DATE_PARTS[name];

const unaryRow = (name: UnaryName): FeatureFunction => ({
  name,
  takes: ['number'],
  gives: 'number',
  says: UNARY[name].says,
  example: `${name}(x)`,
  on: UNARY[name].on,
});

const datePartRow = (name: DatePartName): FeatureFunction => {
  const { says, min, max, leapDay } = datePart(name);
  return {
    name,
    takes: ['time'],
    gives: 'number',
    says: `${says}, ${min} … ${max}`,
    example: `${name}(t)`,
    on: { missing: null, 'leap day': leapDay, 'year 10000': null },
  };
};

/** Every function that a feature may call. Operators, CASE, coalesce and casts are syntax: OPERATORS. */
export const FUNCTIONS: readonly FeatureFunction[] = [
  {
    name: 'impute',
    takes: ['number', 'median, mean or a constant'],
    gives: 'number',
    says: 'x, or where it is missing the median or mean of the training rows, or a constant',
    example: `impute(x, 'median')`,
    on: probes(3, 0, -2, Infinity, -Infinity),
  },
  {
    name: 'standardize',
    takes: ['number'],
    gives: 'number',
    says: '(x − mean) / standard deviation of the training rows; the deviation 0 counts as 1',
    example: 'standardize(x)',
    on: probes(null, -0.5, -1.5, Infinity, -Infinity),
  },
  {
    name: 'clip',
    takes: ['number', 'a constant', 'a constant'],
    gives: 'number',
    says: 'x, or the nearer of the two bounds where it lies outside them',
    example: 'clip(x, -1, 5)',
    on: probes(null, 0, -1, 5, -1),
  },
  ...(Object.keys(UNARY) as UnaryName[]).map(unaryRow),
  ...(Object.keys(DATE_PARTS) as DatePartName[]).map(datePartRow),
  {
    name: 'category',
    takes: ['number'],
    gives: 'category',
    says: 'a code for each value of a date part (2 + value − its least) or of a condition (2 false, 3 true); 0 where missing',
    example: 'category(hour(t))',
    on: { missing: 0, 'leap day': 25, 'year 10000': 0 },
  },
  {
    name: 'vocabulary',
    takes: ['text', 'a count'],
    gives: 'category',
    says: 'a code for each of the most frequent values of the training rows, from 2; 0 where missing or empty, 1 for any other',
    example: 'vocabulary(s, 2)',
    on: { missing: 0, empty: 0, known: 3, unseen: 1 },
  },
];

export const FUNCTION_NAMES: ReadonlySet<string> = new Set(FUNCTIONS.map(({ name }) => name));

/** Syntax that both targets have, for documentation and messages. */
export const OPERATORS: readonly { readonly form: string; readonly says: string }[] = [
  {
    form: '+ − * /',
    says: 'float64; missing if either side is, where the result is undefined, and for x / 0',
  },
  {
    form: '= <> < <= > >= between, in (…)',
    says: 'a condition; false where either side is missing',
  },
  { form: 'and or not', says: 'of conditions; `not` of a false condition is true' },
  { form: 'is null, is not null', says: 'whether a column or number is missing; empty text is' },
  { form: 'case when … then … else … end', says: 'of numbers; without `else` missing' },
  { form: 'coalesce(x, …)', says: 'the first number that is not missing' },
  { form: 'x::double, condition::integer', says: 'a condition is 1 or 0, a number stays as it is' },
  { form: `s = 'text', s in ('a', 'b')`, says: 'a text column against constants' },
];
