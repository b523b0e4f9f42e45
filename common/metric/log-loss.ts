// Mean of −ln of the probability given to what happened. In: probabilities, labels 0 and 1. Out: 0 at best.
// Why clipped: a float32 probability reaches 0 and 1, and one such mistake would cost infinity.
import { meanMetric } from './mean.ts';

export const logLoss = meanMetric({
  title: 'log loss',
  better: 'lower',
  loss: (scores, at, label) => {
    const p = Math.min(Math.max(scores[at]!, 1e-15), 1 - 1e-15);
    return label > 0.5 ? -Math.log(p) : -Math.log1p(-p);
  },
});
