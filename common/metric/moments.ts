// Means and sums of squares of two runs of rows, put together (Chan, Golub, LeVeque 1979).
// In: [rows, mean, Σ (x − mean)²] of both. Out: the same of all. Why not sums of squares: they cancel where the mean is
// large. A side without rows changes no bit of the other.
import type { Numbers } from './metric.ts';

export function mergeMoments(left: Numbers, right: Numbers): Numbers {
  const [n1, mean1, squares1] = left;
  const [n2, mean2, squares2] = right;
  if (n2 === 0) return left;
  if (n1 === 0) return right;
  const n = n1! + n2!;
  const delta = mean2! - mean1!;
  return [n, mean1! + (delta * n2!) / n, squares1! + squares2! + (delta * delta * n1! * n2!) / n];
}
