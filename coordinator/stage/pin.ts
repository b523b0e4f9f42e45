// Pins what a job works on: its snapshot and its plan, once, whoever runs it and however often.
// In: a spec. Out: the snapshot and the plan that are in the store, and what its prepare tasks are made of; a restarted job finds its first ones.
// Why the plan is written before results are looked up: it is what garbage collection starts from.
// Flow: job → [snapshot → plan] → prepare → fit → train → evaluate → prove → publish → gate → predictions
import { GristmillError } from '../../common/errors.ts';
import type { Digest, JobId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { PrepareProgram } from '../../common/stage/prepare.ts';
import { createJson } from '../../common/store/store.ts';
import { readStored, type Stored } from '../../common/stored/stored.ts';
import { type Plan, type PreparePins, sameForAll } from '../../common/wire/plan.ts';
import { programKey } from '../../common/wire/task.ts';
import { found } from '../../common/wire/view.ts';
import { chooseNumerics } from '../dispatch/workers.ts';
import { type PrepareSource, pinPrepare } from '../plan/prepare.ts';
import { storeProgram } from '../plan/tasks.ts';
import type { Snapshot } from '../snapshot/row-groups.ts';
import { loadSnapshot, saveSnapshot, takeSnapshot } from '../snapshot/snapshot.ts';
import { type CheckedSpec, prepareProgram } from './check.ts';
import type { JobContext } from './context.ts';

/** The first plan, and one for each time that a job was told to go on under other numerics. */
export const planKey = (job: JobId, repins = 0): string =>
  repins === 0 ? `jobs/${job}/plan.json` : `jobs/${job}/plan-${repins + 1}.json`;

export type Pinned<C extends CheckedSpec = CheckedSpec> = {
  readonly snapshot: Snapshot;
  readonly plan: Plan;
  readonly prepare: PrepareSource;
  /** What the check of the spec found: once, and carried from here on. */
  readonly checked: C;
};

export async function pinPlan<C extends CheckedSpec>(
  job: JobContext,
  check: (schema: Snapshot['schema']) => Promise<C>,
): Promise<Pinned<C>> {
  const existing = await readStored(job.store, planKey(job.id), 'plan');
  if (existing) return (job.repins.length === 0 ? carryOn : planAgain)(job, existing, check);
  const taken = await takeSnapshot(job.lake, job.spec.dataset, job.readFooter, job.clock);
  const { snapshot, skipped } = taken;
  const digest = await saveSnapshot(job.store, snapshot, job.scratch);
  const checked = await check(snapshot.schema);
  const numerics = await awaitNumerics(job);
  const prepare = await sourceOf(job, { snapshot, program: prepareProgram(checked), numerics });
  const plan: Plan = {
    formatVersion: formOf(prepare.pins),
    job: job.id,
    snapshot: digest,
    numerics: sameForAll(numerics),
    prepare: prepare.pins,
  };
  await createJson(job.store, planKey(job.id), plan);
  const won = await readStored(job.store, planKey(job.id), 'plan');
  if (!won)
    throw new GristmillError(
      'INTERNAL',
      `Cannot plan job ${job.id}: its plan is not in the store after it was written`,
    );
  const mine = won.snapshot === digest ? { snapshot, checked, prepare } : undefined;
  const pinned = await carryOn(job, won, check, mine);
  await job.record(
    found('snapshot', { snapshot: { ...sizeOf(won.snapshot, pinned.snapshot), skipped } }),
  );
  return pinned;
}

const sizeOf = (digest: Digest, { objects }: Snapshot) => ({
  digest,
  objects: objects.length,
  rowGroups: objects.reduce((sum, object) => sum + object.rowGroups.length, 0),
  rows: objects.reduce((sum, object) => sum + object.rows, 0),
  bytes: objects.reduce((sum, object) => sum + object.bytes, 0),
  differences: differencesOf(objects),
});

/** Columns that some objects have otherwise, as many as are worth a look. */
const DIFFERENCES_MAX = 20;

function differencesOf(objects: Snapshot['objects']) {
  const byColumn = new Map<string, { absent: number; types: Set<string>; object: string }>();
  for (const { key, types = {} } of objects)
    for (const [column, type] of Object.entries(types)) {
      const seen = byColumn.get(column) ?? { absent: 0, types: new Set(), object: key };
      byColumn.set(column, seen);
      if (type === null) seen.absent += 1;
      else seen.types.add(type);
    }
  return [...byColumn]
    .slice(0, DIFFERENCES_MAX)
    .map(([column, { types, ...seen }]) => ({ column, ...seen, types: [...types] }));
}

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

/** A plan that is there holds, with its program and its constants; where it says too little, it is pinned anew. */
async function carryOn<C extends CheckedSpec>(
  job: JobContext,
  stored: Stored['plan'],
  check: (schema: Snapshot['schema']) => Promise<C>,
  known?: Pick<Pinned<C>, 'snapshot' | 'checked' | 'prepare'>,
): Promise<Pinned<C>> {
  const snapshot = known?.snapshot ?? (await loadSnapshot(job.store, stored.snapshot, job.clock));
  const checked = known?.checked ?? (await check(snapshot.schema));
  const numerics = stored.numerics.prepare;
  const today = { snapshot, program: prepareProgram(checked), numerics };
  const prepare = stored.prepare
    ? await sourceOfPins(job, { snapshot, pins: stored.prepare, numerics, known: known?.prepare })
    : await sourceOf(job, today);
  const formatVersion = formOf(prepare.pins);
  return {
    ...{ snapshot, checked, prepare },
    plan: { ...stored, formatVersion, prepare: prepare.pins },
  };
}

/** Who knows of no packs must not read a plan that has them. */
const formOf = ({ packs }: PreparePins): Plan['formatVersion'] => (packs ? 4 : 3);

/** The program is the plan's, whatever this one would make of the spec today. */
async function sourceOfPins(
  job: JobContext,
  of: Pick<PrepareSource, 'snapshot' | 'pins' | 'numerics'> & {
    readonly known: PrepareSource | undefined;
  },
): Promise<PrepareSource> {
  const { known, ...source } = of;
  const { program: digest } = of.pins;
  if (known?.pins.program === digest) return { ...known, ...source };
  const program = await readStored(job.store, programKey(digest), 'prepareProgram');
  if (program) return { ...source, reads: program.reads, isNew: false };
  throw new GristmillError(
    'INTERNAL',
    `Cannot go on with the plan of job ${job.id}: its program ${digest} is not in ${job.store.uri}`,
  );
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

/** What the prepare tasks of a snapshot are made of, with this program's constants; also the gate's way to its test rows. */
export async function sourceOf(
  job: Pick<JobContext, 'store' | 'clock'>,
  {
    snapshot,
    program,
    numerics,
  }: { snapshot: Snapshot; program: PrepareProgram; numerics: string },
): Promise<PrepareSource> {
  const { digest, isNew } = await storeProgram(job.store, program);
  const pins = await pinPrepare(snapshot, { program: digest, clock: job.clock });
  return { snapshot, pins, reads: program.reads, numerics, isNew };
}
