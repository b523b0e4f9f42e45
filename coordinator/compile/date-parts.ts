// Parts of a time: a row each, with both targets.
// In: nothing. Out: for each part its range, its SQL and its ONNX nodes over the calendar numbers of a time in UTC.
// Why int64 arithmetic: ONNX has no dates, and float64 would lose microseconds. Days are counted from 0000-03-01: no
// integer division meets a negative number, and the leap day comes last; month and day stand in tables of 366 days.
import type { GraphBuilder } from '../../common/onnx/build.ts';
import type { FeatureFunction } from './probes.ts';

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

type DatePart = Pick<FeatureFunction, 'also'> & {
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
    also: ['dayofweek', 'dow'],
    says: 'day of the week, Sunday is 0',
    min: 0,
    max: 6,
    leapDay: 2,
    sql: (t) => `dayofweek(${t})`,
    onnx: (b, c) => modulo(b, plus(b, c.days, 3), 7), // 0000-03-01 was a Wednesday
  },
  day: {
    also: ['dayofmonth'],
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
    also: ['doy'],
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

const datePartRow = (name: DatePartName): FeatureFunction => {
  const { also = [], says, min, max, leapDay } = datePart(name);
  return {
    name,
    also,
    takes: ['time'],
    gives: 'number',
    says: `${says}, ${min} … ${max}`,
    example: `${name}(t)`,
    on: { missing: null, 'leap day': leapDay, 'year 10000': null },
  };
};

export const DATE_PART_FUNCTIONS: readonly FeatureFunction[] = (
  Object.keys(DATE_PARTS) as DatePartName[]
).map(datePartRow);
