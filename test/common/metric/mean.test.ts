// Means of a loss and the spread of differences, in one place and in two, and where there are no rows at all.
import { expect, test } from 'vitest';
import { meanMetric } from '../../../common/metric/mean.ts';
import type { Numbers } from '../../../common/metric/metric.ts';
import { mergeMoments } from '../../../common/metric/moments.ts';

const off = meanMetric({
  title: 'off',
  better: 'lower',
  loss: (scores, at, label) => Math.abs(scores[at]! - label),
});

/** Labels are 0: a score is its own loss. */
function figure(losses: readonly number[]): Numbers {
  const fold = off.passes[0]!([]);
  for (const loss of losses) fold.add(Float32Array.of(loss), 0, 0);
  return fold.partial();
}

function change(pairs: readonly (readonly [number, number])[]): Numbers {
  let before: Numbers = [];
  for (const pass of off.change.passes) {
    const fold = pass(before, { seed: 1, path: [] });
    for (const [champion, challenger] of pairs) {
      fold.add(Float32Array.of(champion), Float32Array.of(challenger), { at: 0, label: 0 });
    }
    before = fold.partial();
  }
  return before;
}

test('a mean is the sum over the rows of all parts', () => {
  expect(off.merge(figure([1, 2]), figure([6]))).toEqual([3, 9]);
  expect(off.finish([3, 9])).toBe(3);
  expect(off.finish(off.merge(figure([]), figure([])))).toBeUndefined();
  const share = meanMetric({
    title: 't',
    better: 'higher',
    loss: () => 0.25,
    figure: (x) => 1 - x,
  });
  expect(share.finish([4, 1])).toBe(0.75);
});

test('the change of a mean is [rows, mean, Σ (difference − mean)²], zeros where there are no rows', () => {
  const pairs = [
    [3, 1],
    [1, 1],
    [2, 1],
    [2, 3],
  ] as const; // differences 2 0 1 −1
  expect(change(pairs)).toEqual([4, 0.5, 5]);
  expect(change([])).toEqual([0, 0, 0]);
  expect(off.change.merge(change(pairs.slice(0, 2)), change(pairs.slice(2)))).toEqual([4, 0.5, 5]);
});

test('mergeMoments() gives the moments of all rows', () => {
  // 1 3 beside 4 6 8: mean 4.4, squares 11.56 + 1.96 + 0.16 + 2.56 + 12.96
  const [rows, mean, squares] = mergeMoments([2, 2, 2], [3, 6, 8]);
  expect([rows, mean]).toEqual([5, 4.4]);
  expect(squares).toBeCloseTo(29.2, 12);
});

test('a side without rows changes no bit of the other', () => {
  expect(mergeMoments([0, 0, 0], [3, 0.1, 7])).toEqual([3, 0.1, 7]); // 3 · 0.1 / 3 is not 0.1
  expect(mergeMoments([3, -0, 7], [0, 0, 0])).toEqual([3, -0, 7]);
});
