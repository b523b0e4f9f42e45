// The fixed binary tree over lanes: how nodes are numbered and which of them a set of lanes covers.
// In: lane numbers, K (a power of two). Out: node numbers.
// Why fixed: additions happen along it alone, so who adds, and who answers first, cannot change a bit.
//
//        1            the root is 1, the children of n are 2n and 2n+1,
//      2   3          lane l of K is node K + l
//     4 5 6 7         (K = 4: lanes 0…3 are nodes 4…7)

export const ROOT = 1;
export const laneNode = (lane: number, lanes: number): number => lanes + lane;
export const parentOf = (node: number): number => node >> 1;
export const siblingOf = (node: number): number => node ^ 1;
export const isLeft = (node: number): boolean => (node & 1) === 0;

/** Lanes under a node: [first, first + count). */
export function lanesUnder(node: number, lanes: number): { first: number; count: number } {
  const level = 31 - Math.clz32(node);
  const count = lanes >> level;
  return { first: (node - (1 << level)) * count, count };
}

/** The fewest nodes that cover exactly these lanes, in lane order: what their owner adds up by itself. */
export function coverOf(owned: readonly number[], lanes: number): number[] {
  const has = new Set(owned);
  const full = (node: number): boolean => {
    const { first, count } = lanesUnder(node, lanes);
    for (let lane = first; lane < first + count; lane++) if (!has.has(lane)) return false;
    return true;
  };
  const walk = (node: number): number[] => {
    if (full(node)) return [node];
    return node >= lanes ? [] : [...walk(2 * node), ...walk(2 * node + 1)];
  };
  return walk(ROOT);
}
