// Takes a job in: checked against its dataset, durable before it is answered, once per Idempotency-Key.
// In: the body's bytes. Out: jobs/<job>/spec.json, its place in the index, its first fact.
// Why in this order: a crash between two of these writes leaves a job that the same request completes.
// Flow: [job] → snapshot → plan → prepare → fit → train → evaluate → prove → publish → gate → predictions
import { CODES, GristmillError, pointedAt, toWireError } from '../../common/errors.ts';
import { digestOf, type JobId, jobIdOf } from '../../common/ids.ts';
import { appendNext } from '../../common/store/journal.ts';
import { createJson, getJson, type Store } from '../../common/store/store.ts';
import { parseJob } from '../../common/wire/job.ts';
import type { IndexEntry, StoredSpec } from '../../common/wire/view.ts';
import { fetchSchema } from '../snapshot/snapshot.ts';
import { checkSpec } from './check.ts';
import type { Machinery } from './context.ts';
import { JobJournal } from './journal.ts';

export const INDEX_PREFIX = 'jobs/index';
export const specKey = (job: JobId): string => `jobs/${job}/spec.json`;

export const loadSpec = (store: Store, job: JobId): Promise<StoredSpec | undefined> =>
  getJson<StoredSpec>(store, specKey(job));

export async function submitJob(
  machinery: Machinery,
  body: Uint8Array,
  idempotencyKey: string | undefined,
): Promise<{ job: JobId; created: boolean }> {
  const spec = parseJob(body);
  const job = jobIdOf(idempotencyKey);
  const bodyDigest = digestOf(spec);
  const first = idempotencyKey === undefined ? undefined : await loadSpec(machinery.store, job);
  if (!first) {
    const schema = await fetchSchema(machinery.lake, spec.dataset, machinery.readFooter).catch(
      (error: unknown) => {
        throw CODES[toWireError(error).code].retry ? error : pointedAt('/dataset', error);
      },
    );
    await checkSpec(machinery, spec, schema);
    const stored: StoredSpec = {
      formatVersion: 1,
      job,
      spec,
      bodyDigest,
      at: machinery.clock.now(),
    };
    await createJson(machinery.store, specKey(job), stored);
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

/** Index first, then the first fact: a job with a fact has its place. False where it had it before. */
async function enlist(
  machinery: Machinery,
  of: { job: JobId; name: string; at: number },
): Promise<boolean> {
  const journal = new JobJournal({ ...machinery, job: of.job });
  await journal.refresh();
  if (journal.entries.length > 0) return false;
  await appendNext<IndexEntry>(machinery.store, INDEX_PREFIX, { formatVersion: 1, ...of });
  await journal.record({ kind: 'state', state: 'queued' });
  return true;
}
