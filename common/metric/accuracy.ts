// The share of rows on the right side of one half.
// In: probabilities, labels 0 and 1. Out: 1 at best. Why told by its errors: a row's loss is lower when better.
import { meanMetric } from './mean.ts';

export const accuracy = meanMetric({
  title: 'accuracy',
  better: 'higher',
  loss: (scores, at, label) => (scores[at]! >= 0.5 === label > 0.5 ? 0 : 1),
  figure: (errors) => 1 - errors,
});
