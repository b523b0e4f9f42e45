// Puts the figures of shards together to those of a dataset.
// In: a result a shard, in key order; the columns. Out: what a user sees of each column and of the label.
// Why here: what shards tell is small and merges in any number; rows never come this far. Pure.
import { compareUtf8, mergeMoments } from '../../common/algorithm/statistics.ts';
import { parseTime } from '../../common/predict/rows.ts';
import type {
  SurveyColumn,
  SurveyLabel,
  SurveyResult,
  SurveyValue,
} from '../../common/stage/survey.ts';
import type { SchemaColumn } from '../../common/wire/plan.ts';
import type { ColumnKind, ColumnView, DatasetView, LabelView } from '../../common/wire/survey.ts';

/** Values shown of a column. */
const TOP = 10;
/** Rows shown of a dataset. */
const SAMPLE_ROWS = 3;

export type SurveyedColumn = SchemaColumn & { readonly kind: ColumnKind | null };

export function mergeColumn(
  { name, type, kind, from, unreadable }: SurveyedColumn,
  shards: readonly SurveyColumn[],
): ColumnView {
  const moments = mergeAll(shards.map((shard) => shard.moments));
  const edge = edgeOf(shards);
  const isNumber = kind === 'number' || kind === 'boolean';
  const [min, max] = [edge('min'), edge('max')];
  return {
    name,
    type,
    ...(from ? { from } : {}),
    ...(unreadable ? { unreadable } : {}),
    kind,
    nulls: shards.reduce((sum, { missing }) => sum + missing, 0),
    distinct: mergeDistinct(shards),
    min: shownTime(type, min),
    max: shownTime(type, max),
    mean: isNumber && moments ? moments[1] : null,
    std: isNumber && moments ? stdOf(moments, min === max) : null,
    lengthMean: kind === 'text' && moments ? moments[1] : null,
    top: mergeTop(shards).map(({ value, count }) => ({ value: shownTime(type, value), count })),
    labelCorrelation: min === max ? null : correlation(shards),
    labelExplained: explainedShare(shards),
  };
}

export function mergeLabel(
  label: Pick<LabelView, 'expression' | 'kind' | 'columns'>,
  shards: readonly SurveyLabel[],
): LabelView {
  const moments = mergeAll(shards.map((shard) => shard.moments));
  const edge = edgeOf(shards);
  const [min, max] = [edge('min') as number | null, edge('max') as number | null];
  return {
    ...label,
    missing: shards.reduce((sum, { missing }) => sum + missing, 0),
    mean: moments ? moments[1] : null,
    std: moments ? stdOf(moments, min === max) : null,
    min,
    max,
  };
}

/** Rows from the first, a middle and the last shard. */
export function mergeSample(
  columns: readonly SurveyedColumn[],
  shards: readonly SurveyResult[],
): DatasetView['sample'] {
  const rows = shards.flatMap(({ sample }) => sample);
  const places = [0, Math.floor(rows.length / 2), rows.length - 1].slice(0, SAMPLE_ROWS);
  const types = new Map(columns.map(({ name, type }) => [name, type]));
  return [...new Set(places)]
    .filter((at) => rows[at] !== undefined)
    .map((at) =>
      Object.fromEntries(
        Object.entries(rows[at]!).map(([name, value]) => [
          name,
          shownTime(types.get(name) ?? '', value),
        ]),
      ),
    );
}

/** A DATE has no time. */
const shownTime = <T extends SurveyValue>(type: string, value: T): T | string =>
  type === 'DATE' && typeof value === 'string' ? value.slice(0, 10) : value;

/** Undefined where no shard has any, or where one shard's are not finite. */
function mergeAll(all: readonly SurveyColumn['moments'][]): SurveyColumn['moments'] | undefined {
  const some = all.filter((moments) => moments !== null);
  if (some.length === 0) return undefined;
  const sum = some.reduce((left, right) => mergeMoments(left, right));
  return sum.every(Number.isFinite) ? sum : undefined;
}

/** A constant has no spread, whatever rounding says. */
const stdOf = (
  [n, , squares]: NonNullable<SurveyColumn['moments']>,
  isConstant: boolean,
): number => (isConstant ? 0 : Math.sqrt(squares / n));

type Edges = Pick<SurveyColumn, 'min' | 'max'>;

const edgeOf =
  (shards: readonly Edges[]) =>
  (which: 'min' | 'max'): number | string | null => {
    const values = shards.map((shard) => shard[which]).filter((value) => value !== null);
    const isFirst = (a: number | string, b: number | string): boolean =>
      which === 'min' ? compareValues(a, b) <= 0 : compareValues(a, b) >= 0;
    return values.length === 0 ? null : values.reduce((a, b) => (isFirst(a, b) ? a : b));
  };

/** Numbers by size, times by time, all else by UTF-8 bytes. */
function compareValues(a: SurveyValue, b: SurveyValue): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  const [left, right] = [String(a), String(b)];
  const [earlier, later] = [parseTime(left), parseTime(right)];
  if (earlier === undefined || later === undefined) return compareUtf8(left, right);
  return earlier < later ? -1 : Number(earlier > later);
}

/**
 * How many different values the shards have together. Every shard tells its count and its lowest hashes; below
 * the smallest of their highest, all values of all shards are known, and so is how often shards share them:
 * as they do there, they do everywhere. Exact where all hashes are told, and where nothing is shared.
 */
export function mergeDistinct(
  shards: readonly Pick<SurveyColumn, 'distinct' | 'hashes'>[],
): number {
  const counts = shards.map(({ distinct }) => distinct);
  const told = shards.filter(({ distinct, hashes }) => distinct > hashes.length);
  const known = Math.min(...told.map(({ hashes }) => hashes.at(-1)!), Number.POSITIVE_INFINITY);
  const below = shards.flatMap(({ hashes }) => hashes.filter((hash) => hash <= known));
  const sum = counts.reduce((total, count) => total + count, 0);
  if (below.length === 0) return sum;
  const estimate = Math.round((sum * new Set(below).size) / below.length);
  return Math.max(estimate, ...counts);
}

/** By count, ties by value. What a shard does not tell among its frequent values is not counted there. */
function mergeTop(
  shards: readonly Pick<SurveyColumn, 'top'>[],
): readonly { readonly value: SurveyValue; readonly count: number }[] {
  const byHash = new Map<number, { readonly value: SurveyValue; readonly count: number }>();
  for (const { value, count, hash } of shards.flatMap(({ top }) => top))
    byHash.set(hash, { value, count: count + (byHash.get(hash)?.count ?? 0) });
  return [...byHash.values()]
    .sort((a, b) => b.count - a.count || compareValues(a.value, b.value))
    .slice(0, TOP);
}

/** A spread this small beside the mean is rounding. */
const ROUNDING = 1e-24;

function correlation(shards: readonly Pick<SurveyColumn, 'pairs'>[]): number | null {
  const some = shards.map(({ pairs }) => pairs).filter((pairs) => pairs !== null);
  if (some.length === 0) return null;
  const { n, x, y, xx, yy, xy } = some.reduce((a, b) => mergePairs(a, b));
  if (xx <= ROUNDING * n * x * x || yy <= ROUNDING * n * y * y) return null;
  const r = xy / (Math.sqrt(xx) * Math.sqrt(yy));
  return Number.isFinite(r) ? Math.max(-1, Math.min(1, r)) : null;
}

/** The mean of the shards' shares, weighed by rows: what tells shards apart says nothing about their rows. */
function explainedShare(shards: readonly Pick<SurveyColumn, 'explained'>[]): number | null {
  const some = shards.flatMap(({ explained }) => explained ?? []);
  const rows = some.reduce((sum, { n }) => sum + n, 0);
  return rows === 0 ? null : some.reduce((sum, { n, share }) => sum + (share * n) / rows, 0);
}

type Pairs = NonNullable<SurveyColumn['pairs']>;

function mergePairs(a: Pairs, b: Pairs): Pairs {
  const n = a.n + b.n;
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const weight = (a.n * b.n) / n;
  return {
    n,
    x: a.x + (dx * b.n) / n,
    y: a.y + (dy * b.n) / n,
    xx: a.xx + b.xx + dx * dx * weight,
    yy: a.yy + b.yy + dy * dy * weight,
    xy: a.xy + b.xy + dx * dy * weight,
  };
}
