// Deals lanes: to workers by their threads, and inside a worker to its threads.
// In: takers with their threads, which lanes, who owns what now. Out: an owner for each of these lanes.
// Why so: a round takes as long as its slowest taker, a moved lane costs a scan of its rows, and every
// subtree that nobody owns whole is one more sum to hand on. In this order. Pure.
import { coverOf, lanesUnder } from './tree.ts';

export type Taker<T extends string> = { readonly id: T; readonly threads: number };

export type Deal<T extends string> = {
  /** K: the width of the tree. */
  readonly lanes: number;
  /** Those to be dealt. */
  readonly dealt: readonly number[];
  readonly takers: readonly Taker<T>[];
  /** By lane; undefined where nobody owns it. */
  readonly previous: readonly (T | undefined)[];
};

/** Lanes move only to takers that may take more, from owners with too many or that are gone. */
export function dealLanes<T extends string>(deal: Deal<T>): (T | undefined)[] {
  const { lanes, dealt } = deal;
  const takers = chooseTakers(deal);
  const most = capacities(takers, dealt.length);
  const owned = new Map<T, number[]>();
  for (const { id } of takers) {
    const before = dealt.filter((lane) => deal.previous[lane] === id);
    owned.set(id, takeLanes(before, Math.min(before.length, most.get(id)!), lanes));
  }
  const kept = new Set([...owned.values()].flat());
  let free = dealt.filter((lane) => !kept.has(lane));
  const room = ({ id }: Taker<T>): number => most.get(id)! - owned.get(id)!.length;
  for (const taker of takers.sort((a, b) => room(b) - room(a) || compare(a.id, b.id))) {
    const taken = takeLanes(free, Math.min(room(taker), free.length), lanes);
    owned.get(taker.id)!.push(...taken);
    free = free.filter((lane) => !taken.includes(lane));
  }
  const owner = new Array<T | undefined>(lanes).fill(undefined);
  for (const [id, taken] of owned) for (const lane of taken) owner[lane] = id;
  return owner;
}

export const lanesOf = <T>(laneOwner: readonly (T | undefined)[], id: T): number[] =>
  [...laneOwner.keys()].filter((lane) => laneOwner[lane] === id);

/** At most as many takers as lanes: owners first, then those with most threads. */
function chooseTakers<T extends string>({ dealt, takers, previous }: Deal<T>): Taker<T>[] {
  const owners = new Set(dealt.map((lane) => previous[lane]));
  const owns = (id: T): number => (owners.has(id) ? 1 : 0);
  return [...takers]
    .sort((a, b) => owns(b.id) - owns(a.id) || b.threads - a.threads || compare(a.id, b.id))
    .slice(0, dealt.length);
}

/**
 * How many lanes each may own: its fair share rounded up, and not so many that anybody computes more
 * lanes one after another than the least possible.
 */
function capacities<T extends string>(takers: readonly Taker<T>[], lanes: number): Map<T, number> {
  const threadsOf = (taker: Taker<T>): number => Math.max(1, taker.threads);
  const total = takers.reduce((sum, taker) => sum + threadsOf(taker), 0);
  const turns = Math.ceil(lanes / total);
  return new Map(
    takers.map((taker) => {
      const fair = Math.ceil((lanes * threadsOf(taker)) / total);
      return [taker.id, Math.max(1, Math.min(turns * threadsOf(taker), fair))];
    }),
  );
}

/** `count` of these lanes in as few whole subtrees as a greedy choice finds. */
export function takeLanes(from: readonly number[], count: number, lanes: number): number[] {
  const taken: number[] = [];
  let left = [...from];
  while (taken.length < count) {
    const need = count - taken.length;
    const { first, count: size } = bestSubtree(left, need, lanes);
    const part = Math.min(size, largestPower(need));
    const next = range(part).map((offset) => first + offset);
    taken.push(...next);
    left = left.filter((lane) => !next.includes(lane));
  }
  return taken.sort((a, b) => a - b);
}

/** The smallest whole subtree that fills the need, else the largest there is. */
function bestSubtree(
  left: readonly number[],
  need: number,
  lanes: number,
): { first: number; count: number } {
  const trees = coverOf(left, lanes).map((node) => lanesUnder(node, lanes));
  const wanted = largestPower(need);
  const enough = trees.filter((tree) => tree.count >= wanted);
  if (enough.length > 0) return enough.reduce((a, b) => (b.count < a.count ? b : a));
  return trees.reduce((a, b) => (b.count > a.count ? b : a));
}

const largestPower = (n: number): number => 1 << (31 - Math.clz32(n));
const range = (count: number): number[] => [...new Array(count).keys()];
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
