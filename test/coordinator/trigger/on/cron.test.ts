// Cron on the clocks of real zones: a year of slots, held against a walk through every minute of it.
import { expect, test } from 'vitest';

import { cron as kind } from '../../../../coordinator/trigger/on/cron.ts';
import { slotOf } from '../../../../coordinator/trigger/slots.ts';
import { randomFrom } from '../../../support/random.ts';

const { check: checkCron, schedule: scheduleOf } = kind;
const MINUTE = 60_000;
const START = Date.UTC(2026, 0, 1);
const END = Date.UTC(2027, 0, 1);

/** Both hemispheres, clocks that change by half an hour, at midnight, and never. */
const ZONES = [
  'UTC',
  'Europe/Berlin',
  'America/St_Johns',
  'America/Santiago',
  'Australia/Sydney',
  'Australia/Lord_Howe',
  'Asia/Kolkata',
  'Africa/Casablanca',
] as const;

type Local = { readonly day: number; readonly minute: number };

/** What the clocks of a zone show at every minute of the year, as UTC day and minute of the day. */
const known = new Map<string, Local[]>();
function clocksOf(timeZone: string): Local[] {
  const found = known.get(timeZone);
  if (found) return found;
  const format = new Intl.DateTimeFormat('en', {
    timeZone,
    hourCycle: 'h23',
    ...{ year: 'numeric', month: 'numeric', day: 'numeric', hour: 'numeric', minute: 'numeric' },
  });
  const shown = (at: number): number => {
    const parts = format.formatToParts(at).map(({ type, value }) => [type, Number(value)]);
    const { year, month, day, hour, minute } = Object.fromEntries(parts);
    return Date.UTC(year, month - 1, day, hour, minute);
  };
  const clocks: Local[] = [];
  for (let half = START; half < END; half += 30 * MINUTE) {
    const offset = shown(half) - half; // clocks change on half hours
    for (let at = half; at < half + 30 * MINUTE; at += MINUTE) {
      const local = at + offset;
      const day = Math.floor(local / 86_400_000);
      clocks.push({ day, minute: (local - day * 86_400_000) / MINUTE });
    }
  }
  known.set(timeZone, clocks);
  return clocks;
}

function yearOf(cron: string, timeZone: string): number[] {
  const schedule = scheduleOf({ cron, timeZone });
  const slots: number[] = [];
  for (let at = schedule.next(START - 1); at !== undefined && at < END; at = schedule.next(at))
    slots.push(at);
  return slots;
}

test.each(ZONES)('a fixed time comes exactly once on every day of the year: %s', (zone) => {
  const clocks = clocksOf(zone);
  for (const [hour, minute] of [
    [2, 30],
    [0, 0],
    [1, 45],
    [2, 0],
    [3, 0],
    [23, 59],
  ] as const) {
    const slots = yearOf(`${minute} ${hour} * * *`, zone);
    const days = slots.map((at) => clocks[(at - START) / MINUTE]!.day);
    expect(new Set(days).size, `${hour}:${minute}`).toBe(days.length);
    const wanted = hour * 60 + minute;
    const expected: number[] = [];
    clocks.forEach((local, index) => {
      const before = clocks[index - 1];
      if (!before) {
        if (local.minute === wanted) expected.push(START);
        return;
      }
      const isShown = local.minute === wanted;
      const gap = local.day * 1440 + local.minute - (before.day * 1440 + before.minute);
      const time = local.day * 1440 + wanted;
      const isSkipped =
        gap > 1 &&
        time > before.day * 1440 + before.minute &&
        time < local.day * 1440 + local.minute;
      if (isShown || isSkipped) expected.push(START + index * MINUTE);
    });
    const once = expected.filter(
      (at, index) =>
        index === 0 ||
        clocks[(at - START) / MINUTE]!.day !== clocks[(expected[index - 1]! - START) / MINUTE]!.day,
    );
    expect(slots.map(slotOf), `${hour}:${minute}`).toEqual(once.map(slotOf));
  }
});

test.each(ZONES)(
  'what recurs comes at every real minute at which the clocks show it: %s',
  (zone) => {
    const clocks = clocksOf(zone);
    const patterns: readonly [string, (local: Local) => boolean][] = [
      ['*/15 2 * * *', ({ minute }) => Math.floor(minute / 60) === 2 && minute % 15 === 0],
      ['0 */6 * * *', ({ minute }) => minute % 360 === 0],
      ['5 * * * SUN', ({ minute, day }) => minute % 60 === 5 && (day + 4) % 7 === 0],
    ];
    for (const [cron, matches] of patterns) {
      const expected = clocks.flatMap((local, index) =>
        matches(local) ? slotOf(START + index * MINUTE) : [],
      );
      expect(yearOf(cron, zone).map(slotOf), cron).toEqual(expected);
    }
  },
);

test('a daily 02:30 in Berlin: 365 slots; what the clocks skip comes when they go on, what they repeat comes first', () => {
  const slots = yearOf('30 2 * * *', 'Europe/Berlin').map(slotOf);
  expect(slots).toHaveLength(365);
  const around = (day: string) => slots.filter((slot) => slot.startsWith(day));
  expect(around('20260328')).toEqual(['20260328T013000Z']);
  expect(around('20260329')).toEqual(['20260329T010000Z']); // 03:00 summer time
  expect(around('20260330')).toEqual(['20260330T003000Z']);
  expect(around('20261025')).toEqual(['20261025T003000Z']); // 02:30 summer time
  expect(around('20261026')).toEqual(['20261026T013000Z']);
});

test('an hourly slot comes every real hour of the year, in zones of whole hours', () => {
  for (const zone of ['Europe/Berlin', 'Australia/Sydney']) {
    const slots = yearOf('15 * * * *', zone);
    expect(slots).toHaveLength(8760);
    expect(slots.every((at, index) => index === 0 || at - slots[index - 1]! === 3_600_000)).toBe(
      true,
    );
  }
});

test('a list of fixed times is fixed as well: two in one gap are one slot', () => {
  const slots = yearOf('0,30 2,14 * * *', 'Europe/Berlin').map(slotOf);
  expect(slots.filter((slot) => slot.startsWith('20260329'))).toEqual([
    '20260329T010000Z',
    '20260329T120000Z',
    '20260329T123000Z',
  ]);
  expect(slots.filter((slot) => slot.startsWith('20261025'))).toHaveLength(4);
  expect(slots).toHaveLength(4 * 365 - 1);
});

test('scheduleOf() gives the first slot behind any moment, in gaps and repeated hours, too', () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1e6);
  const random = randomFrom(seed);
  for (const zone of ZONES)
    for (const cron of ['30 2 * * *', '*/20 0-3 * * *', '0 0 * * *', '10 1-3 * * *']) {
      const slots = yearOf(cron, zone);
      const schedule = scheduleOf({ cron, timeZone: zone });
      for (let n = 0; n < 20; n++) {
        const near = slots[Math.floor(random() * (slots.length - 1))]!;
        const after = near + Math.floor((random() - 0.5) * 3 * 3_600_000);
        const expected = slots.find((at) => at > after);
        if (expected === undefined || after < START) continue;
        expect(schedule.next(after), `seed ${seed}: ${cron} ${zone} after ${after}`).toBe(expected);
      }
      for (const at of slots.slice(0, 30)) expect(schedule.next(at - 1)).toBe(at);
    }
});

const NOW = START;
test.each([
  '15 3 * * 1-5',
  '*/15 8-18 * * MON-FRI',
  '0 0 L * *',
  '0 0 1,15 jan-jun *',
  '0 0 * * MON#1',
  '0 0 29 2 *',
  '  5   4 * * 7 ',
])('checkCron() takes %j', (cron) => {
  expect(checkCron({ cron, timeZone: 'Europe/Berlin' }, NOW)).toEqual([]);
});

test.each([
  [
    '* * * *',
    /^is "\* \* \* \*", expected five fields: minute hour day-of-month month day-of-week/,
  ],
  ['@noon', /expected five fields or one of "@hourly", "@daily"/],
  ['2026-01-01T00:00:00', /expected five fields/],
  ['0 15 3 * * *', /seconds are not offered/],
  ['60 3 * * *', /its minute is "60", expected 0–59/],
  ['0 24 * * *', /its hour is "24", expected 0–23/],
  ['0 3 0 * *', /its day-of-month is "0", expected 1–31/],
  ['0 3 * 13 *', /its month is "13", expected 1–12 or JAN–DEC/],
  ['0 3 * * MOM', /its day-of-week is "MOM", expected 0–7 or SUN–SAT/],
  ['x 25 * * *', /its minute is "x", expected .*; its hour is "25", expected/],
  ['5/5 * * * *', /its minute is "5\/5"/],
  ['*/0 * * * *', /its minute is "\*\/0"/],
  ['? * * * *', /its minute is "\?"/],
  ['0 3 * * +MON', /its day-of-week is "\+MON"/],
  ['0 3 30 2 *', /which never comes/],
  ['0 3 31 4,6 *', /which never comes/],
])('checkCron() refuses %j and says what was expected', (cron, detail) => {
  expect(checkCron({ cron, timeZone: 'UTC' }, NOW)).toEqual([
    { pointer: '/cron', detail: expect.stringMatching(detail) },
  ]);
});

test.each(['Mars/Base', '+02:00', 'GMT+2', 'Europe/Berlin;x', ' '])(
  'checkCron() refuses the zone %j',
  (timeZone) => {
    expect(checkCron({ cron: '0 3 * * *', timeZone }, NOW)).toEqual([
      {
        pointer: '/timeZone',
        detail: `is ${JSON.stringify(timeZone)}, expected an IANA name such as "UTC" or "Europe/Berlin"`,
      },
    ]);
  },
);

test.each([
  ['@hourly', '0 * * * *'],
  ['@daily', '0 0 * * *'],
  ['@weekly', '0 0 * * 0'],
  ['@monthly', '0 0 1 * *'],
  ['@Yearly', '0 0 1 1 *'],
])('%s is %s', (nickname, fields) => {
  const of = { timeZone: 'Europe/Berlin' };
  expect(checkCron({ cron: nickname, ...of }, NOW)).toEqual([]);
  for (const after of [START, Date.UTC(2026, 9, 25), END])
    expect(scheduleOf({ cron: nickname, ...of }).next(after)).toBe(
      scheduleOf({ cron: fields, ...of }).next(after),
    );
  expect(kind.words({ cron: nickname, ...of })).toBe(`${nickname} (Europe/Berlin)`);
});

test.each(['America/Nuuk', 'America/Scoresbysund'])(
  'a time in a gap that ends at midnight comes when the clocks go on: %s',
  (timeZone) => {
    const of = (cron: string, year: number) =>
      scheduleOf({ cron, timeZone }).next(Date.UTC(year, 2, 27, 1, 30));
    // 29 March 2025, 23:00, is 30 March, 00:00
    expect(slotOf(of('30 23 29 3 *', 2025)!)).toBe('20250330T010000Z');
    const daily = scheduleOf({ cron: '30 23 * * *', timeZone });
    const slots = [Date.UTC(2025, 2, 28)];
    while (slots.length < 5) slots.push(daily.next(slots.at(-1)!)!);
    expect(slots.slice(1).map(slotOf)).toEqual([
      '20250328T013000Z',
      '20250329T013000Z',
      '20250330T010000Z',
      '20250331T003000Z',
    ]);
    expect(slotOf(of('59 22 29 3 *', 2025)!)).toBe('20250330T005900Z');
    expect(slotOf(of('*/30 * * * *', 2025)!)).toBe('20250327T020000Z');
  },
);
