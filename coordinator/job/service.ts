// The job side of the coordinator: takes jobs in, runs them, and carries on with those it finds.
// In: requests, and the index of jobs in the store. Out: views, streams, jobs that end.
// Why nothing here is lost with the process: what it holds are copies of journals, and progress bars.
//
//   queued ── run ──► running ──► succeeded | failed
//      └── cancel ─────┴─► cancelling ──► cancelled
import { type Code, GristmillError, toWireError } from '../../common/errors.ts';
import type { JobId } from '../../common/ids.ts';
import { isUnreadable, type Stored } from '../../common/stored/stored.ts';
import type { JobSpec, JobState } from '../../common/wire/job/job.ts';
import type { JobStreamEvent, JobView, StageView } from '../../common/wire/view.ts';
import type { WaitingCode } from '../../common/wire/waiting.ts';
import { chooseNumerics } from '../dispatch/workers.ts';
import { runJob } from '../line/line.ts';
import type { JobContext, Machinery } from '../stage/context.ts';
import type { JobStanding } from '../trigger/triggers.ts';
import { Directory, type PageOf } from './directory.ts';
import { countStates, countWaiting } from './figures.ts';
import type { JobFigures, Jobs } from './jobs.ts';
import { Lookout, type Post } from './lookout.ts';
import type { JobRecord } from './record.ts';
import { type Candidate, schedule } from './schedule.ts';
import { jobEvents } from './stream.ts';
import { checkRunnable, enlistJob, loadSpec, submitJob } from './submit.ts';

/** Machinery that may be away for a while: a job waits for it and does not fail. */
const RIDDEN_OUT: Readonly<Partial<Record<Code, WaitingCode>>> = {
  STORE_UNAVAILABLE: 'STORE_AWAY',
  STORE_FULL: 'STORE_FULL',
  QUEUE_UNAVAILABLE: 'QUEUE_AWAY',
};

type Running = {
  readonly controller: AbortController;
  readonly done: Promise<void>;
};

/** Why an attempt ends that begins again at once. */
const AGAIN = new GristmillError('CANCELLED', 'The job begins again under other numerics');

export class JobService implements Jobs {
  readonly #machinery: Machinery;
  readonly #jobsAtOnce: number;
  readonly #directory: Directory;
  readonly #lookout: Lookout;
  /** Jobs that run here. */
  readonly #running = new Map<JobId, Running>();
  readonly #ended = new Map<JobState, number>();
  /** What ends a running job's attempt, to begin again. */
  readonly #attempts = new Map<JobId, AbortController>();
  #closing = false;

  constructor(machinery: Machinery, { jobsAtOnce }: { jobsAtOnce: number }) {
    this.#machinery = machinery;
    this.#jobsAtOnce = jobsAtOnce;
    this.#directory = new Directory(machinery);
    this.#lookout = new Lookout(machinery);
  }

  /** Carries on with every job that has not ended. */
  async start(): Promise<void> {
    await this.#directory.start();
    this.#pump();
  }

  async submit(
    body: Uint8Array,
    idempotencyKey: string | undefined,
  ): Promise<{ job: JobId; created: boolean }> {
    const answer = await submitJob(this.#machinery, body, idempotencyKey);
    await this.#takeIn();
    return answer;
  }

  /** For triggers: what a submit checks. */
  check(spec: JobSpec): Promise<void> {
    return checkRunnable(this.#machinery, spec);
  }

  /** For triggers: once per name, and without a look at the dataset. */
  async enlist(spec: JobSpec, options: { job: JobId; after: JobId | null }): Promise<JobId> {
    const job = await enlistJob(this.#machinery, spec, options);
    await this.#takeIn();
    return job;
  }

  /** What the store says of a job by now, whoever runs it; undefined where there is none. */
  async state(job: JobId): Promise<JobStanding | undefined> {
    const record = await this.#directory.find(job);
    if (!record) return undefined;
    if (!record.isEnded) await record.refresh();
    const { state, error } = record.view;
    return { state, error, after: record.entry.after };
  }

  async list(of: PageOf): ReturnType<Jobs['list']> {
    const { records, older, newer } = await this.#directory.page(of);
    return { jobs: records.map(({ view }) => view), next: older, previous: newer };
  }

  async view(job: JobId): Promise<JobView> {
    return (await this.#directory.require(job)).view;
  }

  async *events(
    job: JobId,
    { after, signal }: { after: number; signal: AbortSignal },
  ): AsyncIterable<JobStreamEvent> {
    const record = await this.#directory.require(job);
    yield* jobEvents(record, { after, signal, clock: this.#machinery.clock });
  }

  async cancel(job: JobId): Promise<JobView> {
    const record = await this.#directory.require(job);
    if (record.isEnded)
      throw new GristmillError(
        'CONFLICT',
        `Cannot cancel job ${job}: it ${endOf(record)}, expected a job that has not ended`,
      );
    await record.journal.record({ kind: 'state', state: 'cancelling' });
    const running = this.#running.get(job);
    if (running)
      running.controller.abort(new GristmillError('CANCELLED', `Job ${job} was cancelled`));
    else {
      await record.journal.record({ kind: 'state', state: 'cancelled' });
      this.#pump();
    }
    return record.view;
  }

  async repin(job: JobId): Promise<JobView> {
    const record = await this.#directory.require(job);
    const { waiting, waitingFor } = record.view;
    const cannot = (why: string): GristmillError =>
      new GristmillError(
        'CONFLICT',
        `Cannot repin job ${job}: ${why}, expected one that waits for numerics that no live worker has`,
      );
    if (record.isEnded) throw cannot(`it ${endOf(record)}`);
    if (waitingFor?.code !== 'OTHER_NUMERICS')
      throw cannot(waiting === null ? 'it does not stand still' : `it waits: ${waiting}`);
    const numerics = chooseNumerics(this.#machinery.workers.live());
    if (numerics === undefined) throw cannot('no worker is alive');
    const repin = repinsOf(record).length + 1;
    await record.journal.record({ kind: 'repinned', repin, numerics });
    this.#machinery.log.info('job repinned', { job, numerics });
    this.#attempts.get(job)?.abort(AGAIN);
    return record.view;
  }

  figures(): JobFigures {
    const open = [...this.#directory.open];
    return { states: countStates(open), ended: this.#ended, waiting: countWaiting(open) };
  }

  /** Lets go of every job without ending it: whoever starts next carries on. */
  async close(): Promise<void> {
    this.#closing = true;
    const running = [...this.#running.values()];
    for (const { controller } of running)
      controller.abort(new GristmillError('CANCELLED', 'The coordinator stops'));
    await Promise.all(running.map(({ done }) => done));
  }

  async #takeIn(): Promise<void> {
    await this.#directory.refresh();
    this.#pump();
  }

  /** Does what the schedule says: starts jobs, says what others wait for, lets go of those that are over. */
  #pump(): void {
    if (this.#closing) return;
    const candidates = [...this.#directory.open].map((record) => this.#candidateOf(record));
    const { start, waiting, settled } = schedule(candidates, this.#jobsAtOnce);
    for (const [job, reason] of waiting) this.#wait(job, reason.for);
    for (const job of start) this.#start(this.#directory.openJob(job)!);
    this.#directory.settle(settled);
    this.#directory.writeCheckpoint().catch((error: unknown) => {
      this.#machinery.log.warn('checkpoint not written', { error }); // the next one says more
    });
  }

  #candidateOf(record: JobRecord): Candidate {
    return {
      job: record.id,
      after: record.entry.after,
      isEnded: record.isEnded,
      hasStarted: record.view.startedAt !== null,
      isRunning: this.#running.has(record.id),
    };
  }

  #wait(job: JobId, first: JobId | 'room'): void {
    const record = this.#directory.openJob(job);
    const { code, words } =
      first === 'room'
        ? { code: 'ROOM' as const, words: 'other jobs run, and it comes in its turn' }
        : { code: 'OTHER_JOB' as const, words: `job ${first} has not ended` };
    const before = record?.progress.waiting;
    if (before?.words === words) return;
    const since = before?.code === code ? before.since : this.#machinery.clock.now();
    record?.show({ waiting: { code, words, since } });
  }

  #start(record: JobRecord): void {
    record.show({ waiting: null });
    const controller = new AbortController();
    this.#running.set(record.id, { controller, done: this.#carry(record, controller.signal) });
  }

  /** Runs one job to its end, riding out a store or broker that is away. */
  async #carry(job: JobRecord, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#machinery;
    const post = this.#lookout.add(job);
    for (let attempt = 0; ; attempt++) {
      const again = new AbortController();
      this.#attempts.set(job.id, again);
      try {
        await this.#runOnce(job, post, AbortSignal.any([signal, again.signal]));
        break;
      } catch (error) {
        if (error === AGAIN) continue;
        const { code, message } = toWireError(error);
        const waits = RIDDEN_OUT[code];
        if (isUnreadable(error)) job.giveUp(error); // else it would be started again at once
        if (this.#closing || signal.aborted || !waits) {
          log.error('job let go', { job: job.id, code, message });
          break;
        }
        log.warn('job waits', { job: job.id, code, message });
        post.meet({ code: waits, words: message });
        await clock.sleep(Math.min(10_000, 250 * 2 ** attempt), signal);
      }
    }
    post.leave();
    this.#running.delete(job.id);
    this.#attempts.delete(job.id);
    const { state } = job.view;
    if (job.isEnded && !job.isUnreadable) this.#ended.set(state, (this.#ended.get(state) ?? 0) + 1);
    job.touch();
    this.#pump();
  }

  async #runOnce(job: JobRecord, post: Post, signal: AbortSignal): Promise<void> {
    const { log } = this.#machinery;
    await job.refresh();
    if (job.isEnded) return; // by another coordinator, or unreadable
    const isCancelling = job.view.state === 'cancelling';
    // outside of what fails a job: who cannot read a spec does not end what another program may run
    const stored = isCancelling ? undefined : await loadSpec(this.#machinery.store, job.id);
    try {
      if (!isCancelling) await job.journal.record({ kind: 'state', state: 'running' });
      if (job.view.state === 'cancelling')
        throw new GristmillError('CANCELLED', `Job ${job.id} was cancelled`);
      await runJob(this.#contextOf(job, { stored, post, signal }));
      await job.journal.record({ kind: 'state', state: 'succeeded' });
      log.info('job succeeded', { job: job.id, name: job.entry.name });
    } catch (error) {
      if (this.#closing) return;
      if (signal.reason === AGAIN) throw AGAIN;
      const wire = toWireError(error);
      if (RIDDEN_OUT[wire.code] && !signal.aborted) throw error;
      const cancelled = signal.aborted || wire.code === 'CANCELLED';
      await job.journal.record(
        cancelled
          ? { kind: 'state', state: 'cancelled' }
          : { kind: 'state', state: 'failed', error: wire },
      );
      const { code, message } = wire;
      log.warn(cancelled ? 'job cancelled' : 'job failed', { job: job.id, code, message });
      if (wire.code === 'INTERNAL') log.error('internal', { stack: (error as Error).stack });
    }
  }

  #contextOf(
    job: JobRecord,
    of: { stored: Stored['spec'] | undefined; post: Post; signal: AbortSignal },
  ): JobContext {
    const { id } = job;
    const { stored, post, signal } = of;
    if (!stored)
      throw new GristmillError('INTERNAL', `Cannot run job ${id}: its spec is not in the store`);
    return {
      ...this.#machinery,
      id,
      spec: stored.spec,
      signal,
      repins: repinsOf(job),
      stand: post.stand,
      record: (fact) => job.journal.record(fact).then(post.goOn),
      show: (stage: StageView) => {
        post.goOn();
        job.show({ stages: new Map(job.progress.stages).set(stage.stage, stage) });
      },
      showTraining: (training) => job.show({ training }),
    };
  }
}

const repinsOf = ({ journal }: JobRecord): readonly string[] =>
  journal.entries.flatMap(({ value }) => (value.kind === 'repinned' ? value.numerics : []));

const endOf = ({ isUnreadable, view }: JobRecord): string =>
  isUnreadable ? 'cannot be read here' : ENDED_WORDS[view.state]!;

const ENDED_WORDS: Partial<Record<JobState, string>> = {
  succeeded: 'has succeeded',
  failed: 'has failed',
  cancelled: 'was cancelled',
};
