// Metrics that are the mean of a row's loss, and the error of a change of such a mean.
// In: a loss. Out: a metric. Why paired: both models scored the same rows, and what is hard for one is hard for the
// other; the spread of the differences is far below that of the losses.
//
//   figure   [rows, Σ loss]
//   change   pass 1 [rows, mean of (champion's loss − challenger's)], pass 2 [rows, mean, Σ (difference − mean)²]
import { Sum } from '../algorithm/sum.ts';
import type { Numbers, PairFold, RowFold, RowLoss, RowMetric } from './metric.ts';
import { mergeMoments } from './moments.ts';

export function meanMetric(of: {
  readonly title: string;
  readonly better: 'higher' | 'lower';
  readonly loss: RowLoss;
  /** From the mean loss to the figure. */
  readonly figure?: (mean: number) => number;
}): RowMetric {
  const { title, better, loss, figure = (mean) => mean } = of;
  return {
    title,
    better,
    of: 'rows',
    passes: [() => lossFold(loss)],
    merge: ([n1, sum1], [n2, sum2]) => [n1! + n2!, sum1! + sum2!],
    finish: ([rows, sum]) => (rows === 0 ? undefined : figure(sum! / rows!)),
    change: pairedChange(loss),
  };
}

function lossFold(loss: RowLoss): RowFold {
  const sum = new Sum();
  let rows = 0;
  return {
    add: (scores, at, label) => {
      sum.add(loss(scores, at, label));
      rows += 1;
    },
    partial: () => [rows, sum.value()],
  };
}

/** Sample variance (n − 1) of the differences over n; 0 for a single pair, which tells nothing. */
export const pairedChange = (loss: RowLoss): RowMetric['change'] => ({
  passes: [() => meanFold(loss), ([, mean]: Numbers) => spreadFold(loss, mean!)],
  merge: mergeMoments,
  error: ([rows, , squares]) => (rows! < 2 ? 0 : Math.sqrt(squares! / (rows! - 1) / rows!)),
});

function meanFold(loss: RowLoss): PairFold {
  const sum = new Sum();
  let rows = 0;
  return {
    add: (champion, challenger, { at, label }) => {
      sum.add(loss(champion, at, label) - loss(challenger, at, label));
      rows += 1;
    },
    partial: () => [rows, rows === 0 ? 0 : sum.value() / rows],
  };
}

function spreadFold(loss: RowLoss, mean: number): PairFold {
  const squares = new Sum();
  let rows = 0;
  return {
    add: (champion, challenger, { at, label }) => {
      const off = loss(champion, at, label) - loss(challenger, at, label) - mean;
      squares.add(off * off);
      rows += 1;
    },
    partial: () => [rows, mean, squares.value()],
  };
}
