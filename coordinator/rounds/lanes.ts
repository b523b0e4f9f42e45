// Deals lanes to workers by their threads.
// In: workers, K, who owns what now. Out: an owner for each lane.
// Why so: a round takes as long as its slowest worker, a moved lane costs a scan of its rows, and every
// subtree that a worker does not own whole is one more sum on the bus. In this order. Pure.
import { coverOf, lanesUnder } from '../../common/algorithm/tree.ts';
import type { WorkerId } from '../../common/ids.ts';

export type Dealt = { readonly worker: WorkerId; readonly threads: number };

/** Lanes move only to workers that may take more, from owners with too many or that are gone. */
export function dealLanes(deal: {
  readonly lanes: number;
  readonly workers: readonly Dealt[];
  readonly previous: readonly (WorkerId | undefined)[];
}): WorkerId[] {
  const workers = chooseWorkers(deal.workers, deal.lanes, deal.previous);
  const most = capacities(workers, deal.lanes);
  const kept = new Map<WorkerId, number[]>();
  for (const { worker } of workers) {
    const owned = lanesOf(deal.previous, worker);
    kept.set(worker, takeLanes(owned, Math.min(owned.length, most.get(worker)!), deal.lanes));
  }
  let free = range(deal.lanes).filter((lane) => ![...kept.values()].some((k) => k.includes(lane)));
  const room = (of: Dealt): number => most.get(of.worker)! - kept.get(of.worker)!.length;
  const wanting = [...workers].sort((a, b) => room(b) - room(a) || compare(a.worker, b.worker));
  for (const of of wanting) {
    const taken = takeLanes(free, Math.min(room(of), free.length), deal.lanes);
    kept.get(of.worker)!.push(...taken);
    free = free.filter((lane) => !taken.includes(lane));
  }
  const owner = new Array<WorkerId>(deal.lanes);
  for (const [worker, lanes] of kept) for (const lane of lanes) owner[lane] = worker;
  return owner;
}

export const lanesOf = (laneOwner: readonly (WorkerId | undefined)[], worker: WorkerId): number[] =>
  [...laneOwner.keys()].filter((lane) => laneOwner[lane] === worker);

/** At most K workers: owners first, then those with most threads. */
function chooseWorkers(
  workers: readonly Dealt[],
  lanes: number,
  previous: readonly (WorkerId | undefined)[],
): Dealt[] {
  const owns = (worker: WorkerId): number => (previous.includes(worker) ? 1 : 0);
  return [...workers]
    .sort(
      (a, b) =>
        owns(b.worker) - owns(a.worker) || b.threads - a.threads || compare(a.worker, b.worker),
    )
    .slice(0, lanes);
}

/**
 * How many lanes each may own so that nobody computes more lanes one after another than needed:
 * the least M with Σ M·threads ≥ K. Without any slack the last worker would get what is left over,
 * so a worker's part is rounded up from its fair share and never above M·threads.
 */
function capacities(workers: readonly Dealt[], lanes: number): Map<WorkerId, number> {
  const threads = workers.map((of) => Math.max(1, of.threads));
  const total = threads.reduce((sum, count) => sum + count, 0);
  const turns = Math.ceil(lanes / total);
  const most = threads.map((count) =>
    Math.max(1, Math.min(turns * count, Math.ceil((lanes * count) / total))),
  );
  return new Map(workers.map((of, index) => [of.worker, most[index]!]));
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
