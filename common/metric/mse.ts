// Mean squared error. In: values and labels in one unit. Out: in that unit, squared.
import { meanMetric } from './mean.ts';

export const mse = meanMetric({
  title: 'MSE',
  better: 'lower',
  loss: (scores, at, label) => (scores[at]! - label) ** 2,
});
