// What becomes of slots: a table of situations, and absences of every length.
import { expect, test } from 'vitest';
import { type JobId, jobIdOf } from '../../../common/ids.ts';
import { LIMITS } from '../../../common/limits.ts';
import {
  decideDue,
  decideOne,
  nextDue,
  type Standing,
} from '../../../coordinator/trigger/decide.ts';
import { scheduleOf } from '../../../coordinator/trigger/on/on.ts';
import { slotOf } from '../../../coordinator/trigger/slots.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const T0 = Date.UTC(2026, 5, 1, 0, 0);
const hourly = scheduleOf({ cron: '0 * * * *', timeZone: 'UTC' });
const minutely = scheduleOf({ cron: '* * * * *', timeZone: 'UTC' });
const jobOf = (slot: string): JobId => jobIdOf('trigger', slot);
const job = (name: string): JobId => name as JobId;

const standing = (change: Partial<Standing> = {}, spec = {}): Standing => ({
  entry: 3,
  since: T0,
  recordedTo: 0,
  recordedAt: 0,
  open: [],
  spec: { overlap: 'skip', catchUp: 'none', paused: false, ...spec },
  ...change,
});
const kinds = (of: Standing, now: number, schedule = hourly): string[] =>
  decideDue(of, schedule, { now, jobOf }).map(({ kind, slot }) => `${slot.slice(9, 13)} ${kind}`);

test('decideDue() has nothing before the first slot behind the entry, and fires it when it comes', () => {
  expect(kinds(standing(), T0)).toEqual([]);
  expect(kinds(standing(), T0 + HOUR - 1)).toEqual([]);
  expect(kinds(standing({ since: T0 + 1 }), T0 + HOUR)).toEqual(['0100 fired']);
  const [firing] = decideDue(standing(), hourly, { now: T0 + HOUR + 7, jobOf });
  expect(firing).toEqual({
    formatVersion: 1,
    slot: '20260601T010000Z',
    dueAt: T0 + HOUR,
    at: T0 + HOUR + 7,
    after: null,
    kind: 'fired',
    job: jobOf('20260601T010000Z'),
    entry: 3,
  });
});

test('decideDue() leaves alone what has a record, what was due before the entry, and all while paused', () => {
  expect(kinds(standing({ recordedTo: T0 + HOUR }), T0 + HOUR + 1)).toEqual([]);
  expect(kinds(standing({ since: T0 + 2 * HOUR }), T0 + 2 * HOUR + 1)).toEqual([]);
  expect(kinds(standing({}, { paused: true }), T0 + 9 * HOUR)).toEqual([]);
  expect(nextDue(standing({}, { paused: true }), hourly)).toBeUndefined();
  expect(nextDue(standing({ recordedTo: T0 + 5 * HOUR }), hourly)).toBe(T0 + 6 * HOUR);
});

test('decideDue() fires a slot up to 60 s late, and misses it then', () => {
  const late = T0 + HOUR + LIMITS.triggerGraceMs;
  expect(kinds(standing(), late)).toEqual(['0100 fired']);
  expect(kinds(standing(), late + 1)).toEqual(['0100 missed']);
  expect(kinds(standing(), T0 + 3 * HOUR + 5)).toEqual([
    '0100 missed',
    '0200 missed',
    '0300 fired',
  ]);
});

test('decideDue() makes up for the newest missed slot alone, and only where none is on time', () => {
  const last = standing({}, { catchUp: 'last' });
  expect(kinds(last, T0 + 3.5 * HOUR)).toEqual(['0100 missed', '0200 missed', '0300 fired']);
  expect(kinds(last, T0 + 3 * HOUR + 5)).toEqual(['0100 missed', '0200 missed', '0300 fired']);
});

test('a missed slot says since when nobody was there', () => {
  const of = standing({ recordedTo: T0 + HOUR, recordedAt: T0 + HOUR + 3_000 });
  const [firing] = decideDue(of, hourly, { now: T0 + 2.5 * HOUR, jobOf });
  expect(firing).toMatchObject({
    kind: 'missed',
    reason:
      'no coordinator with a store looked at it within 60 s; the last sign of one before is of 2026-06-01T01:00:03Z',
  });
});

test('a missed slot names the newest open job, as any other record does, and fires none', () => {
  const of = standing({ open: [job('j-0'), job('j-1'), job('j-2')] });
  const records = decideDue(of, hourly, { now: T0 + 2.5 * HOUR, jobOf });
  expect(records.map(({ kind, after }) => [kind, after])).toEqual([
    ['missed', 'j-2'],
    ['missed', 'j-2'],
  ]);
  const [alone] = decideDue(standing(), hourly, { now: T0 + 1.5 * HOUR, jobOf });
  expect(alone).toMatchObject({ kind: 'missed', after: null });
});

test('decideDue() skips a slot while a job is open, and names it', () => {
  const of = standing({ open: [job('j-1'), job('j-2')] });
  expect(decideDue(of, hourly, { now: T0 + HOUR, jobOf })).toMatchObject([
    {
      kind: 'skipped',
      after: 'j-2',
      reason: 'job j-2 of an earlier slot has not ended, and overlap is "skip"',
    },
  ]);
});

test('two slots found at once: the second sees the job of the first', () => {
  const now = T0 + 2 * MINUTE;
  expect(kinds(standing(), now, minutely)).toEqual(['0001 fired', '0002 skipped']);
  const [first, second] = decideDue(standing({}, { overlap: 'queue' }), minutely, { now, jobOf });
  expect(first).toMatchObject({ kind: 'fired', after: null });
  expect(second).toMatchObject({ kind: 'fired', after: jobOf('20260601T000100Z') });
});

test('overlap "queue" lets ten jobs wait, and skips the next', () => {
  const jobs = Array.from({ length: 12 }, (_, n) => job(`j-${n}`));
  const one = (count: number) =>
    decideOne(
      standing({ open: jobs.slice(0, count) }, { overlap: 'queue' }),
      { slot: slotOf(T0), dueAt: T0 },
      { now: T0, jobOf },
    );
  expect(one(0)).toMatchObject({ kind: 'fired', after: null });
  expect(one(10)).toMatchObject({ kind: 'fired', after: 'j-9' });
  expect(one(11)).toMatchObject({
    kind: 'skipped',
    reason: '10 jobs of earlier slots wait already, expected fewer than 10; the last is j-10',
  });
});

test('after a long absence the newest hundred have records; the oldest of them counts those before', () => {
  const absent = (slots: number) =>
    decideDue(standing(), minutely, { now: T0 + slots * MINUTE + 30_000, jobOf });
  expect(absent(100).map(({ kind }) => kind)).toEqual([...Array(99).fill('missed'), 'fired']);
  expect(absent(100)[0]).not.toHaveProperty('reason', expect.stringContaining('before it'));
  expect(absent(130)).toHaveLength(100);
  expect(absent(130)[0]).toHaveProperty(
    'reason',
    expect.stringMatching(/; 30 missed before it have no record of their own$/),
  );
  expect(absent(130)[1]).not.toHaveProperty('reason', expect.stringContaining('before it'));
  const year = absent(365 * 1440);
  expect(year).toHaveLength(100);
  expect(year[0]).toHaveProperty('reason', expect.stringContaining('; more than 1000 missed'));
  expect(year.at(-1)!.dueAt).toBe(T0 + 365 * 1440 * MINUTE);
});

test('decideDue() asks the schedule a bounded number of times, however long the absence', () => {
  for (const [schedule, years] of [
    [minutely, 20],
    [scheduleOf({ cron: '0 3 29 2 *', timeZone: 'Europe/Berlin' }), 400],
  ] as const) {
    let asked = 0;
    const counting = {
      next(after: number) {
        asked += 1;
        return schedule.next(after);
      },
    };
    const now = T0 + years * 365 * 24 * HOUR;
    expect(decideDue(standing(), counting, { now, jobOf }).length).toBeGreaterThan(10);
    expect(asked).toBeLessThan(2_500);
  }
});
