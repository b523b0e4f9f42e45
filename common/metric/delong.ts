// How sure the change of an AUC is: the covariance of two AUCs of the same rows (DeLong, DeLong, Clarke-Pearson 1988).
// In: both curves over all rows, then rows in any number of places. Out: co-moments of placements, which merge; an error.
// Why placements: for each positive the share of negatives below it, for each negative the share of positives above
// it, ties counting half; the AUC is their mean, its variance that of the means (midranks of Sun and Xu 2014: n log n).
//
//   of each class  [rows, mean a, mean b, Σ (a − mean)², Σ (b − mean)², Σ (a − mean)(b − mean)]: positives, then negatives
import { Sum } from '../algorithm/sum.ts';
import { groupsOf, type Runs, sortByKey } from './curve.ts';
import type { Numbers } from './metric.ts';

/** Both placements of each row, in row order. */
export type Placed = {
  readonly a: Float64Array;
  readonly b: Float64Array;
  readonly isPositive: Uint8Array;
};

/** A curve that can be walked again. */
export type Curve = () => Iterable<Runs>;

export function countCurve(curve: Curve): { positives: number; negatives: number } {
  const total = { positives: 0, negatives: 0 };
  for (const { positives, negatives } of groupsOf(curve())) {
    total.positives += positives;
    total.negatives += negatives;
  }
  return total;
}

/** Walks a curve beside some rows in the order of their keys: the curve may hold far more than these rows. */
export function placeRows(
  keys: Uint32Array,
  isPositive: Uint8Array,
  { curve, total }: { curve: Curve; total: ReturnType<typeof countCurve> },
): Float64Array {
  const order = sortByKey(keys);
  const placed = new Float64Array(keys.length);
  let at = 0;
  let below = 0; // negatives in lower runs
  let seen = 0; // positives in lower runs
  for (const { key, positives, negatives } of groupsOf(curve())) {
    if (at === order.length) break;
    const ofPositive = (below + negatives / 2) / total.negatives;
    const ofNegative = (total.positives - seen - positives / 2) / total.positives;
    for (; at < order.length && keys[order[at]!] === key; at++) {
      const row = order[at]!;
      placed[row] = isPositive[row] === 1 ? ofPositive : ofNegative;
    }
    below += negatives;
    seen += positives;
  }
  return placed;
}

/** Two passes over all blocks of rows, in row order: sums of products cancel where the means are large. */
export function coMoments(blocks: () => Iterable<Placed>): Numbers {
  const means = [new Means(), new Means()];
  for (const { a, b, isPositive } of blocks()) {
    for (let row = 0; row < a.length; row++) means[1 - isPositive[row]!]!.add(a[row]!, b[row]!);
  }
  const spreads = means.map((mean) => new Spread(mean));
  for (const { a, b, isPositive } of blocks()) {
    for (let row = 0; row < a.length; row++) spreads[1 - isPositive[row]!]!.add(a[row]!, b[row]!);
  }
  return spreads.flatMap((spread) => spread.partial());
}

class Means {
  rows = 0;
  readonly #a = new Sum();
  readonly #b = new Sum();
  add(a: number, b: number): void {
    this.rows += 1;
    this.#a.add(a);
    this.#b.add(b);
  }
  get a(): number {
    return this.rows === 0 ? 0 : this.#a.value() / this.rows;
  }
  get b(): number {
    return this.rows === 0 ? 0 : this.#b.value() / this.rows;
  }
}

class Spread {
  readonly #rows: number;
  readonly #a: number;
  readonly #b: number;
  readonly #aa = new Sum();
  readonly #bb = new Sum();
  readonly #ab = new Sum();
  constructor(means: Means) {
    this.#rows = means.rows;
    this.#a = means.a;
    this.#b = means.b;
  }
  add(a: number, b: number): void {
    const [offA, offB] = [a - this.#a, b - this.#b];
    this.#aa.add(offA * offA);
    this.#bb.add(offB * offB);
    this.#ab.add(offA * offB);
  }
  partial(): number[] {
    return [this.#rows, this.#a, this.#b, this.#aa.value(), this.#bb.value(), this.#ab.value()];
  }
}

const CLASS_NUMBERS = 6;

export function mergeCoMoments(left: Numbers, right: Numbers): Numbers {
  return [0, CLASS_NUMBERS].flatMap((at) =>
    mergeClass(left.slice(at, at + CLASS_NUMBERS), right.slice(at, at + CLASS_NUMBERS)),
  );
}

function mergeClass(left: Numbers, right: Numbers): Numbers {
  const [n1, a1, b1, aa1, bb1, ab1] = left as [number, number, number, number, number, number];
  const [n2, a2, b2, aa2, bb2, ab2] = right as [number, number, number, number, number, number];
  if (n2 === 0) return left;
  if (n1 === 0) return right;
  const n = n1 + n2;
  const [da, db] = [a2 - a1, b2 - b1];
  const share = (n1 * n2) / n;
  return [
    n,
    a1 + (da * n2) / n,
    b1 + (db * n2) / n,
    aa1 + aa2 + da * da * share,
    bb1 + bb2 + db * db * share,
    ab1 + ab2 + da * db * share,
  ];
}

/** [[var a, cov], [cov, var b]] of the two AUCs. */
export function covarianceOfAreas(sum: Numbers): readonly (readonly number[])[] {
  const of = (place: number): number => ofClass(sum, 0, place) + ofClass(sum, CLASS_NUMBERS, place);
  const [aa, bb, ab] = [of(3), of(4), of(5)];
  return [
    [aa, ab],
    [ab, bb],
  ];
}

/** Sample covariance (n − 1) over n; 0 for a single row, which tells nothing. */
function ofClass(sum: Numbers, at: number, place: number): number {
  const rows = sum[at]!;
  return rows < 2 ? 0 : sum[at + place]! / (rows - 1) / rows;
}

/** √var(AUC₁ − AUC₂). */
export function errorOfAreas(sum: Numbers): number {
  const [[aa, ab], [, bb]] = covarianceOfAreas(sum) as [[number, number], [number, number]];
  return Math.sqrt(Math.max(0, aa + bb - 2 * ab));
}
