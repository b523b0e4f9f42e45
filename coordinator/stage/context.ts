// What a running job has in hand: its spec, the machinery, its journal, and a signal that ends it.
// In: built once by the service. Out: passed to each step of the line.
// Why one object: every step needs the same eight things, and none of them is global.
import type { Child } from '../../common/child/host.ts';
import type { Clock } from '../../common/clock.ts';
import type { JobId } from '../../common/ids.ts';
import type { Log } from '../../common/log.ts';
import type { Queue } from '../../common/queue/queue.ts';
import type { StoreHealth } from '../../common/store/health.ts';
import type { Store } from '../../common/store/store.ts';
import type { JobSpec } from '../../common/wire/job/job.ts';
import type { PublishSpec, TrainingJob } from '../../common/wire/job/training.ts';
import type { JobFact, StageView, TrainingView } from '../../common/wire/view.ts';
import type { Stand } from '../dispatch/waiting.ts';
import type { Workers } from '../dispatch/workers.ts';
import type { FooterReader } from '../snapshot/snapshot.ts';
import type { Tally } from '../tally.ts';

/** The coordinator's machinery, the same for every job. */
export type Machinery = {
  readonly store: Store;
  /** Left out: the store is taken to be well. */
  readonly storeHealth?: StoreHealth | undefined;
  readonly lake: Store;
  readonly queue: Queue;
  readonly clock: Clock;
  readonly workers: Workers;
  /** The coordinator's expendable child: footers and spec SQL. */
  readonly child: Child;
  readonly readFooter: FooterReader;
  /** A folder for what is on its way to the store. */
  readonly scratch: string;
  readonly log: Log;
  /** Left out: nothing is counted. */
  readonly tally?: Tally | undefined;
};

/** What running tasks takes; a promotion that no job asked for has this much. */
export type TaskContext = Machinery & {
  readonly signal: AbortSignal;
  /** Told what the work stands on, so that it can be said why it stands still. */
  readonly stand?: Stand | undefined;
  record(fact: JobFact): Promise<void>;
  show(stage: StageView): void;
};

export type JobContext<S extends JobSpec = JobSpec> = TaskContext & {
  readonly id: JobId;
  readonly spec: S;
  /** Numerics that it was told to go on under, each in place of those before; none: those of its first plan hold. */
  readonly repins: readonly string[];
  showTraining(training: TrainingView): void;
};

export type TrainingContext = JobContext<TrainingJob>;

export type PublishingContext = JobContext<TrainingJob & { readonly publish: PublishSpec }>;

export const isTraining = (job: JobContext): job is TrainingContext => job.spec.kind === 'training';
export const isPublishing = (job: JobContext): job is PublishingContext =>
  job.spec.kind === 'training' && job.spec.publish !== undefined;
