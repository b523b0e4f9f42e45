// R²: the share of the label's variance that the predictions explain, and how sure a change of it is.
// In: values and labels. Out: 1 at best, 0 for who always says the mean. Undefined where the label does not vary.
// Why a bootstrap: numerator and denominator share their rows; 200 replicates know the spread to 5 %.
//
//   figure   pass 1 [rows, mean label], pass 2 [rows, mean, Σ (label − mean)², Σ error²]
//   change   [shift, then of each replicate: rows, Σ y, Σ y², Σ gain]   y = label − shift, the first label
import { Sum } from '../algorithm/sum.ts';
import { Philox } from '../random.ts';
import type { Draw, Numbers, PairFold, RowFold, RowMetric } from './metric.ts';
import { mergeMoments } from './moments.ts';

export const r2: RowMetric = {
  title: 'R²',
  better: 'higher',
  of: 'rows',
  passes: [meanLabelFold, ([, mean]) => spreadFold(mean!)],
  merge: (left, right) => {
    const [rows, mean, squares] = mergeMoments(left, right);
    return [rows!, mean!, squares!, left[3]! + right[3]!];
  },
  finish: ([rows, , squares, errors]) => {
    const variance = squares! / rows!; // population variance, in two passes: sums of squares cancel
    return variance > 0 ? 1 - errors! / rows! / variance : undefined;
  },
  change: {
    passes: [(_before, draw) => bootstrapFold(draw)],
    merge: mergeReplicates,
    error: spreadOfChanges,
  },
};

function meanLabelFold(): RowFold {
  const total = new Sum();
  let rows = 0;
  return {
    add: (_scores, _at, label) => {
      total.add(label);
      rows += 1;
    },
    partial: () => [rows, rows === 0 ? 0 : total.value() / rows],
  };
}

function spreadFold(mean: number): RowFold {
  const [squares, errors] = [new Sum(), new Sum()];
  let rows = 0;
  return {
    add: (scores, at, label) => {
      squares.add((label - mean) ** 2);
      errors.add((scores[at]! - label) ** 2);
      rows += 1;
    },
    partial: () => [rows, mean, squares.value(), errors.value()],
  };
}

export const REPLICATES = 200; // the spread of 200 replicates is known to 5 %; 500,000 rows take 3.5 s
/** Numbers of one replicate. */
const WIDTH = 4;

/**
 * Poisson bootstrap: row r of replicate b counts as often as word r of the stream (seed, b) says, so the same rows give
 * the same bound wherever it is computed.
 */
function bootstrapFold({ seed, path }: Draw): PairFold {
  const streams = Array.from(
    { length: REPLICATES },
    (_, replicate) => new Philox(seed, 'bootstrap', replicate, ...path),
  );
  const sums = new Float64Array(REPLICATES * WIDTH);
  let shift: number | undefined; // keeps the squares small and R² the same
  return {
    add: (champion, challenger, { at, label }) => {
      shift ??= label;
      const y = label - shift;
      const gain = (champion[at]! - label) ** 2 - (challenger[at]! - label) ** 2;
      for (let replicate = 0; replicate < REPLICATES; replicate++) {
        const times = poisson(streams[replicate]!.uint32());
        if (times === 0) continue;
        const place = replicate * WIDTH;
        sums[place]! += times;
        sums[place + 1]! += times * y;
        sums[place + 2]! += times * y * y;
        sums[place + 3]! += times * gain;
      }
    },
    partial: () => [shift ?? 0, ...sums],
  };
}

/** The right side's labels, shifted as the left side's are: (y + d)² = y² + 2dy + d². */
function mergeReplicates(left: Numbers, right: Numbers): Numbers {
  const isEmpty = (side: Numbers): boolean => side.every((value) => value === 0);
  if (isEmpty(right)) return left;
  if (isEmpty(left)) return right;
  const d = right[0]! - left[0]!;
  const merged = [...left];
  for (let place = 1; place < left.length; place += WIDTH) {
    const [rows, sum, squares] = [right[place]!, right[place + 1]!, right[place + 2]!];
    merged[place]! += rows;
    merged[place + 1]! += sum + d * rows;
    merged[place + 2]! += squares + 2 * d * sum + d * d * rows;
    merged[place + 3]! += right[place + 3]!;
  }
  return merged;
}

/** Standard deviation of the replicates' changes of R². */
function spreadOfChanges([, ...sums]: Numbers): number {
  const changes = Array.from({ length: REPLICATES }, (_, replicate) => {
    const [rows, sum, squares, gain] = sums.slice(replicate * WIDTH, (replicate + 1) * WIDTH);
    const spread = squares! - (sum! * sum!) / rows!;
    return spread > 0 ? gain! / spread : 0;
  });
  const total = new Sum();
  for (const change of changes) total.add(change);
  const mean = total.value() / REPLICATES;
  const squares = new Sum();
  for (const change of changes) squares.add((change - mean) * (change - mean));
  return Math.sqrt(squares.value() / (REPLICATES - 1));
}

/** P(count ≤ k) for a mean of 1, in units of 2^32: e⁻¹ · Σ 1/k!. */
const POISSON = ((): readonly number[] => {
  const edges: number[] = [];
  let [term, sum] = [Math.exp(-1), 0];
  for (let k = 0; k < 13; k++) {
    sum += term;
    edges.push(sum * 4294967296);
    term /= k + 1;
  }
  return edges;
})();

function poisson(word: number): number {
  let count = 0;
  while (count < POISSON.length && word >= POISSON[count]!) count += 1;
  return count;
}
