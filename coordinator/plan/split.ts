// The split: which key a row is split by, and where the cut-offs lie.
// In: the spec's split, the newest key that `clean` kept. Out: SQL for the key; ranges (after, upTo] of it.
// Why cut-offs apart from the key: parts hold the key, so other fractions or newer data make none stale.
import { GristmillError } from '../../common/errors.ts';
import type { SplitRange, SplitRanges } from '../../common/stage/terms.ts';
import type { Split } from '../../common/wire/job/training.ts';

/** Basis points: fractions as integers. */
const POINTS = 10_000;
const SALT = 'gristmill split 1';

/** BIGINT: microseconds UTC for time, 0 … 9,999 for hash. `columns` are casts to canonical types, by name. */
export function splitKeySql(
  split: Split,
  canonical: (column: string) => { readonly sql: string; readonly type: string },
): string {
  if (split.by === 'time') {
    const { sql, type } = canonical(split.column);
    if (type === 'time') return `epoch_us(${sql})`;
    throw new GristmillError(
      'SQL_TYPE',
      `Cannot split by time of column ${JSON.stringify(split.column)}: it is a ${type}, expected a date or timestamp`,
    );
  }
  const words = split.columns.map((column) => canonicalText(canonical(column)));
  // '||' is NULL if any column is: such a row has no key, and is counted as dropped
  const joined = [`'${SALT}'`, ...words].join(` || chr(31) || `);
  return `(md5_number_lower(${joined}) % ${POINTS})::BIGINT`;
}

function canonicalText({ sql, type }: { readonly sql: string; readonly type: string }): string {
  if (type === 'time') return `epoch_us(${sql})::VARCHAR`;
  return type === 'number' ? `(${sql})::DOUBLE::VARCHAR` : `(${sql})`;
}

const UNITS_US: Readonly<Record<string, number>> = {
  s: 1e6,
  m: 60e6,
  h: 3600e6,
  d: 86_400e6,
  w: 604_800e6,
};

/** "30d" → microseconds. */
export const durationUs = (text: string): number =>
  Number(text.slice(0, -1)) * UNITS_US[text.at(-1)!]!;

/** True where cut-offs need the distribution of keys, not just the newest one. */
export const needsQuantiles = (split: Split): boolean =>
  split.by === 'time' && (typeof split.validation === 'number' || typeof split.test === 'number');

/**
 * Ranges by time. `newest` is the newest key kept; `quantile(p)` is asked only for fractions.
 *
 *     … train … (gap) ] validation (gap) ] test ]
 *                     ^ newest − test − validation   ^ newest − test     newest
 */
export function timeRanges(
  split: Extract<Split, { by: 'time' }>,
  newest: number,
  quantile: (p: number) => number,
): SplitRanges {
  const gap = split.gap === undefined ? 0 : durationUs(split.gap);
  const testAfter =
    typeof split.test === 'number' ? quantile(1 - split.test) : newest - durationUs(split.test);
  const validationAfter =
    typeof split.validation === 'number'
      ? quantile(1 - (typeof split.test === 'number' ? split.test : 0) - split.validation)
      : testAfter - gap - durationUs(split.validation);
  return {
    train: { after: null, upTo: validationAfter - gap },
    validation: { after: validationAfter, upTo: testAfter - gap },
    test: { after: testAfter, upTo: newest },
  };
}

/** Ranges by hash: test has the lowest basis points, then validation; the rest trains. */
export function hashRanges(split: Extract<Split, { by: 'hash' }>): SplitRanges {
  const test = Math.round(split.test * POINTS);
  const validation = Math.round(split.validation * POINTS);
  return {
    test: { after: null, upTo: test - 1 },
    validation: { after: test - 1, upTo: test + validation - 1 },
    train: { after: test + validation - 1, upTo: null },
  };
}

export const overlaps = (
  range: SplitRange,
  keys: { readonly min: number; readonly max: number },
): boolean =>
  (range.after === null || keys.max > range.after) &&
  (range.upTo === null || keys.min <= range.upTo);
