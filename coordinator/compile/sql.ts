// The batch target: features as DuckDB SQL over the columns of a part.
// In: a FeatureSet and its fitted values. Out: one expression a model input; casts that make a part's columns.
// Why guards everywhere: SQL must give ONNX's answer where DuckDB raises (ln, casts to FLOAT) or orders NaN
// above all. Invariants: a number is DOUBLE, NULL where missing, never NaN; a condition is never NULL.
// Why x / 0 is missing and not infinite: an infinite feature is 1e30 after the clip, which no model survives.
import { GristmillError, unreachable } from '../../common/errors.ts';
import { quoteName, quoteText, sqlNumber } from '../../common/sql.ts';
import type { FittedValue, LoadSql, RawColumn } from '../../common/stage/terms.ts';
import type { SchemaColumn } from '../../common/wire/plan.ts';
import { datePart } from './date-parts.ts';
import { columnTypeOf } from './features.ts';
import { fittedCode, fittedNumber } from './fitted.ts';
import type {
  BooleanNode,
  CategoryNode,
  FeatureSet,
  NumberNode,
  TextNode,
  TimeNode,
} from './tree.ts';
import { unaryTarget } from './unary.ts';

export type FittedValues = Readonly<Record<string, FittedValue>>;

/** The raw columns that features read, in schema order. */
export const rawColumns = (set: FeatureSet): RawColumn[] =>
  set.columns.map(({ name, type }) => ({ name, type }));

/** How model inputs come out of a part, every fitted value in it. */
export function loadSql(set: FeatureSet, fitted: FittedValues): LoadSql {
  return {
    codes: set.codes.map(({ feature, node }) => ({
      feature,
      sql: `(${categorySql(node, fitted)})::INTEGER`,
      size: categorySize(node, fitted),
    })),
    numbers: set.numbers.map(({ feature, node }) => ({
      feature,
      sql: inputSql(numberSql(node, fitted)),
    })),
  };
}

/** Codes of a category: 0 missing, 1 unseen, then its values. */
export function categorySize(node: CategoryNode, fitted: FittedValues): number {
  switch (node.kind) {
    case 'datePartCode': {
      const { min, max } = datePart(node.part);
      return 2 + max - min + 1;
    }
    case 'conditionCode':
      return 4;
    case 'fittedCode':
      return fittedCode(node.name).size(learntTexts(fitted, node.statistic));
    default:
      return unreachable(node);
  }
}

/**
 * The cast from a column of a file to the same column of a part: DOUBLE, VARCHAR or TIMESTAMP in UTC.
 * What a request cannot send ends here: NaN and infinite numbers and times outside years 1 to 9999 become NULL,
 * which behind this is the only missing value; NUL in text becomes U+FFFD.
 */
export function castSql({ name, type }: Pick<SchemaColumn, 'name' | 'type'>): string {
  const column = quoteName(name);
  switch (columnTypeOf(type)) {
    case 'number':
      return /^(?:FLOAT|DOUBLE)$/.test(type)
        ? `CASE WHEN isfinite(${column}) THEN ${column}::DOUBLE END` // JSON has no infinite number
        : `${column}::DOUBLE`;
    case 'string':
      return `replace(${textOf(column, type)}, chr(0), chr(65533))`; // ONNX Runtime cuts text at NUL
    case 'time':
      return timeSql(column, type);
    default:
      throw new GristmillError(
        'SQL_TYPE',
        `Cannot read column ${JSON.stringify(name)}: its type is ${type}, expected a number, text, a time or BOOLEAN`,
      );
  }
}

/** The value that JSON has of a column as it lies in the lake: what a client would send. */
export function rawSql({ name, type }: Pick<SchemaColumn, 'name' | 'type'>): string {
  const column = quoteName(name);
  const kind = columnTypeOf(type);
  if (kind === 'number') return `${column}::DOUBLE`;
  return kind === 'time' ? `TRY_CAST(${column} AS TIMESTAMP)` : textOf(column, type);
}

/** Writers that know no UTF-8 annotation leave text as bytes. */
function textOf(column: string, type: string): string {
  if (type === 'BLOB') return `decode(${column})`;
  return type === 'VARCHAR' ? column : `${column}::VARCHAR`;
}

/** Microseconds UTC of the first and past the last time that is not missing: years 1 to 9999. */
export const TIME_MIN = -62_135_596_800_000_000;
export const TIME_END = 253_402_300_800_000_000;

function timeSql(column: string, type: string): string {
  const zoned = /WITH TIME ZONE|TIMESTAMPTZ/.test(type);
  const utc = zoned ? `timezone('UTC', ${column})` : `try_cast(${column} AS TIMESTAMP)`;
  const [min, end] = [`make_timestamp(${TIME_MIN})`, `make_timestamp(${TIME_END})`];
  return `CASE WHEN ${utc} >= ${min} AND ${utc} < ${end} THEN ${utc} END`;
}

/** What the model reads: FLOAT, never NULL. The cast raises above 3.4e38, so both targets stop at 1e30. */
const inputSql = (x: string): string =>
  `greatest(least(coalesce(${x}, 0), '1e30'::DOUBLE), '-1e30'::DOUBLE)::FLOAT`;

/** DOUBLE; NULL where missing. */
export function numberSql(node: NumberNode, fitted: FittedValues): string {
  const sql = (inner: NumberNode): string => numberSql(inner, fitted);
  switch (node.kind) {
    case 'column':
      return quoteName(node.name);
    case 'constant':
      return sqlNumber(node.value);
    case 'negate':
      return `(-${sql(node.of)})`;
    case 'unary':
      return unaryTarget(node.name).sql(sql(node.of));
    case 'arithmetic': {
      const right = node.op === '/' ? `nullif(${sql(node.right)}, 0)` : sql(node.right);
      return `nullif(${sql(node.left)} ${node.op} ${right}, 'nan'::DOUBLE)`;
    }
    case 'clip': {
      // not least and greatest: they skip NULL
      const [x, low, high] = [sql(node.of), sqlNumber(node.low), sqlNumber(node.high)];
      return `CASE WHEN ${x} < ${low} THEN ${low} WHEN ${x} > ${high} THEN ${high} ELSE ${x} END`;
    }
    case 'first':
      return `coalesce(${node.of.map(sql).join(', ')})`;
    case 'choose': {
      const otherwise = node.otherwise ? sql(node.otherwise) : 'NULL::DOUBLE';
      if (node.cases.length === 0) return otherwise;
      const whens = node.cases.map(
        ({ when, value }) => `WHEN ${booleanSql(when, fitted)} THEN ${sql(value)}`,
      );
      return `CASE ${whens.join(' ')} ELSE ${otherwise} END`;
    }
    case 'fitted': {
      const row = fittedNumber(node.name);
      const learnt = learntNumbers(fitted, node.statistic);
      if (!('affine' in row)) return row.sql(sql(node.of), learnt);
      const [less, by] = row.affine(learnt);
      return `((${sql(node.of)} - ${sqlNumber(less)}) / ${sqlNumber(by)})`;
    }
    case 'datePart':
      return `${datePart(node.part).sql(quoteName(node.of.name))}::DOUBLE`;
    case 'indicator':
      return `(${booleanSql(node.of, fitted)})::DOUBLE`;
    default:
      return unreachable(node);
  }
}

function booleanSql(node: BooleanNode, fitted: FittedValues): string {
  switch (node.kind) {
    case 'truth':
      return String(node.value);
    case 'compare': {
      const [left, right] = [numberSql(node.left, fitted), numberSql(node.right, fitted)];
      return `coalesce((${left}) ${node.op} (${right}), false)`;
    }
    case 'oneOfNumbers': {
      const values = node.values.map(sqlNumber).join(', ');
      const not = node.negated ? 'NOT ' : '';
      return `coalesce((${numberSql(node.of, fitted)}) ${not}IN (${values}), false)`;
    }
    case 'oneOfTexts': {
      const values = node.values.map(quoteText).join(', ');
      return `coalesce(${textSql(node.of)} ${node.negated ? 'NOT ' : ''}IN (${values}), false)`;
    }
    case 'isMissing':
      return `(${anySql(node.of, fitted)}) IS NULL`;
    case 'logic':
      return `(${node.of.map((inner) => `(${booleanSql(inner, fitted)})`).join(` ${node.op} `)})`;
    case 'not':
      return `(NOT (${booleanSql(node.of, fitted)}))`;
    default:
      return unreachable(node);
  }
}

function anySql(node: NumberNode | TextNode | TimeNode, fitted: FittedValues): string {
  if (node.kind === 'text') return textSql(node);
  return node.kind === 'time' ? quoteName(node.name) : numberSql(node, fitted);
}

/** VARCHAR; NULL where missing or empty. */
export const textSql = ({ name }: TextNode): string => `nullif(${quoteName(name)}, '')`;

function categorySql(node: CategoryNode, fitted: FittedValues): string {
  switch (node.kind) {
    case 'datePartCode': {
      const { sql, min } = datePart(node.part);
      return `coalesce(${sql(quoteName(node.of.name))} + ${2 - min}, 0)`;
    }
    case 'conditionCode':
      return `CASE WHEN ${booleanSql(node.of, fitted)} THEN 3 ELSE 2 END`;
    case 'fittedCode': {
      const code = fittedCode(node.name).sql(
        quoteName(node.of.name),
        learntTexts(fitted, node.statistic),
      );
      return `CASE WHEN ${textSql(node.of)} IS NULL THEN 0 ELSE ${code} END`;
    }
    default:
      return unreachable(node);
  }
}

/** The numbers of a statistic; SQL_RUNTIME where sums ran over. */
export function learntNumbers(fitted: FittedValues, id: string): readonly number[] {
  const value = fitted[id];
  if (!value || !('numbers' in value)) throw unfitted(id, 'numbers');
  if (value.numbers.every(Number.isFinite)) return value.numbers; // null where JSON lost an infinite one
  throw new GristmillError(
    'SQL_RUNTIME',
    'Cannot fit mean and deviation: sums over the training rows exceed 1.8e308, expected smaller values: wrap the argument in clip(…)',
  );
}

export function learntTexts(fitted: FittedValues, id: string): readonly string[] {
  const value = fitted[id];
  if (value && 'strings' in value) return value.strings;
  throw unfitted(id, 'texts');
}

const unfitted = (id: string, what: string): GristmillError =>
  new GristmillError(
    'INTERNAL',
    `Cannot compile with statistic ${id}: it is not fitted, expected ${what}`,
  );
