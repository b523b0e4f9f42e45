// The job side as triggers see it, over a store alone: jobs are taken in for real, and end when a test says so.
// In: a store and a clock. Out: TriggerJobs, with what was checked and taken in.
import type { Clock } from '../../common/clock.ts';
import type { WireError } from '../../common/errors.ts';
import type { JobId } from '../../common/ids.ts';

import type { Store } from '../../common/store/store.ts';
import type { JobSpec, JobState } from '../../common/wire/job/job.ts';
import type { IndexEntry, JobEvent } from '../../common/wire/view.ts';
import { JobJournal, journalPrefix } from '../../coordinator/job/journal.ts';
import { enlistJob, INDEX_PREFIX } from '../../coordinator/job/submit.ts';
import { foldView, NO_PROGRESS } from '../../coordinator/job/view.ts';
import type { TriggerJobs } from '../../coordinator/trigger/triggers.ts';
import { readAll } from './json.ts';

export type StoredJobs = TriggerJobs & {
  /** Specs that a PUT had checked, in order. */
  readonly checked: JobSpec[];
  /** What the next check throws. */
  refusal: Error | undefined;
  end(job: JobId, state?: JobState, error?: WireError): Promise<void>;
};

export function storedJobs(store: Store, clock: Clock): StoredJobs {
  const checked: JobSpec[] = [];
  const index = new Map<JobId, IndexEntry>();
  let indexed = 0;
  const indexOf = async (job: JobId): Promise<IndexEntry | undefined> => {
    if (!index.has(job))
      for (const { n, value } of await readAll<IndexEntry>(store, INDEX_PREFIX, indexed)) {
        indexed = n;
        index.set(value.job, value);
      }
    return index.get(job);
  };
  const jobs: StoredJobs = {
    checked,
    refusal: undefined,
    async check(spec) {
      checked.push(spec);
      if (jobs.refusal) throw jobs.refusal;
    },
    enlist: (spec, options) => enlistJob({ store, clock }, spec, options),
    async state(id) {
      const entries = await readAll<JobEvent>(store, journalPrefix(id));
      if (entries.length === 0) return undefined;
      const { state, error } = foldView({ id, name: '', at: 0 }, entries, NO_PROGRESS);
      return { state, error, after: (await indexOf(id))?.after ?? null };
    },
    async end(job, state = 'succeeded', error) {
      const journal = new JobJournal({ store, clock, job });
      await journal.refresh();
      await journal.record({ kind: 'state', state: 'running' });
      await journal.record({ kind: 'state', state, ...(error ? { error } : {}) });
    },
  };
  return jobs;
}
