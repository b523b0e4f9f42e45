// Which jobs may start now, and what each of the others waits for. Pure.
// In: the jobs that are not over, in order of submission, and how many may run. Out: jobs to start, reasons to wait.
// Why in order of submission alone: who came first is served first, and nobody is passed over for ever.
import type { JobId } from '../../common/ids.ts';

export type Candidate = {
  readonly job: JobId;
  /** The job whose end it waits for. */
  readonly after: JobId | null;
  readonly isEnded: boolean;
  /** Whether it has ever run. */
  readonly hasStarted: boolean;
  /** Whether it runs here, now. */
  readonly isRunning: boolean;
};

export type Schedule = {
  readonly start: readonly JobId[];
  /** For those that neither run nor start: the job they wait for, or that there is no room. */
  readonly waiting: ReadonlyMap<JobId, { readonly for: JobId } | { readonly for: 'room' }>;
  /** Ended jobs that nobody needs any more to know what another one waits for. */
  readonly settled: readonly JobId[];
};

export function schedule(candidates: Iterable<Candidate>, jobsAtOnce: number): Schedule {
  const jobs = new Map([...candidates].map((each) => [each.job, each]));
  let room = jobsAtOnce - [...jobs.values()].filter(({ isRunning }) => isRunning).length;
  const start: JobId[] = [];
  const settled: JobId[] = [];
  const waiting = new Map<JobId, { readonly for: JobId } | { readonly for: 'room' }>();
  for (const [id, job] of jobs) {
    if (job.isRunning) continue;
    const first = waitsFor(job, jobs);
    if (job.isEnded) {
      if (job.hasStarted || first === null) settled.push(id);
    } else if (first !== null) waiting.set(id, { for: first });
    else if (room > 0) {
      start.push(id);
      room -= 1;
    } else waiting.set(id, { for: 'room' });
  }
  return { start, waiting, settled };
}

/** The job whose end a job waits for. One that was cancelled before it ran passes its own wait on. */
function waitsFor(job: Candidate, jobs: ReadonlyMap<JobId, Candidate>): JobId | null {
  for (let at = job; at.after !== null; ) {
    const first = jobs.get(at.after);
    if (!first) return null; // over, and settled
    if (!first.isEnded) return first.job;
    if (first.hasStarted) return null;
    at = first;
  }
  return null;
}
