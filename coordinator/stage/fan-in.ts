// Results of many tasks become one along the fixed tree: LIMITS.fanIn at a time, in order, level by level.
// In: refs in merge order, a program for the merges. Out: the root's result.
// Why a tree: no message names more than a few dozen tasks, no worker holds more than their partials, and the order of
// additions follows from the number of parts alone.
import { LIMITS } from '../../common/limits.ts';
import type { Program } from '../../common/stage/stages.ts';
import type { ResultRef, TaskInput } from '../../common/wire/task.ts';
import type { StageRun } from './run.ts';

export type Merge = {
  readonly numerics: string;
  /** `final` is the root: what it gives is no partial. */
  readonly program: (final: boolean) => Program;
};

/** What a tree of merges needs of a stage. */
export type Compute = Pick<StageRun, 'compute' | 'refs'>;

export async function mergeTree<R>(
  stage: Compute,
  leaves: readonly ResultRef[],
  { numerics, program }: Merge,
): Promise<{ readonly ref: ResultRef; readonly result: R }> {
  for (let refs = leaves; ; ) {
    const final = refs.length <= LIMITS.fanIn;
    const merges = { program: program(final), inputs: groupsOf(refs).map(resultsOf), numerics };
    if (final) return theOne<R>(stage, merges);
    refs = await stage.refs(merges);
  }
}

/**
 * The same where the leaves themselves read several results each: one leaf alone is the root. `leaves` are inputs of up
 * to LIMITS.fanIn parts.
 */
export async function leavesThenMerge<R>(
  stage: Compute,
  leaves: readonly TaskInput[],
  of: { readonly leaf: (final: boolean) => Program; readonly merge: Merge },
): Promise<{ readonly ref: ResultRef; readonly result: R }> {
  const { numerics } = of.merge;
  const work = { program: of.leaf(leaves.length === 1), inputs: leaves, numerics };
  if (leaves.length === 1) return theOne<R>(stage, work);
  return mergeTree(stage, await stage.refs(work), of.merge);
}

async function theOne<R>(
  stage: Compute,
  work: Parameters<Compute['compute']>[0],
): Promise<{ readonly ref: ResultRef; readonly result: R }> {
  const { refs, results } = await stage.compute<R>(work);
  return { ref: refs[0]!, result: results[0]! };
}

/** One group at least, so that nothing at all has a result too. */
export const groupsOf = <T>(items: readonly T[], size: number = LIMITS.fanIn): (readonly T[])[] =>
  Array.from({ length: Math.max(1, Math.ceil(items.length / size)) }, (_, i) =>
    items.slice(i * size, (i + 1) * size),
  );

export const resultsOf = (tasks: readonly ResultRef[]): TaskInput => ({ kind: 'results', tasks });
