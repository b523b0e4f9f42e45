// What the HTTP API asks of the job side. In: requests already parsed. Out: views and streams.
// Why an interface: the API knows no store, and tests give it jobs of their own.
import type { JobId } from '../../common/ids.ts';
import type { JobState } from '../../common/wire/job/job.ts';
import type { JobStreamEvent, JobView } from '../../common/wire/view.ts';
import type { Waiting } from '../../common/wire/waiting.ts';

export type JobFigures = {
  readonly states: ReadonlyMap<JobState, number>;
  /** Ends since this process started. */
  readonly ended: ReadonlyMap<JobState, number>;
  readonly waiting: readonly WaitingFigure[];
};

/** Jobs that wait for one thing: how many, since when the first does, and what is said of that one. */
export type WaitingFigure = Waiting & { readonly jobs: number };

export type Jobs = {
  /** Checks the spec (SPEC_INVALID, SQL_*, INPUT_EMPTY …) and stores it before it answers. */
  submit(
    body: Uint8Array,
    idempotencyKey: string | undefined,
  ): Promise<{ job: JobId; created: boolean }>;
  /** Newest first; `before` and `after` are numbers of the index, exclusive: `next` and `previous` of another page. */
  list(page: {
    readonly before?: number | undefined;
    readonly after?: number | undefined;
    readonly limit: number;
  }): Promise<{
    readonly jobs: readonly JobView[];
    readonly next: number | undefined;
    readonly previous: number | undefined;
  }>;
  /** Throws NOT_FOUND. */
  view(job: JobId): Promise<JobView>;
  /** Journal entries after `after`, a view and its changes, until the job has ended or `signal` aborts. */
  events(
    job: JobId,
    options: { after: number; signal: AbortSignal },
  ): AsyncIterable<JobStreamEvent>;
  /** Of the jobs that are not over: how many are in which state, and what they wait for. */
  figures(): JobFigures;
  /** Throws NOT_FOUND; CONFLICT where the job has ended already. */
  cancel(job: JobId): Promise<JobView>;
  /**
   * Lets a job that waits for numerics nobody has go on, with the same rows, under those that live workers have.
   * Throws NOT_FOUND; CONFLICT where it does not wait for that.
   */
  repin(job: JobId): Promise<JobView>;
};
