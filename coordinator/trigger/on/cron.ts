// Cron expressions on the clocks of a time zone: the kind of trigger that a clock fires.
// In: five fields or a nickname, and an IANA name. Out: the next slot after a moment; or what is wrong, field by field.
// Why an adapter: croner takes more than the five fields that we promise, and its errors speak of its own inside.
import { Cron } from 'croner';
import Type from 'typebox';
import type { FieldError } from '../../../common/errors.ts';
import { show } from '../../../common/wire/explain.ts';
import { clockGaps } from './gaps.ts';
import type { OnKind, Schedule } from './on.ts';

const FIELDS =
  'expected five fields: minute hour day-of-month month day-of-week, as in "15 3 * * 1-5", or a nickname such as "@daily"';
/** An instant from which each field can be tried alone. */
const TRIAL_MS = Date.UTC(2026, 0, 1);
const MINUTE_MS = 60_000;

/** What crontabs call these. */
const NICKNAMES: Readonly<Record<string, string>> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
};
const fieldsOf = (cron: string): string => NICKNAMES[cron.trim().toLowerCase()] ?? cron.trim();

/** What a schedule was written as. */
export type CronOn = { readonly cron: string; readonly timeZone: string };
type CronInput = { readonly cron: string; readonly timeZone?: string };

export const cron = {
  schema: Type.Object(
    {
      cron: Type.String({
        minLength: 1,
        maxLength: 100,
        description: 'minute hour day-of-month month day-of-week: "15 3 * * 1-5", or "@daily"',
      }),
      timeZone: Type.Optional(
        Type.String({
          minLength: 1,
          maxLength: 64,
          default: 'UTC',
          description:
            'IANA name such as "Europe/Berlin"; the cron expression is read on its clocks',
        }),
      ),
    },
    { additionalProperties: false, title: 'cron', description: 'a clock' },
  ),
  fill: ({ cron: text, timeZone }: CronInput): CronOn => ({
    cron: text.trim().replace(/\s+/g, ' '),
    timeZone: timeZone ?? 'UTC',
  }),
  check: checkCron,
  schedule: scheduleOfCron,
  words: ({ cron: text, timeZone }: CronOn): string => `${text} (${timeZone})`,
  former: ({ cron: text, timeZone }): FieldError | undefined => {
    if (text === undefined) return undefined;
    const on = JSON.stringify({ cron: text, ...(timeZone === undefined ? {} : { timeZone }) });
    const detail = `stands beside the job, where older versions had it, expected "on": ${on.slice(0, 200)}`;
    return { pointer: '/cron', detail };
  },
} as const satisfies OnKind<CronInput, CronOn>;

/**
 * Throws croner's own errors: only for what checkCron found nothing wrong with. A fixed time that the clocks skip comes when
 * they go on; croner knows that, but where they go on at midnight it looks at the day before and passes it by.
 */
export function scheduleOfCron({ cron: text, timeZone }: CronOn): Schedule {
  const parsed = open(fieldsOf(text), timeZone);
  const onClocks = isFixed(fieldsOf(text)) ? open(fieldsOf(text), 'UTC') : undefined;
  const next = (afterMs: number): number | undefined =>
    parsed.nextRun(new Date(afterMs))?.getTime();
  if (!onClocks) return { next };
  /** Whether the clocks skip one of its times; `from` and `to` are what they show, as if it were UTC. */
  const isSkipped = ({ from, to }: { from: number; to: number }): boolean => {
    const time = onClocks.nextRun(new Date(from - MINUTE_MS))?.getTime();
    return time !== undefined && time < to;
  };
  return {
    next(afterMs) {
      const found = next(afterMs);
      const gaps = clockGaps(timeZone, { after: afterMs, before: found });
      return gaps.find((gap) => gap.endsAtMidnight && isSkipped(gap))?.at ?? found;
    },
  };
}

/** Minute and hour are times, neither recurring. */
const isFixed = (text: string): boolean => !/[*/]/.test(text.split(/\s+/).slice(0, 2).join(' '));

/** [] where the schedule can be used and has a slot after `nowMs`. */
function checkCron({ cron: text, timeZone }: CronOn, nowMs: number): FieldError[] {
  const errors = [...checkFields(text), ...checkZone(timeZone)];
  if (errors.length > 0) return errors;
  if (scheduleOfCron({ cron: text, timeZone }).next(nowMs) !== undefined) return [];
  const detail = `is ${show(text)}, which never comes, expected a day that some month has`;
  return [{ pointer: '/cron', detail }];
}

/**
 * Fixed times (no "*" or step in minute and hour) come once a day: one that the clocks skip comes at the first moment
 * after the gap, one that they show twice comes the first time. Everything else comes on every real occurrence.
 */
const open = (text: string, timezone: string): Cron =>
  new Cron(text, { timezone, mode: '5-part', fixedTimeRule: 'no-wildcard', paused: true });

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
function checkFields(text: string): FieldError[] {
  const one = (detail: string): FieldError[] => [{ pointer: '/cron', detail }];
  if (text.trim().startsWith('@') && fieldsOf(text) === text.trim()) {
    const known = Object.keys(NICKNAMES).map(show).join(', ');
    return one(`is ${show(text)}, expected five fields or one of ${known}`);
  }
  const fields = fieldsOf(text).split(/\s+/);
  if (fields.length === 6) return one(`is ${show(text)}: seconds are not offered, ${FIELDS}`);
  if (fields.length !== 5) return one(`is ${show(text)}, ${FIELDS}`);
  const wrong = NAMES.filter((_, at) => !canBe(at, fields[at]!));
  if (wrong.length > 0) {
    const found = wrong.map((name) => {
      const field = fields[NAMES.indexOf(name)]!;
      return `its ${name} is ${show(field)}, expected ${EXPECTED[name]}`;
    });
    return one(`is ${show(text)}: ${found.join('; ')}`);
  }
  return tries(fields.join(' ')) ? [] : one(`is ${show(text)}, ${FIELDS}`);
}

/** Digits, names, lists, ranges, steps, L, W and #: neither "?" nor what only some crons know. */
const canBe = (at: number, field: string): boolean =>
  /^[0-9A-Za-z*,/#-]+$/.test(field) &&
  tries(NAMES.map((_, index) => (index === at ? field : '*')).join(' '));

function tries(text: string): boolean {
  try {
    open(text, 'UTC').nextRun(new Date(TRIAL_MS));
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
