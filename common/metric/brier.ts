// Mean squared distance of a probability from what happened (Brier 1950).
// In: probabilities, labels 0 and 1. Out: 0 at best, 0.25 for who always says one half.
import { meanMetric } from './mean.ts';

export const brier = meanMetric({
  title: 'Brier',
  better: 'lower',
  loss: (scores, at, label) => (scores[at]! - label) ** 2,
});
