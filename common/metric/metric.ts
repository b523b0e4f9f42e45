// What a metric is: a name for how good scores are, and how to get it from rows that lie in many places.
// In: scored rows in a fixed order. Out: partials that merge along the fixed tree; at its root, a figure.
// Why partials: rows of a terabyte are never in one memory; what is left of 64 parts is a few numbers or a curve.
//
//   of rows    passes over the rows, each told what the one before found → numbers ─ merge … merge ─ finish → figure
//   of curve   (score, positives, negatives) of each different score, ascending ─ merged like merge sort ─ one walk
//
// The change between two models on the same rows has an error of its own, in the same way: passes over pairs.
import type { CurveWalk } from './curve.ts';

/** Rows: `width` scores each, one label each. */
export type Scored = {
  readonly width: number;
  readonly scores: Float32Array;
  readonly labels: Float32Array;
};

/** A partial that fits into a message. */
export type Numbers = readonly number[];

/** Loss of the row whose scores begin at `at`: lower is better for every one of them. */
export type RowLoss = (scores: Float32Array, at: number, label: number) => number;

export type RowFold = {
  add(scores: Float32Array, at: number, label: number): void;
  partial(): Numbers;
};

export type PairFold = {
  add(
    champion: Float32Array,
    challenger: Float32Array,
    of: { readonly at: number; readonly label: number },
  ): void;
  partial(): Numbers;
};

/** Keys of the random numbers that a bound may need: the same rows draw the same ones wherever they lie. */
export type Draw = { readonly seed: number; readonly path: readonly string[] };

type Words = {
  /** As a person writes it. */
  readonly title: string;
  readonly better: 'higher' | 'lower';
};

export type RowMetric = Words & {
  readonly of: 'rows';
  /** Over all rows, in their order, one after the other. The partial is what the last pass gives. */
  readonly passes: readonly ((before: Numbers) => RowFold)[];
  readonly merge: (left: Numbers, right: Numbers) => Numbers;
  /** Undefined where the figure would be a lie: R² needs a label that varies. */
  readonly finish: (sum: Numbers) => number | undefined;
  /** The standard error of a change, from rows that both models scored. */
  readonly change: {
    readonly passes: readonly ((before: Numbers, draw: Draw) => PairFold)[];
    readonly merge: (left: Numbers, right: Numbers) => Numbers;
    readonly error: (sum: Numbers) => number;
  };
};

/** Of the order of scores: which of a row's scores, and which labels count as positive. */
export type CurveMetric = Words & {
  readonly of: 'curve';
  /** Where in a row the score stands that is ordered. */
  readonly column: number;
  readonly isPositive: (label: number) => boolean;
  readonly walk: () => CurveWalk;
};

export type Metric = RowMetric | CurveMetric;
