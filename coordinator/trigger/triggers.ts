// What the HTTP API asks of the trigger side, and what that asks of the job side.
// In: names and bodies of requests. Out: views; firings.
// Why interfaces: each side is tested without the other.
import type { WireError } from '../../common/errors.ts';
import type { JobId } from '../../common/ids.ts';
import type { JobSpec, JobState } from '../../common/wire/job/job.ts';
import type { FiringView, TriggerList, TriggerView } from '../../common/wire/trigger.ts';

/** `expected`: the number of the entry that the client saw (If-Match); 0: that there is none. */
type Expected = { readonly expected: number | undefined };

export type Triggers = {
  /** Checks trigger and job as a submit would; the same body again changes nothing. Throws PRECONDITION_FAILED. */
  put(
    name: string,
    body: Uint8Array,
    options: Expected,
  ): Promise<{ view: TriggerView; created: boolean }>;
  /** In order of names. */
  list(): Promise<TriggerList>;
  /** Throws NOT_FOUND, as the rest does. */
  view(name: string): Promise<TriggerView>;
  remove(name: string, options: Expected): Promise<void>;
  /** A slot of now; the same key gives the first one's again. */
  fire(
    name: string,
    idempotencyKey: string | undefined,
  ): Promise<{ firing: FiringView; replayed: boolean }>;
};

export type TriggerJobs = {
  /** What a submit checks: dataset, schema, SQL. */
  check(spec: JobSpec): Promise<void>;
  /** Makes the job durable, once per name, whatever its dataset looks like now; a failing job fails when it runs. */
  enlist(spec: JobSpec, options: { job: JobId; after: JobId | null }): Promise<JobId>;
  /** As it stands in the store; undefined: there is no such job. */
  state(job: JobId): Promise<JobStanding | undefined>;
};

export type JobStanding = {
  readonly state: JobState;
  readonly error: WireError | null;
  /** The job whose end it waits for. */
  readonly after: JobId | null;
};
