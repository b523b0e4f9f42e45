// How rows are split into training, validation and test.
// In: the columns' figures. Out: a split of the job, why it, and what it needs.
// Why time first: tomorrow's rows are what a model meets; a random split lets it look at the day that it is tested on.

import type { Split } from '../../common/wire/job/training.ts';
import type { ColumnView, DatasetView } from '../../common/wire/survey.ts';
import { figure, percent } from './names.ts';

export type SplitChoice = {
  readonly split: Split;
  readonly why: string;
  /** Columns without which a row has no split key, and which miss values. */
  readonly require: readonly string[];
  readonly warnings: readonly string[];
};

const SHARE = 0.15;

export function chooseSplit(view: DatasetView, labelColumns: readonly string[]): SplitChoice {
  const times = view.columns
    .filter((column) => canSplit(column, view))
    .sort((a, b) => fitness(b, view) - fitness(a, view));
  return times[0] ? byTime(times[0], times, view) : byHash(view, labelColumns);
}

/** Where a time column begins and ends, and whether it knows hours. */
export function spanOf(column: ColumnView): {
  readonly days: number;
  readonly from: string;
  readonly to: string;
  readonly hasHours: boolean;
} {
  const [from, to] = [String(column.min), String(column.max)];
  const ms = epochMs(to) - epochMs(from);
  const texts = [from, to, ...column.top.map(({ value }) => String(value))];
  const hasHours =
    column.type !== 'DATE' &&
    texts.some((text) => /\d[T ](?!00:00(:00(\.0+)?)?(?!\d|:))\d/.test(text));
  return {
    days: Number.isFinite(ms) ? ms / 86_400_000 : 0,
    from: from.slice(0, 10),
    to: to.slice(0, 10),
    hasHours,
  };
}

function epochMs(text: string): number {
  const iso = text.trim().replace(' ', 'T');
  return Date.parse(/T/.test(iso) && !/(Z|[+-]\d\d(:?\d\d)?)$/.test(iso) ? `${iso}Z` : iso);
}

const NULLS_MAX = 0.2;
const DISTINCT_MIN = 10;

/** Its newest and second newest shares must both hold rows: no value may be as frequent as a share. */
function canSplit(column: ColumnView, { sampledRows }: DatasetView): boolean {
  const filled = sampledRows - column.nulls;
  const largest = column.top[0]?.count ?? 0;
  return (
    column.kind === 'time' &&
    column.nulls <= NULLS_MAX * sampledRows &&
    column.distinct >= DISTINCT_MIN &&
    largest < SHARE * filled &&
    spanOf(column).days > 0
  );
}

const EVENT =
  /(time|stamp|date|day|created|event|start|depart|pickup|order|issued|opened|_at$|^at$)/;
const LATER =
  /(birth|dob|expir|due|end|finish|clos|updat|modif|arriv|dropoff|deliver|return|deadline)/;

/** Event-like names, few missing, many different values. */
function fitness(column: ColumnView, { sampledRows }: DatasetView): number {
  const name = column.name.toLowerCase();
  const named = LATER.test(name) ? -1 : EVENT.test(name) ? 0.5 : 0;
  return named - (5 * column.nulls) / sampledRows + column.distinct / sampledRows;
}

function byTime(
  column: ColumnView,
  candidates: readonly ColumnView[],
  { sampledRows }: DatasetView,
): SplitChoice {
  const { from, to } = spanOf(column);
  const others = candidates.slice(1).map(({ name }) => name);
  const chosen = others.length > 0 ? `; chosen over ${others.join(', ')}` : '';
  const missing = column.nulls > 0;
  return {
    split: { by: 'time', column: column.name, validation: SHARE, test: SHARE },
    why: `by time of ${column.name}, ${from} to ${to}: the newest ${percent(SHARE)} are the test, the ${percent(SHARE)} before them validation; a random split would flatter${chosen}`,
    require: missing ? [column.name] : [],
    warnings: missing
      ? [
          `${percent(column.nulls / sampledRows)} of the rows have no ${column.name} and are dropped`,
        ]
      : [],
  };
}

const COLUMNS_MAX = 16;
/** Key combinations a row at least, or rows fall into the shares in lumps. */
const ROOM = 20;
const ROOM_ENOUGH = 1000;

function byHash(view: DatasetView, labelColumns: readonly string[]): SplitChoice {
  const { sampledRows } = view;
  const usable = view.columns.filter(
    ({ kind, distinct, name }) => kind !== null && distinct > 1 && !name.startsWith('__'),
  );
  const whole = usable.filter(({ nulls }) => nulls === 0);
  const entity = whole.find((column) => isEntity(column, sampledRows));
  if (entity) {
    return hashOf([entity.name], {
      why: `by hash of ${entity.name}, ${figure(entity.distinct)} different in ${figure(sampledRows)} rows: all rows of one are on one side`,
    });
  }
  const own = whole.find(({ distinct }) => distinct === sampledRows);
  if (own) return hashOf([own.name], { why: `by hash of ${own.name}, different in each row` });
  const others = usable.filter(({ name }) => !labelColumns.includes(name));
  return combined(others.length > 0 ? others : usable, view);
}

/** Rows without one of the key columns are lost; so many at most may be, before lumps are preferred. */
const LOST_MAX = 0.05;

function combined(
  columns: readonly ColumnView[],
  { sampledRows, columns: all }: DatasetView,
): SplitChoice {
  const isWhole = ({ nulls }: ColumnView): boolean => nulls === 0;
  const isAlmost = ({ nulls }: ColumnView): boolean => nulls <= LOST_MAX * sampledRows;
  const tries = [columns.filter(isWhole), columns.filter(isAlmost), columns]
    .map((some) => combine(some, sampledRows))
    .filter(({ chosen }) => chosen.length > 0);
  const found = tries.find(({ room }) => room >= ROOM * sampledRows) ?? tries[0];
  const chosen = found?.chosen ?? all.slice(0, 1);
  const names = chosen.map(({ name }) => name);
  const gaps = chosen.filter(({ nulls }) => nulls > 0);
  const most = Math.max(0, ...gaps.map(({ nulls }) => nulls));
  const isLumpy = (found?.room ?? 1) < ROOM * sampledRows;
  return hashOf(names, {
    why: `by hash of ${names.join(', ')}: no column alone tells rows apart`,
    require: gaps.map(({ name }) => name),
    warnings: [
      ...(gaps.length > 0
        ? [
            `${percent(most / sampledRows)} of the rows or more miss ${gaps.map(({ name }) => name).join(' or ')}: without them they have no split, and are dropped`,
          ]
        : []),
      ...(isLumpy ? ['the columns of the split tell few rows apart: the shares may be lumpy'] : []),
    ],
  });
}

const ENTITY =
  /(^|[^a-z])(id|uuid|guid|key|user|customer|patient|account|client|device|session|subject|household)$/;

/** A thing that comes in several rows: its rows resemble each other. */
function isEntity({ name, distinct }: ColumnView, sampledRows: number): boolean {
  const words = name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase();
  return ENTITY.test(words) && distinct >= 100 && distinct <= 0.7 * sampledRows;
}

/** Columns with most different values, until there is room for each row. */
function combine(
  columns: readonly ColumnView[],
  sampledRows: number,
): { readonly chosen: readonly ColumnView[]; readonly room: number } {
  const chosen: ColumnView[] = [];
  let room = 1;
  const byNulls = (a: ColumnView, b: ColumnView): number => a.nulls - b.nulls;
  for (const column of [...columns].sort((a, b) => b.distinct - a.distinct || byNulls(a, b))) {
    if (chosen.length >= COLUMNS_MAX || room > ROOM_ENOUGH * sampledRows) break;
    chosen.push(column);
    room *= column.distinct;
  }
  return { chosen, room };
}

function hashOf(
  columns: string[],
  rest: { readonly why: string } & Partial<SplitChoice>,
): SplitChoice {
  const note =
    'no time column spans the rows, so rows are split at random, which flatters where they resemble each other';
  const { why, ...more } = rest;
  return {
    split: { by: 'hash', columns, validation: SHARE, test: SHARE },
    require: [],
    warnings: [],
    ...more,
    why: `${why}; ${note}`,
  };
}
