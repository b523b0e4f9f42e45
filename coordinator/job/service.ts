// The job side of the coordinator: takes jobs in, runs them, and carries on with those it finds.
// In: requests, and the index of jobs in the store. Out: views, streams, jobs that end.
// Why nothing here is lost with the process: what it holds are copies of journals, and progress bars.
//
//   queued ── run ──► running ──► succeeded | failed
//      └── cancel ─────┴─► cancelling ──► cancelled
import { EventEmitter, once } from 'node:events';
import { type Code, GristmillError, toWireError } from '../../common/errors.ts';
import type { JobId } from '../../common/ids.ts';
import { readAfter } from '../../common/store/journal.ts';
import type { JobSpec } from '../../common/wire/job/job.ts';
import type { IndexEntry, JobStreamEvent, JobView, StageView } from '../../common/wire/view.ts';
import type { JobContext, Machinery } from '../stage/context.ts';
import { runJob } from '../stage/line.ts';
import type { JobStanding } from '../trigger/triggers.ts';
import type { Jobs } from './jobs.ts';
import { JobJournal } from './journal.ts';
import { checkDataset, enlistJob, INDEX_PREFIX, loadSpec, submitJob } from './submit.ts';
import { foldView, isEnded, NO_PROGRESS, type Progress } from './view.ts';

/** Machinery that may be away for a while: a job waits for it and does not fail. */
const RIDDEN_OUT: readonly Code[] = ['STORE_UNAVAILABLE', 'QUEUE_UNAVAILABLE'];
/** Progress is sent at most this often to a client. */
const VIEW_INTERVAL_MS = 200;

type Known = {
  readonly n: number;
  readonly entry: IndexEntry;
  readonly journal: JobJournal;
  readonly changed: EventEmitter;
  progress: Progress;
  /** Present while it runs here. */
  running?: { readonly controller: AbortController; readonly done: Promise<void> };
};

export class JobService implements Jobs {
  readonly #machinery: Machinery;
  readonly #jobsAtOnce: number;
  readonly #known = new Map<JobId, Known>();
  #lastIndex = 0;
  #closing = false;
  #reading: Promise<void> = Promise.resolve();

  constructor(machinery: Machinery, { jobsAtOnce }: { jobsAtOnce: number }) {
    this.#machinery = machinery;
    this.#jobsAtOnce = jobsAtOnce;
  }

  /** Reads the index and carries on with every job that has not ended. */
  async start(): Promise<void> {
    await this.#readIndex();
    this.#pump();
  }

  async submit(
    body: Uint8Array,
    idempotencyKey: string | undefined,
  ): Promise<{ job: JobId; created: boolean }> {
    const answer = await submitJob(this.#machinery, body, idempotencyKey);
    await this.#readIndex();
    this.#pump();
    return answer;
  }

  /** For triggers: what a submit checks. */
  check(spec: JobSpec): Promise<void> {
    return checkDataset(this.#machinery, spec);
  }

  /** For triggers: once per key, and without a look at the dataset. */
  async enlist(spec: JobSpec, options: { key: string; after: JobId | null }): Promise<JobId> {
    const job = await enlistJob(this.#machinery, spec, options);
    await this.#readIndex();
    this.#pump();
    return job;
  }

  /** What the store says of a job by now, whoever runs it; undefined where there is none. */
  async state(job: JobId): Promise<JobStanding | undefined> {
    if (!this.#known.has(job)) await this.#readIndex();
    const known = this.#known.get(job);
    if (!known) return undefined;
    if (!isEnded(viewOf(known).state)) await known.journal.refresh();
    const { state, error } = viewOf(known);
    return { state, error, after: known.entry.after ?? null };
  }

  async list({
    before,
    limit,
  }: {
    before: number | undefined;
    limit: number;
  }): Promise<{ jobs: readonly JobView[]; next: number | undefined }> {
    await this.#readIndex();
    const all = [...this.#known.values()]
      .filter(({ n }) => before === undefined || n < before)
      .sort((a, b) => b.n - a.n);
    const page = all.slice(0, limit);
    return { jobs: page.map(viewOf), next: all.length > limit ? page.at(-1)!.n : undefined };
  }

  async view(job: JobId): Promise<JobView> {
    return viewOf(await this.#find(job));
  }

  async *events(
    job: JobId,
    { after, signal }: { after: number; signal: AbortSignal },
  ): AsyncIterable<JobStreamEvent> {
    const known = await this.#find(job);
    let sent = after;
    for (;;) {
      const fresh = known.journal.entries.filter(({ n }) => n > sent);
      for (const { n, value } of fresh) {
        yield { kind: 'fact', n, event: value };
        sent = n;
      }
      yield { kind: 'view', view: viewOf(known) };
      if (isEnded(viewOf(known).state) || signal.aborted) return;
      await once(known.changed, 'change', { signal }).catch(() => {});
      if (signal.aborted) return;
      await this.#machinery.clock.sleep(VIEW_INTERVAL_MS, signal);
    }
  }

  async cancel(job: JobId): Promise<JobView> {
    const known = await this.#find(job);
    const { state } = viewOf(known);
    if (isEnded(state))
      throw new GristmillError(
        'CONFLICT',
        `Cannot cancel job ${job}: it has ${state}, expected a job that has not ended`,
      );
    await known.journal.record({ kind: 'state', state: 'cancelling' });
    if (known.running)
      known.running.controller.abort(new GristmillError('CANCELLED', `Job ${job} was cancelled`));
    else await known.journal.record({ kind: 'state', state: 'cancelled' });
    return viewOf(known);
  }

  /** Lets go of every job without ending it: whoever starts next carries on. */
  async close(): Promise<void> {
    this.#closing = true;
    const running = [...this.#known.values()].flatMap(({ running }) => running ?? []);
    for (const { controller } of running)
      controller.abort(new GristmillError('CANCELLED', 'The coordinator stops'));
    await Promise.all(running.map(({ done }) => done));
  }

  async #find(job: JobId): Promise<Known> {
    if (!this.#known.has(job)) await this.#readIndex();
    const known = this.#known.get(job);
    if (known) return known;
    const newest = [...this.#known.values()]
      .sort((a, b) => b.n - a.n)
      .slice(0, 5)
      .map(({ entry }) => entry.job);
    throw new GristmillError(
      'NOT_FOUND',
      `Cannot find job ${JSON.stringify(job)}: expected one of ${newest.join(', ') || 'none so far'}`,
    );
  }

  /** One reader at a time: entries come in order, each once. */
  #readIndex(): Promise<void> {
    this.#reading = this.#reading
      .catch(() => {})
      .then(async () => {
        const fresh = await readAfter<IndexEntry>(
          this.#machinery.store,
          INDEX_PREFIX,
          this.#lastIndex,
        );
        await Promise.all(fresh.map(({ n, value }) => this.#adopt(n, value)));
        this.#lastIndex = fresh.at(-1)?.n ?? this.#lastIndex;
      });
    return this.#reading;
  }

  async #adopt(n: number, entry: IndexEntry): Promise<void> {
    if (this.#known.has(entry.job)) return;
    const changed = new EventEmitter().setMaxListeners(0);
    const journal = new JobJournal({
      ...this.#machinery,
      job: entry.job,
      onEntry: () => changed.emit('change'),
    });
    this.#known.set(entry.job, { n, entry, journal, changed, progress: NO_PROGRESS });
    await journal.refresh();
  }

  /** Starts jobs in order of submission while there is room. */
  #pump(): void {
    if (this.#closing) return;
    const known = [...this.#known.values()].sort((a, b) => a.n - b.n);
    let room = this.#jobsAtOnce - known.filter(({ running }) => running).length;
    for (const job of known) {
      if (room <= 0) return;
      if (job.running || isEnded(viewOf(job).state)) continue;
      const first = this.#waitsFor(job);
      job.progress = { ...job.progress, waiting: first && `job ${first} has not ended` };
      if (first) continue;
      const controller = new AbortController();
      job.running = { controller, done: this.#carry(job, controller.signal) };
      room -= 1;
    }
  }

  /** The job whose end a job waits for. One that was cancelled before it ran passes its own wait on. */
  #waitsFor({ entry: { after } }: Known): JobId | null {
    const first = after && this.#known.get(after);
    if (!first) return null;
    const view = viewOf(first);
    if (!isEnded(view.state)) return after;
    return view.startedAt === null ? this.#waitsFor(first) : null;
  }

  /** Runs one job to its end, riding out a store or broker that is away. */
  async #carry(job: Known, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#machinery;
    for (let attempt = 0; ; attempt++) {
      try {
        await this.#runOnce(job, signal);
        break;
      } catch (error) {
        const { code, message } = toWireError(error);
        if (this.#closing || signal.aborted || !RIDDEN_OUT.includes(code)) {
          log.error('job let go', { job: job.entry.job, code, message });
          break;
        }
        log.warn('job waits', { job: job.entry.job, code, message });
        job.progress = { ...job.progress, waiting: message };
        await clock.sleep(Math.min(10_000, 250 * 2 ** attempt), signal);
      }
    }
    delete job.running;
    job.changed.emit('change');
    this.#pump();
  }

  async #runOnce(job: Known, signal: AbortSignal): Promise<void> {
    const { id, spec, context } = await this.#contextOf(job, signal);
    if (viewOf(job).state !== 'cancelling')
      await job.journal.record({ kind: 'state', state: 'running' });
    try {
      if (viewOf(job).state === 'cancelling')
        throw new GristmillError('CANCELLED', `Job ${id} was cancelled`);
      await runJob(context);
      await job.journal.record({ kind: 'state', state: 'succeeded' });
      this.#machinery.log.info('job succeeded', { job: id, name: spec.name });
    } catch (error) {
      if (this.#closing) return;
      const wire = toWireError(error);
      if (RIDDEN_OUT.includes(wire.code) && !signal.aborted) throw error;
      const cancelled = signal.aborted || wire.code === 'CANCELLED';
      await job.journal.record(
        cancelled
          ? { kind: 'state', state: 'cancelled' }
          : { kind: 'state', state: 'failed', error: wire },
      );
      this.#machinery.log.warn(cancelled ? 'job cancelled' : 'job failed', {
        job: id,
        code: wire.code,
        message: wire.message,
      });
      if (wire.code === 'INTERNAL')
        this.#machinery.log.error('internal', { stack: (error as Error).stack });
    }
  }

  async #contextOf(
    job: Known,
    signal: AbortSignal,
  ): Promise<{ id: JobId; spec: JobSpec; context: JobContext }> {
    const id = job.entry.job;
    const stored = await loadSpec(this.#machinery.store, id);
    if (!stored)
      throw new GristmillError('INTERNAL', `Cannot run job ${id}: its spec is not in the store`);
    const spec = stored.spec as JobSpec;
    const update = (progress: Partial<Progress>): void => {
      job.progress = { ...job.progress, ...progress };
      job.changed.emit('change');
    };
    const context: JobContext = {
      ...this.#machinery,
      id,
      spec,
      signal,
      record: (fact) => job.journal.record(fact),
      show: (stage: StageView) =>
        update({ stages: new Map(job.progress.stages).set(stage.stage, stage) }),
      showTraining: (training) => update({ training }),
      showWaiting: (waiting) => update({ waiting }),
    };
    return { id, spec, context };
  }
}

const viewOf = (job: Known): JobView =>
  foldView(
    { id: job.entry.job, name: job.entry.name, at: job.entry.at },
    job.journal.entries,
    job.progress,
  );
