// The area under the ROC curve: the share of (positive, negative) pairs in which the positive scores higher.
// In: the curve of a probability against a label of two classes. Out: a figure from 0 to 1, ties counting half.
import { areaWalk } from './curve.ts';
import type { CurveMetric } from './metric.ts';

export const auc = {
  title: 'AUC',
  better: 'higher',
  of: 'curve',
  column: 0,
  isPositive: (label) => label > 0.5,
  walk: areaWalk,
} as const satisfies CurveMetric;
