// Takes a job in: checked against its dataset, durable before it is answered, once per Idempotency-Key.
// In: the body's bytes. Out: jobs/<job>/spec.json, its place in the index, its first fact.
// Why in this order: a crash between two of these writes leaves a job that the same request completes.
// Flow: [job] → snapshot → plan → prepare → fit → train → evaluate → prove → publish → gate → predictions
import { CODES, GristmillError, pointedAt, toWireError } from '../../common/errors.ts';
import { digestOf, type JobId, jobIdOf } from '../../common/ids.ts';
import { appendNext } from '../../common/store/journal.ts';
import { createJson, type Store } from '../../common/store/store.ts';
import { readStored, type Stored } from '../../common/stored/stored.ts';
import { type JobSpec, parseJob } from '../../common/wire/job/job.ts';
import type { IndexEntry, StoredSpec } from '../../common/wire/view.ts';
import { checkPublishes } from '../registry/testset.ts';
import { withSchema } from '../snapshot/snapshot.ts';
import { checkSpec } from '../stage/check.ts';
import type { Machinery } from '../stage/context.ts';
import { JobJournal } from './journal.ts';

export const INDEX_PREFIX = 'jobs/index';
export const specKey = (job: JobId): string => `jobs/${job}/spec.json`;

export const loadSpec = (store: Store, job: JobId): Promise<Stored['spec'] | undefined> =>
  readStored(store, specKey(job), 'spec');

export async function submitJob(
  machinery: Machinery,
  body: Uint8Array,
  idempotencyKey: string | undefined,
): Promise<{ job: JobId; created: boolean }> {
  const spec = parseJob(body);
  const job = jobIdOf('client', idempotencyKey);
  const bodyDigest = digestOf(spec);
  const first = idempotencyKey === undefined ? undefined : await loadSpec(machinery.store, job);
  if (!first) {
    await checkRunnable(machinery, spec);
    await storeSpec(machinery, { job, spec, bodyDigest });
  }
  const kept = first ?? (await loadSpec(machinery.store, job));
  if (!kept || kept.bodyDigest !== bodyDigest) {
    throw new GristmillError(
      'IDEMPOTENCY_MISMATCH',
      `Cannot submit job ${JSON.stringify(spec.name)}: Idempotency-Key ${JSON.stringify(idempotencyKey)} was used for another body, expected the same one or a new key`,
    );
  }
  const created = await enlist(machinery, { job, name: spec.name, at: kept.at });
  return { job, created };
}

/** Whether the job can be run as things are now: its model's test set, its dataset's schema, its SQL. */
export async function checkRunnable(
  machinery: Pick<Machinery, 'store' | 'lake' | 'readFooter' | 'child' | 'clock'>,
  spec: JobSpec,
): Promise<void> {
  await checkPublishes(machinery.store, spec);
  let isRead = false;
  try {
    await withSchema(machinery, spec.dataset, (schema) => {
      isRead = true;
      return checkSpec(machinery, spec, schema);
    });
  } catch (error) {
    if (isRead || CODES[toWireError(error).code].retry) throw error;
    throw pointedAt('/dataset', error);
  }
}

/**
 * Takes a job in without looking at its dataset: what is wrong with it by now fails the job, not the submission.
 * Once per name; `after` is a job whose end it waits for. What lies there under that name must be the same job.
 */
export async function enlistJob(
  machinery: Pick<Machinery, 'store' | 'clock'>,
  spec: JobSpec,
  { job, after }: { readonly job: JobId; readonly after: JobId | null },
): Promise<JobId> {
  const bodyDigest = digestOf(spec);
  if (!(await loadSpec(machinery.store, job)))
    await storeSpec(machinery, { job, spec, bodyDigest });
  const kept = await loadSpec(machinery.store, job);
  if (kept && kept.bodyDigest !== bodyDigest)
    throw new GristmillError(
      'IDEMPOTENCY_MISMATCH',
      `Cannot submit job ${JSON.stringify(spec.name)}: ${job} is another job, ${JSON.stringify(kept.spec.name)}, expected the same or a free name`,
    );
  const at = kept?.at ?? machinery.clock.now();
  await enlist(machinery, { job, name: spec.name, at, ...(after ? { after } : {}) });
  return job;
}

const storeSpec = (
  { store, clock }: Pick<Machinery, 'store' | 'clock'>,
  { job, ...spec }: Pick<StoredSpec, 'job' | 'spec' | 'bodyDigest'>,
) => createJson(store, specKey(job), { formatVersion: 1, job, ...spec, at: clock.now() });

/** Index first, then the first fact: a job with a fact has its place. False where it had it before. */
async function enlist(
  machinery: Pick<Machinery, 'store' | 'clock'>,
  of: Omit<IndexEntry, 'formatVersion'>,
): Promise<boolean> {
  const journal = new JobJournal({ ...machinery, job: of.job });
  await journal.refresh();
  if (journal.entries.length > 0) return false;
  await appendNext<IndexEntry>(machinery.store, INDEX_PREFIX, { formatVersion: 1, ...of });
  await journal.record({ kind: 'state', state: 'queued' });
  return true;
}
