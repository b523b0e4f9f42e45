// The reference that merges are held against.
// In: partials of a power of two of lanes. Out: their sum along the binary tree.
// Why here: the product merges what it holds, in place; nothing there walks a whole tree.

export function mergeTree<P>(partials: readonly P[], merge: (left: P, right: P) => P): P {
  if (partials.length === 1) return partials[0]!;
  const half = partials.length / 2;
  return merge(mergeTree(partials.slice(0, half), merge), mergeTree(partials.slice(half), merge));
}
