// Sums over one column of a sample, and over it together with the label.
// In: numbers in row order; missing is NaN. Out: count, mean and sums of squared deviations, or null.
// Why in two passes: what is summed are deviations from the mean, so large means cost no digits. Pure.
import type { SurveyColumn } from '../../common/stage/survey.ts';

/** Null where no number is finite, or where their squares are not. */
export function foldMoments(values: Float64Array): SurveyColumn['moments'] {
  const { count, mean } = meanOf(values, values);
  if (count === 0) return null;
  let squares = 0;
  for (const x of values) if (Number.isFinite(x)) squares += (x - mean) ** 2;
  return Number.isFinite(squares) ? [count, mean, squares] : null;
}

/** Over rows where both are finite. */
export function foldPairs(values: Float64Array, labels: Float64Array): SurveyColumn['pairs'] {
  const { count: n, mean: x } = meanOf(values, labels);
  const { mean: y } = meanOf(labels, values);
  if (n === 0) return null;
  let [xx, yy, xy] = [0, 0, 0];
  for (let row = 0; row < values.length; row++) {
    if (!Number.isFinite(values[row]!) || !Number.isFinite(labels[row]!)) continue;
    const [dx, dy] = [values[row]! - x, labels[row]! - y];
    xx += dx * dx;
    yy += dy * dy;
    xy += dx * dy;
  }
  return [xx, yy, xy].every(Number.isFinite) ? { n, x, y, xx, yy, xy } : null;
}

export function foldRange(values: Float64Array): {
  readonly count: number;
  readonly min: number | null;
  readonly max: number | null;
} {
  let [count, min, max] = [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const x of values) {
    if (!Number.isFinite(x)) continue;
    count += 1;
    min = Math.min(min, x);
    max = Math.max(max, x);
  }
  return count === 0 ? { count, min: null, max: null } : { count, min: min + 0, max: max + 0 };
}

/** The mean of `values` over rows where both are finite. */
function meanOf(values: Float64Array, others: Float64Array): { count: number; mean: number } {
  let [count, sum, mean] = [0, 0, 0];
  for (let row = 0; row < values.length; row++) {
    const x = values[row]!;
    if (!Number.isFinite(x) || !Number.isFinite(others[row]!)) continue;
    count += 1;
    sum += x;
    mean += (x - mean) / count; // for where the sum of large numbers is not finite
  }
  return { count, mean: count > 0 && Number.isFinite(sum) ? sum / count : mean };
}
