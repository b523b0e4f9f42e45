// Mean absolute error. In: values and labels in one unit. Out: in that unit.
import { meanMetric } from './mean.ts';

export const mae = meanMetric({
  title: 'MAE',
  better: 'lower',
  loss: (scores, at, label) => Math.abs(scores[at]! - label),
});
