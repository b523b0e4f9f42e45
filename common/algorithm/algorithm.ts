// The one shape of parallel computing: rows → partials → merged along one fixed tree → state.
// In: what a lane holds. Out: the same state, whoever computed which lane and in whatever order they answered.
// Why: statistics, gradients and metrics differ only in these four functions.

export type Algorithm<Spec, State, Rows, Partial> = {
  init(spec: Spec, seed: number): State;
  partial(state: State, rows: Rows): Partial;
  /** Called only along the lane tree, left before right. May write into `left`. */
  merge(left: Partial, right: Partial): Partial;
  /** Same bits in every holder. */
  step(state: State, sum: Partial): State;
};

/** Merges along the binary tree over `partials` (a power of two of them): the tree decides the bits. */
export function mergeTree<P>(partials: readonly P[], merge: (left: P, right: P) => P): P {
  if (partials.length === 1) return partials[0]!;
  const half = partials.length / 2;
  return merge(mergeTree(partials.slice(0, half), merge), mergeTree(partials.slice(half), merge));
}

/** Merges left to right: for parts, whose number is not a power of two. */
export function mergeInOrder<P>(partials: readonly P[], merge: (left: P, right: P) => P): P {
  return partials.slice(1).reduce(merge, partials[0]!);
}
