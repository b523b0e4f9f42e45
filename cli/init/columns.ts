// What each column becomes: one or more features, or nothing, with the reason and its figures.
// In: a column's figures, the label, how the rows are split. Out: feature expressions by name, and why.
// Why rules and no search: a rule can be told in a line and corrected by who knows the data. Pure.

import { unreachable } from '../../common/errors.ts';
import type { ColumnKind, ColumnView, DatasetView, LabelView } from '../../common/wire/survey.ts';
import { columnSql, type FeatureNames, figure, percent } from './names.ts';
import { spanOf } from './split.ts';

export type ColumnChoice = {
  readonly column: string;
  readonly type: string;
  /** Name → expression; none: left out. */
  readonly features: Readonly<Record<string, string>>;
  readonly why: string;
  /** Left out because it says what the label says: told loudly. */
  readonly suspect: boolean;
  /** Kept, and so close to the label that it is asked whether it is known in time. */
  readonly isAsked: boolean;
};

export type ColumnContext = {
  readonly dataset: Pick<DatasetView, 'rows' | 'sampledRows'>;
  readonly label: LabelView;
  /** Days from the oldest row to the newest, where the split is by time. */
  readonly timeSpanDays: number | null;
  readonly names: FeatureNames;
};

/** Above this share of the label's variance a column says what the label says. */
const LEAK_SHARE = 0.95;
/** Above this it is asked whether the column is known when the prediction is made. */
const ASK_SHARE = 0.5;

export function chooseColumn(column: ColumnView, context: ColumnContext): ColumnChoice {
  const { name, type } = column;
  const {
    features,
    why,
    suspect = false,
  } = whyNot(column, context) ?? featuresOf(column as Usable, context);
  const share = explainedOf(column);
  // of a time only parts are features, and those are known whenever the time is
  const isAsked = Object.keys(features).length > 0 && share >= ASK_SHARE && column.kind !== 'time';
  const asked = isAsked ? `; says ${percent(share)} of the label` : '';
  return { column: name, type, features, why: `${why}${asked}`, suspect, isAsked };
}

/** How much of the label's variance goes with this column, alone. */
export const explainedOf = ({ labelExplained, labelCorrelation }: ColumnView): number =>
  Math.max(labelExplained ?? 0, (labelCorrelation ?? 0) ** 2);

type Outcome = Pick<ColumnChoice, 'features' | 'why'> & { readonly suspect?: true };
type Usable = ColumnView & { readonly kind: ColumnKind };

const leftOut = (why: string): Outcome => ({ features: {}, why });

/** Names that a model's own values bear. */
const UNSERVABLE = /^(?:codes|numbers|prediction|(?:model|features)\/.*)?$/;

/** Reasons that hold for a column of any kind; undefined where it may be used. */
function whyNot(column: ColumnView, { dataset, label }: ColumnContext): Outcome | undefined {
  const { name, type, kind, nulls, distinct } = column;
  if (label.columns.includes(name)) return leftOut('the label is made of it');
  if (name.startsWith('__')) return leftOut('names that begin with "__" are reserved');
  if (kind === null) return leftOut(`no feature can read ${typeName(type)}`);
  if (UNSERVABLE.test(name)) return leftOut("a model's own value has this name");
  if (nulls >= dataset.sampledRows) return leftOut('always missing');
  if (distinct <= 1 && nulls === 0)
    return leftOut(`constant: always ${show(column.top[0]?.value)}`);
  const share = explainedOf(column);
  if (share >= LEAK_SHARE) {
    const why = `says ${percent(share)} of the label: is it known before the label is?`;
    return { ...leftOut(why), suspect: true };
  }
  return undefined;
}

function featuresOf(column: Usable, context: ColumnContext): Outcome {
  const filled = context.dataset.sampledRows - column.nulls;
  if (filled < MOSTLY_MISSING * context.dataset.sampledRows || column.distinct <= 1) {
    return missingness(column, context);
  }
  switch (column.kind) {
    case 'number':
      return numberFeatures(column, context, filled);
    case 'text':
      return textFeatures(column, context, filled);
    case 'time':
      return timeFeatures(column, context);
    case 'boolean': {
      const name = context.names.take(column.name);
      const why = `yes or no${missingToo(column, context)}`;
      return { features: { [name]: `category(${columnSql(column.name)})` }, why };
    }
    default:
      return unreachable(column.kind);
  }
}

/** Filled in fewer rows than this share: what it holds is too rare to learn. */
const MOSTLY_MISSING = 0.1;
/** Fewer rows with or without a value teach nothing about its absence. */
const MISSING_ROWS_MIN = 20;

/** Whether there is a value at all is often the message. */
function missingness(column: Usable, { dataset, names }: ColumnContext): Outcome {
  const share = percent(column.nulls / dataset.sampledRows);
  const filled = dataset.sampledRows - column.nulls;
  if (Math.min(filled, column.nulls) < MISSING_ROWS_MIN) {
    return leftOut(`missing in ${share} of the rows, else ${show(column.top[0]?.value)}`);
  }
  const name = names.take(`${column.name}_missing`);
  const why = `missing in ${share} of the rows: only whether it is there`;
  return { features: { [name]: `${columnSql(column.name)} is null` }, why };
}

function numberFeatures(column: Usable, context: ColumnContext, filled: number): Outcome {
  const { dataset, names } = context;
  const { distinct } = column;
  if (isCounter(column, dataset, filled)) {
    return leftOut(
      `counts the rows: ${figure(distinct)} different values in ${figure(filled)} rows, from ${show(column.min)} to ${show(column.max)}`,
    );
  }
  if (hasIdName(column.name) && distinct > CODES_MAX && isWhole(column)) {
    return leftOut(
      `an identifier by its name, ${figure(distinct)} different values without an order; as text it could be a vocabulary`,
    );
  }
  const past = calendarNumber(column, context);
  if (past !== undefined) return leftOut(past);
  const sql = columnSql(column.name);
  if (distinct === 2) {
    const why = `two values, ${show(column.min)} and ${show(column.max)}${missingToo(column, context)}`;
    const features = { [names.take(column.name)]: `${sql} = ${numberSql(column.max)}` };
    return { features: { ...features, ...ifMissing(column, context) }, why };
  }
  if (isCode(column, filled)) {
    const values = valuesOf(column);
    const features = values.map((value) => [
      names.take(`${column.name}_${String(value).replace('-', 'minus_')}`),
      `${sql} = ${numberSql(value)}`,
    ]);
    const why = `a code by its name: ${values.length} values without an order, one feature a value`;
    return { features: { ...Object.fromEntries(features), ...ifMissing(column, context) }, why };
  }
  const { expression, why } = scaled(column);
  const feature = { [names.take(column.name)]: expression };
  return {
    features: { ...feature, ...ifMissing(column, context) },
    why: `${why}${missingToo(column, context)}`,
  };
}

/** A year or a month by name and range, where the test lies in years or months that training has not seen. */
function calendarNumber(column: ColumnView, { timeSpanDays }: ColumnContext): string | undefined {
  if (timeSpanDays === null || !isWhole(column)) return undefined;
  const words = wordsOf(column.name);
  const [min, max] = [Number(column.min), Number(column.max)];
  if (min >= 1000 && max < 3000 && /(^|[^a-z])(year|yr)$/.test(words)) {
    return 'a year: the test lies in later ones';
  }
  const isPart =
    min >= 0 && max <= 366 && /(^|[^a-z])(month|quarter|week|doy|day_?of_?year)$/.test(words);
  return isPart && timeSpanDays < SEASONS_DAYS
    ? 'a part of the year: the test lies in one that training has not seen'
    : undefined;
}

/** Codes above this many values would be too many features. */
const CODES_MAX = 12;
/** Rows a value of a code needs. */
const CODE_ROWS_MIN = 10;
const UNIQUE_ROWS_MIN = 30;

/** A row number: dense, and no value twice. */
function isCounter(
  { distinct, min, max, type }: ColumnView,
  { rows }: Pick<DatasetView, 'rows'>,
  filled: number,
): boolean {
  const isDense =
    typeof min === 'number' && typeof max === 'number' && max - min <= 1.5 * Math.max(rows, filled);
  return /INT/.test(type) && filled >= UNIQUE_ROWS_MIN && distinct >= 0.99 * filled && isDense;
}

const ID = /(^|[^a-z])(id|uuid|guid|key|pk|rowid|index|idx|serial|zip|zipcode|postcode)$/;
const CODE = /(^|[^a-z])(id|code|class|type|kind|category|cluster|group|zone|month|weekday|dow)$/;

/** pickupLocationID, "Pickup Location Id" and pickup_location_id alike. */
const wordsOf = (name: string): string => name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase();
export const hasIdName = (name: string): boolean => ID.test(wordsOf(name));

const isWhole = ({ min, max }: ColumnView): boolean =>
  Number.isInteger(min) && Number.isInteger(max);

function isCode(column: ColumnView, filled: number): boolean {
  const words = wordsOf(column.name).replace(/[^a-z]*\d*$/, '');
  const isNamedSo = CODE.test(words) || /(^|[^a-z])p?class$/.test(words);
  const isRare = filled / Math.max(1, column.distinct) < CODE_ROWS_MIN;
  return (
    isNamedSo &&
    isWhole(column) &&
    column.distinct <= CODES_MAX &&
    !isRare &&
    valuesOf(column).length > 0
  );
}

/** All values of a column with few: the most frequent ones are all, or they fill their range. */
function valuesOf({ top, distinct, min, max }: ColumnView): number[] {
  const seen = top.map(({ value }) => value).filter((value) => typeof value === 'number');
  if (seen.length === distinct) return seen.sort((a, b) => a - b);
  const [low, high] = [Number(min), Number(max)];
  if (high - low + 1 !== distinct) return [];
  return Array.from({ length: distinct }, (_, i) => low + i);
}

/** Deviations from the mean at which a tail is long. */
const LONG_TAIL = 6;
/** log1p of what stays below is a straight line. */
const LOG_MAX_MIN = 10;
const CLIP_AT = 5;

/** A number made fit for a model: missing filled in, long tails drawn in, mean 0, deviation 1. */
function scaled(column: ColumnView): { expression: string; why: string } {
  const [min, max, mean, std] = [column.min, column.max, column.mean, column.std].map(Number) as [
    number,
    number,
    number,
    number,
  ];
  const filled = `impute(${columnSql(column.name)}, 'median')`;
  const range = `${figure(min)} to ${figure(max)}, mean ${figure(mean)}`;
  const above = std > 0 ? (max - mean) / std : 0;
  const below = std > 0 ? (mean - min) / std : 0;
  if (min >= 0 && max > LOG_MAX_MIN && (std > mean || (above > LONG_TAIL && std > mean / 3))) {
    return {
      expression: `standardize(log1p(${filled}))`,
      why: `a number with a long tail: ${range}, the largest ${above.toFixed(1)} deviations above it`,
    };
  }
  if (Math.max(above, below) > 2 * CLIP_AT) {
    const low = Math.max(min, Number((mean - CLIP_AT * std).toPrecision(2)));
    const high = Math.min(max, Number((mean + CLIP_AT * std).toPrecision(2)));
    return {
      expression: `standardize(clip(${filled}, ${low}, ${high}))`,
      why: `a number with far outliers: ${range}; cut at ${CLIP_AT} deviations`,
    };
  }
  return { expression: `standardize(${filled})`, why: `a number: ${range}` };
}

/** From this share on, whether a value is missing is a feature of its own. */
const MISSING_SHARE = 0.02;

const isOftenMissing = ({ nulls }: ColumnView, { dataset }: ColumnContext): boolean =>
  nulls >= MISSING_SHARE * dataset.sampledRows && nulls >= MISSING_ROWS_MIN;

const ifMissing = (column: ColumnView, context: ColumnContext): Record<string, string> =>
  isOftenMissing(column, context)
    ? { [context.names.take(`${column.name}_missing`)]: `${columnSql(column.name)} is null` }
    : {};

function missingToo({ nulls }: ColumnView, { dataset }: ColumnContext): string {
  return nulls === 0 ? '' : `; missing in ${percent(nulls / dataset.sampledRows)}`;
}

const NUMBER_TEXT = /^\s*[-+]?[0-9]+([.,][0-9]+)?\s*$/;
const DATE_TEXT =
  /^\s*(\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|(\d{1,2} )?[A-Z][a-z]{2,8}\.? \d{1,2},? \d{4})/;
/** Mean characters above which text is read by people, not compared. */
const FREE_TEXT_LENGTH = 60;
/** Rows that a value of a vocabulary should have in the mean, or it learns chance. */
const VALUE_ROWS = 8;
const VALUES_ALWAYS = 20;

function textFeatures(column: Usable, context: ColumnContext, filled: number): Outcome {
  const { distinct, lengthMean } = column;
  const share = distinct / filled;
  const counted = `${figure(distinct)} different values in ${figure(filled)} rows`;
  const texts = column.top.map(({ value }) => String(value));
  if (distinct > VALUES_ALWAYS && texts.every((text) => DATE_TEXT.test(text))) {
    return leftOut(
      `times written as text, such as ${show(texts[0])}: cast it to TIMESTAMP in the Parquet, and the job can split by it`,
    );
  }
  if (lengthMean !== null && lengthMean > FREE_TEXT_LENGTH && share > 0.3) {
    return leftOut(
      `free text: ${figure(Math.round(lengthMean))} characters in the mean, ${counted}`,
    );
  }
  if (share > 0.5 && distinct > VALUES_ALWAYS) {
    const numbers = texts.every((text) => NUMBER_TEXT.test(text))
      ? '; numbers written as text: cast it to DOUBLE in the Parquet if they measure something'
      : '';
    return leftOut(`${share > 0.95 ? 'an identifier' : 'too many values'}: ${counted}${numbers}`);
  }
  const rows = context.dataset.rows * (filled / context.dataset.sampledRows);
  const most = Math.max(VALUES_ALWAYS, Math.floor(rows / VALUE_ROWS));
  const wanted = roundUp(distinct);
  const size = Math.min(wanted, most);
  const name = context.names.take(column.name);
  const why =
    size < distinct
      ? `the ${figure(size)} most frequent of ${figure(distinct)} values, as the others have too few rows`
      : `${figure(distinct)} values${context.dataset.sampledRows < context.dataset.rows ? ' in the sample' : ''}`;
  return {
    features: { [name]: `vocabulary(${columnSql(column.name)}, ${size})` },
    why: `${why}${missingToo(column, context)}`,
  };
}

/** 3 → 5, 11 → 20, 229 → 500: room for values that the sample does not hold. */
function roundUp(count: number): number {
  for (let power = 1; ; power *= 10) {
    for (const step of [1, 2, 5]) if (count <= step * power) return Math.max(5, step * power);
  }
}

/** Days after which the oldest 70 % of the rows have seen each month. */
const SEASONS_DAYS = 550;
/** Fewer different times, and they are dates of a calendar such as each 1 January. */
const TIMES_MIN = 30;

/** Parts of a time that come again; the time itself never does. */
function timeFeatures(column: Usable, context: ColumnContext): Outcome {
  const { timeSpanDays, names } = context;
  const { days, hasHours, from, to } = spanOf(column);
  const sql = columnSql(column.name);
  const features: Record<string, string> = {};
  const add = (part: string, expression: string): void => {
    features[names.take(`${column.name}_${part}`)] = expression;
  };
  if (column.distinct >= TIMES_MIN) {
    if (hasHours && days >= 1) add('hour', `category(hour(${sql}))`);
    if (days >= 21) add('weekday', `category(weekday(${sql}))`);
    const seasons = timeSpanDays === null ? 365 : SEASONS_DAYS;
    if (days >= seasons) add('month', `category(month(${sql}))`);
  }
  // of rows split at random: a later year is no year that training has not seen
  if (timeSpanDays === null && days >= 2 * 365) {
    add('year', `standardize(impute(year(${sql}), 'median'))`);
  }
  const when = `from ${from} to ${to}`;
  if (Object.keys(features).length === 0)
    return leftOut(`a time ${when}: no part of it comes again`);
  const why = `a time ${when}: the parts that come again${missingToo(column, context)}`;
  return { features, why };
}

const typeName = (type: string): string => (type.length > 40 ? `${type.slice(0, 39)}…` : type);

const numberSql = (value: unknown): string => String(value);

function show(value: unknown): string {
  if (typeof value === 'number') return figure(value);
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 40 ? `${text.slice(0, 39)}…` : text;
}
