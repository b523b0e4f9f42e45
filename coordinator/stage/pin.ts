// Pins what a job works on: its snapshot and its plan, once, whoever runs it and however often.
// In: a spec. Out: the snapshot and the plan that are in the store; a restarted job finds its first ones.
// Why the plan is written before results are looked up: it is what garbage collection starts from.
// Flow: job → [snapshot → plan] → prepare → fit → train → evaluate → prove → publish → gate → predictions
import { GristmillError } from '../../common/errors.ts';
import type { Digest, JobId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { PrepareProgram } from '../../common/stage/prepare.ts';
import { createJson } from '../../common/store/store.ts';
import { readStored, type Stored } from '../../common/stored/stored.ts';
import { type Plan, type Snapshot, sameForAll } from '../../common/wire/plan.ts';
import type { Task } from '../../common/wire/task.ts';
import { found } from '../../common/wire/view.ts';
import { chooseNumerics } from '../dispatch/workers.ts';
import { cutShards } from '../plan/shards.ts';
import { makeTask, saveProgram } from '../plan/tasks.ts';
import { loadSnapshot, saveSnapshot, takeSnapshot } from '../snapshot/snapshot.ts';
import { type CheckedSpec, prepareProgram } from './check.ts';
import type { JobContext } from './context.ts';

/** The first plan, and one for each time that a job was told to go on under other numerics. */
export const planKey = (job: JobId, repins = 0): string =>
  repins === 0 ? `jobs/${job}/plan.json` : `jobs/${job}/plan-${repins + 1}.json`;

export type Pinned<C extends CheckedSpec = CheckedSpec> = {
  readonly snapshot: Snapshot;
  readonly plan: Plan;
  /** What the check of the spec found: once, and carried from here on. */
  readonly checked: C;
};

export async function pinPlan<C extends CheckedSpec>(
  job: JobContext,
  check: (schema: Snapshot['schema']) => Promise<C>,
): Promise<Pinned<C>> {
  const existing = await readStored(job.store, planKey(job.id), 'plan');
  if (existing) return (job.repins.length === 0 ? carryOn : planAgain)(job, existing, check);
  const snapshot = await takeSnapshot(job.lake, job.spec.dataset, job.readFooter);
  const digest = await saveSnapshot(job.store, snapshot);
  const checked = await check(snapshot.schema);
  const numerics = await awaitNumerics(job);
  const plan: Plan = {
    formatVersion: 2,
    job: job.id,
    snapshot: digest,
    numerics: sameForAll(numerics),
    prepare: await tasksOf(job, { snapshot, checked, numerics }),
  };
  await createJson(job.store, planKey(job.id), plan);
  const won = await readStored(job.store, planKey(job.id), 'plan');
  if (!won)
    throw new GristmillError(
      'INTERNAL',
      `Cannot plan job ${job.id}: its plan is not in the store after it was written`,
    );
  const mine = won.snapshot === digest ? { snapshot, checked } : undefined;
  const pinned = await carryOn(job, won, check, mine);
  await job.record(found('snapshot', { snapshot: sizeOf(won.snapshot, pinned.snapshot) }));
  return pinned;
}

const sizeOf = (digest: Digest, { objects }: Snapshot) => ({
  digest,
  objects: objects.length,
  rowGroups: objects.reduce((sum, object) => sum + object.rowGroups.length, 0),
  rows: objects.reduce((sum, object) => sum + object.rows, 0),
  bytes: objects.reduce((sum, object) => sum + object.bytes, 0),
});

/** The same rows under the numerics that the job was last told to go on under. */
async function planAgain<C extends CheckedSpec>(
  job: JobContext,
  first: Stored['plan'],
  check: (schema: Snapshot['schema']) => Promise<C>,
): Promise<Pinned<C>> {
  const key = planKey(job.id, job.repins.length);
  const existing = await readStored(job.store, key, 'plan');
  if (existing) return carryOn(job, existing, check);
  const numerics = sameForAll(job.repins.at(-1)!);
  const made = await carryOn(job, { ...first, numerics, prepare: null }, check);
  await createJson(job.store, key, made.plan);
  return made;
}

/** A plan that is there holds; tasks that an older program planned have other names now and are made anew. */
async function carryOn<C extends CheckedSpec>(
  job: JobContext,
  stored: Stored['plan'],
  check: (schema: Snapshot['schema']) => Promise<C>,
  known?: Pick<Pinned<C>, 'snapshot' | 'checked'>,
): Promise<Pinned<C>> {
  const snapshot = known?.snapshot ?? (await loadSnapshot(job.store, stored.snapshot));
  const checked = known?.checked ?? (await check(snapshot.schema));
  const numerics = stored.numerics.prepare;
  const prepare = stored.prepare ?? (await tasksOf(job, { snapshot, checked, numerics }));
  return { snapshot, checked, plan: { ...stored, prepare } };
}

const tasksOf = (
  job: JobContext,
  of: { readonly snapshot: Snapshot; readonly checked: CheckedSpec; readonly numerics: string },
): Promise<Task[]> => prepareTasks(job, { ...of, program: prepareProgram(of.checked) });

/** The numerics with the most threads alive; waits, visibly, for a first worker. */
async function awaitNumerics(job: JobContext): Promise<string> {
  const leave = job.stand?.(() => ({ kind: 'worker' }));
  try {
    for (;;) {
      const numerics = chooseNumerics(job.workers.live());
      if (numerics !== undefined) return numerics;
      await job.clock.sleep(LIMITS.heartbeatMs / 2, job.signal);
      job.signal.throwIfAborted();
    }
  } finally {
    leave?.();
  }
}

/** One prepare task a shard; also the gate's way to its test rows. */
export async function prepareTasks(
  job: Pick<JobContext, 'store'>,
  {
    snapshot,
    program,
    numerics,
  }: { snapshot: Snapshot; program: PrepareProgram; numerics: string },
): Promise<Task[]> {
  const digest = await saveProgram(job.store, program);
  const shards = cutShards(snapshot, { reads: program.reads, shardBytesMax: LIMITS.shardBytesMax });
  return shards.map((shard) =>
    makeTask({ stage: 'prepare', program: digest, input: { kind: 'shard', shard }, numerics }),
  );
}
