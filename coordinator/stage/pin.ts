// Pins what a job works on: its snapshot and its plan, once, whoever runs it and however often.
// In: a spec. Out: the snapshot and the plan that are in the store; a restarted job finds its first ones.
// Why the plan is written before results are looked up: it is what garbage collection starts from.
// Flow: job → [snapshot → plan] → prepare → fit → train → evaluate → prove → publish → gate → predictions
import { GristmillError } from '../../common/errors.ts';
import type { JobId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { PrepareProgram } from '../../common/stage/prepare.ts';
import { createJson } from '../../common/store/store.ts';
import type { Plan, Snapshot } from '../../common/wire/plan.ts';
import { readStored, type Stored } from '../../common/wire/stored.ts';
import type { Task } from '../../common/wire/task.ts';
import { found } from '../../common/wire/view.ts';
import { chooseNumerics } from '../dispatch/workers.ts';
import { cutShards } from '../plan/shards.ts';
import { makeTask, saveProgram } from '../plan/tasks.ts';
import { loadSnapshot, saveSnapshot, takeSnapshot } from '../snapshot/snapshot.ts';
import { checkSpec, prepareProgram } from './check.ts';
import type { JobContext } from './context.ts';

/** The first plan, and one for each time that a job was told to go on under other numerics. */
export const planKey = (job: JobId, repins = 0): string =>
  repins === 0 ? `jobs/${job}/plan.json` : `jobs/${job}/plan-${repins + 1}.json`;

export async function pinPlan(job: JobContext): Promise<{ snapshot: Snapshot; plan: Plan }> {
  const existing = await readStored(job.store, planKey(job.id), 'plan');
  if (existing) {
    const snapshot = await loadSnapshot(job.store, existing.snapshot);
    return job.repins.length === 0
      ? carryOn(job, existing, snapshot)
      : planAgain(job, existing, snapshot);
  }

  const snapshot = await takeSnapshot(job.lake, job.spec.dataset, job.readFooter);
  const digest = await saveSnapshot(job.store, snapshot);
  const numerics = await awaitNumerics(job);
  const checked = await checkSpec(job, job.spec, snapshot.schema);
  const program = prepareProgram(checked);
  const plan: Plan = {
    formatVersion: 2,
    job: job.id,
    snapshot: digest,
    numerics,
    prepare: await prepareTasks(job, { snapshot, program, numerics }),
  };
  await createJson(job.store, planKey(job.id), plan);
  const won = await readStored(job.store, planKey(job.id), 'plan');
  if (!won)
    throw new GristmillError(
      'INTERNAL',
      `Cannot plan job ${job.id}: its plan is not in the store after it was written`,
    );
  const pinned = won.snapshot === digest ? snapshot : await loadSnapshot(job.store, won.snapshot);
  await job.record(
    found('snapshot', {
      snapshot: {
        digest: won.snapshot,
        objects: pinned.objects.length,
        rowGroups: pinned.objects.reduce((sum, object) => sum + object.rowGroups.length, 0),
        rows: pinned.objects.reduce((sum, object) => sum + object.rows, 0),
        bytes: pinned.objects.reduce((sum, object) => sum + object.bytes, 0),
      },
    }),
  );
  return carryOn(job, won, pinned);
}

/** The same rows under the numerics that the job was last told to go on under. */
async function planAgain(
  job: JobContext,
  first: Stored['plan'],
  snapshot: Snapshot,
): Promise<{ snapshot: Snapshot; plan: Plan }> {
  const key = planKey(job.id, job.repins.length);
  const existing = await readStored(job.store, key, 'plan');
  if (existing) return carryOn(job, existing, snapshot);
  const numerics = job.repins.at(-1)!;
  const plan = { ...first, numerics, prepare: null };
  const made = await carryOn(job, plan, snapshot);
  await createJson(job.store, key, made.plan);
  return made;
}

/** A plan that is there holds; tasks that an older program planned have other names now and are made anew. */
async function carryOn(
  job: JobContext,
  stored: Stored['plan'],
  snapshot: Snapshot,
): Promise<{ snapshot: Snapshot; plan: Plan }> {
  if (stored.prepare) return { snapshot, plan: { ...stored, prepare: stored.prepare } };
  const program = prepareProgram(await checkSpec(job, job.spec, snapshot.schema));
  const { numerics } = stored;
  const prepare = await prepareTasks(job, { snapshot, program, numerics });
  return { snapshot, plan: { ...stored, prepare } };
}

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
