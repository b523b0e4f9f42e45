// Which rows of a part belong to which lanes.
// In: a program's lanes, a part's offsets by bucket. Out: runs of lanes, and of rows.
// Why apart from rows.ts: the supervisor fetches by these what a thread then reads, and loads no engine.
import { LIMITS } from '../../common/limits.ts';
import type { PartRef } from '../../common/wire/task.ts';

/** Lanes or rows: [first, end). */
export type Run = { readonly first: number; readonly end: number };

/** Adjacent lanes are read in one scan. */
export function runsOf(lanes: readonly number[]): Run[] {
  const runs: { first: number; end: number }[] = [];
  for (const lane of [...lanes].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last?.end === lane) last.end++;
    else runs.push({ first: lane, end: lane + 1 });
  }
  return runs;
}

/** The row of a part at which a lane begins, of `lanes` in all. */
export const rowOfLane = (part: PartRef, lane: number, lanes: number): number =>
  part.bucketOffsets[(lane * LIMITS.buckets) / lanes]!;

/** Rows of a part that lie in these lanes. */
export const rowsOfLanes = (part: PartRef, held: readonly number[], lanes: number): Run[] =>
  runsOf(held)
    .map(({ first, end }) => ({
      first: rowOfLane(part, first, lanes),
      end: rowOfLane(part, end, lanes),
    }))
    .filter(({ first, end }) => first < end);
