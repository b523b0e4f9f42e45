// How much of the label goes with one column alone: the share of its variance between groups of equal values.
// In: a column and the labels, in row order; missing is NaN. Out: the share over the rows that have a label, or null.
// Why beside the correlation: that sees straight lines alone. A column that is 0 where the label is false and anything
// else where it is true has a correlation of 0.25 and says all; text and absent values have none at all. Pure.
import type { SurveyColumn } from '../../common/stage/survey.ts';

/** `runs`: values are told apart by size alone, in so many runs of different values; null: each value is a group. */
export function foldExplained(
  values: Float64Array,
  labels: Float64Array,
  runs: number | null,
): SurveyColumn['explained'] {
  const groups = groupRows(values, runs);
  const sums = new Float64Array(groups.count);
  const counts = new Float64Array(groups.count);
  let [n, mean, squares] = [0, 0, 0];
  for (let row = 0; row < labels.length; row++) {
    const y = labels[row]!;
    if (!Number.isFinite(y)) continue;
    n += 1;
    const before = y - mean;
    mean += before / n;
    squares += before * (y - mean);
    counts[groups.of[row]!]! += 1;
    sums[groups.of[row]!]! += y;
  }
  let [between, used] = [0, 0];
  for (const [group, count] of counts.entries()) {
    if (count === 0) continue;
    used += 1;
    between += count * (sums[group]! / count - mean) ** 2;
  }
  // as many groups as rows explain everything: what k groups of chance explain is taken off, up to a row in two
  if (used > n / 2 || squares <= ROUNDING * n * mean * mean || !Number.isFinite(between))
    return null;
  const share = 1 - ((1 - between / squares) * (n - 1)) / (n - used);
  return { n, share: Math.min(1, Math.max(0, share)) };
}

/** A spread this small beside the mean is rounding. */
const ROUNDING = 1e-24;

/** A number for each group; group 0 is missing. */
function groupRows(
  values: Float64Array,
  runs: number | null,
): { readonly of: Int32Array; readonly count: number } {
  const known = values.filter((value) => !Number.isNaN(value));
  const ranks = new Map<number, number>();
  for (const value of runs === null ? known : known.sort())
    if (!ranks.has(value)) ranks.set(value, ranks.size);
  const width = runs === null ? 1 : Math.max(1, ranks.size / runs);
  const of = Int32Array.from(values, (value) => {
    const rank = ranks.get(value);
    return rank === undefined ? 0 : 1 + Math.floor(rank / width);
  });
  return { of, count: 2 + Math.floor(ranks.size / width) };
}
