// Jobs in memory, for tests of whatever asks the job side. In: submits. Out: views and events that a test pushes.
import { GristmillError } from '../../common/errors.ts';
import { type JobId, jobIdOf, sha256Hex } from '../../common/ids.ts';
import { parseJob } from '../../common/wire/job/job.ts';
import type { JobEvent, JobFact, JobStreamEvent, JobView } from '../../common/wire/view.ts';
import type { Jobs } from '../../coordinator/job/jobs.ts';

type Known = { view: JobView; body: string; readonly facts: JobEvent[]; wake: () => void };
export type FakeJobs = Jobs & {
  /** Adds a fact, and changes the view as told. */
  push(job: JobId, fact: JobFact, change?: Partial<JobView>): void;
  /** Streams that somebody listens to. */
  readonly listeners: number;
};

export function fakeJobs(): FakeJobs {
  const known = new Map<JobId, Known>();
  const state = { listeners: 0 };
  const find = (job: JobId): Known => {
    const one = known.get(job);
    if (one) return one;
    throw new GristmillError(
      'NOT_FOUND',
      `Cannot find job ${JSON.stringify(job)}: expected one of none`,
    );
  };
  const push = (job: JobId, fact: JobFact, change: Partial<JobView> = {}): void => {
    const one = find(job);
    one.facts.push({ formatVersion: 1, at: 5, ...fact });
    one.view = { ...one.view, ...change };
    one.wake();
  };
  return {
    get listeners() {
      return state.listeners;
    },
    push,
    async submit(body, key) {
      const spec = parseJob(body);
      const job = jobIdOf('client', key);
      const digest = sha256Hex(body);
      const before = known.get(job);
      if (before && before.body !== digest) {
        throw new GristmillError('IDEMPOTENCY_MISMATCH', `Cannot use Idempotency-Key ${key} again`);
      }
      if (before) return { job, created: false };
      known.set(job, { view: newView(job, spec.name), body: digest, facts: [], wake: () => {} });
      push(job, { kind: 'state', state: 'queued' });
      return { job, created: true };
    },
    async list({ before, limit }) {
      const all = [...known.values()].map(({ view }, index) => ({ n: index + 1, view }));
      const older = all.filter(({ n }) => before === undefined || n < before).reverse();
      const page = older.slice(0, limit);
      const next = older.length > limit ? page.at(-1)!.n : undefined;
      return { jobs: page.map(({ view }) => view), next, previous: undefined };
    },
    view: async (job) => find(job).view,
    async *events(job, { after, signal }): AsyncIterable<JobStreamEvent> {
      const one = find(job);
      state.listeners += 1;
      try {
        for (let sent = after; !signal.aborted; ) {
          for (; sent < one.facts.length; sent++) {
            yield { kind: 'fact', n: sent + 1, event: one.facts[sent]! };
          }
          yield { kind: 'view', view: one.view };
          if (one.view.state === 'succeeded') return;
          await new Promise<void>((resolve) => {
            one.wake = resolve;
            signal.addEventListener('abort', () => resolve(), { once: true });
          });
        }
      } finally {
        state.listeners -= 1;
      }
    },
    async repin(job) {
      throw new GristmillError(
        'CONFLICT',
        `Cannot repin job ${find(job).view.id}: it does not stand still`,
      );
    },
    figures: () => ({ states: new Map(), ended: new Map(), waiting: [] }),
    async cancel(job) {
      if (find(job).view.state === 'succeeded') {
        throw new GristmillError('CONFLICT', `Cannot cancel job ${job}: it has succeeded`);
      }
      push(job, { kind: 'state', state: 'cancelling' }, { state: 'cancelling' });
      return find(job).view;
    },
  };
}

const newView = (id: JobId, name: string): JobView => ({
  id,
  name,
  state: 'queued',
  decision: 'none',
  submittedAt: 1,
  startedAt: null,
  finishedAt: null,
  error: null,
  waiting: null,
  waitingFor: null,
  snapshot: null,
  rows: null,
  split: null,
  stages: [],
  training: null,
  features: [],
  epochs: [],
  evaluation: null,
  proof: null,
  published: null,
  gate: null,
});
