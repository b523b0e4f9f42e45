// Cron expressions on the clocks of a time zone.
// In: five fields and an IANA name. Out: the next slot after a moment; or what is wrong with them, field by field.
// Why an adapter: croner takes more than the five fields that we promise, and its errors speak of its own inside.
import { Cron } from 'croner';
import type { FieldError } from '../../common/errors.ts';
import { show } from '../../common/wire/explain.ts';

/** What a schedule was written as. */
export type CronText = { readonly cron: string; readonly timeZone: string };

/** Moments are ms since 1970, whole minutes. */
export type Schedule = {
  /** The first slot after a moment; undefined: there is none any more. */
  next(afterMs: number): number | undefined;
};

const FIELDS =
  'expected five fields: minute hour day-of-month month day-of-week, as in "15 3 * * 1-5"';
/** An instant from which each field can be tried alone. */
const TRIAL_MS = Date.UTC(2026, 0, 1);

/** Throws croner's own errors: only for what checkCron found nothing wrong with. */
export function scheduleOf({ cron, timeZone }: CronText): Schedule {
  const parsed = open(cron, timeZone);
  return { next: (afterMs) => parsed.nextRun(new Date(afterMs))?.getTime() };
}

/** [] where the schedule can be used and has a slot after `nowMs`. */
export function checkCron({ cron, timeZone }: CronText, nowMs: number): FieldError[] {
  const errors = [...checkFields(cron), ...checkZone(timeZone)];
  if (errors.length > 0) return errors;
  if (scheduleOf({ cron, timeZone }).next(nowMs) !== undefined) return [];
  const detail = `is ${show(cron)}, which never comes, expected a day that some month has`;
  return [{ pointer: '/cron', detail }];
}

/**
 * Fixed times (no "*" or step in minute and hour) come once a day: one that the clocks skip comes at the first moment
 * after the gap, one that they show twice comes the first time. Everything else comes on every real occurrence.
 */
const open = (cron: string, timezone: string): Cron =>
  new Cron(cron.trim(), { timezone, mode: '5-part', fixedTimeRule: 'no-wildcard', paused: true });

const NAMES = ['minute', 'hour', 'day-of-month', 'month', 'day-of-week'] as const;
const EXPECTED: Readonly<Record<(typeof NAMES)[number], string>> = {
  minute: '0–59, "*", "*/15", "0-30" or "0,30"',
  hour: '0–23, "*", "*/6", "8-18" or "8,20"',
  'day-of-month': '1–31, "*", "*/2", "1-7", "1,15" or "L" for the last',
  month: '1–12 or JAN–DEC, "*", "*/3", "1-6" or "1,7"',
  'day-of-week':
    '0–7 or SUN–SAT (0 and 7 are Sunday), "*", "1-5", "MON,THU" or "MON#1" for the first',
};

/** Says which of the fields is wrong: croner would tell its own index. */
function checkFields(cron: string): FieldError[] {
  const one = (detail: string): FieldError[] => [{ pointer: '/cron', detail }];
  const fields = cron.trim().split(/\s+/);
  if (fields.length === 6) return one(`is ${show(cron)}: seconds are not offered, ${FIELDS}`);
  if (fields.length !== 5) return one(`is ${show(cron)}, ${FIELDS}`);
  const wrong = NAMES.filter((_, at) => !canBe(at, fields[at]!));
  if (wrong.length > 0) {
    const found = wrong.map((name) => {
      const field = fields[NAMES.indexOf(name)]!;
      return `its ${name} is ${show(field)}, expected ${EXPECTED[name]}`;
    });
    return one(`is ${show(cron)}: ${found.join('; ')}`);
  }
  return tries(cron) ? [] : one(`is ${show(cron)}, ${FIELDS}`);
}

/** Digits, names, lists, ranges, steps, L, W and #: neither "?" nor what only some crons know. */
const canBe = (at: number, field: string): boolean =>
  /^[0-9A-Za-z*,/#-]+$/.test(field) &&
  tries(NAMES.map((_, index) => (index === at ? field : '*')).join(' '));

function tries(cron: string): boolean {
  try {
    open(cron, 'UTC').nextRun(new Date(TRIAL_MS));
    return true;
  } catch {
    return false;
  }
}

/** Offsets are no zones: they know no daylight saving, and Node knows them only in parts. */
function checkZone(timeZone: string): FieldError[] {
  const isKnown = /^[A-Za-z]/.test(timeZone) && opensZone(timeZone);
  if (isKnown) return [];
  const detail = `is ${show(timeZone)}, expected an IANA name such as "UTC" or "Europe/Berlin"`;
  return [{ pointer: '/timeZone', detail }];
}

function opensZone(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}
