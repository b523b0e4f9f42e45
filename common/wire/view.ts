// What clients see of jobs, and the journal those views are folded from.
// In: journal entries of a job, live progress. Out: JobView over HTTP, the same as events over SSE.
import type { WireError } from '../errors.ts';
import type { Digest, JobId } from '../ids.ts';
import type { Stage } from '../stages.ts';
import type { Change } from './change.ts';
import type { Decision, JobState } from './job/job.ts';
import type { Evidence } from './model.ts';
import type { Metrics, MetricsResult } from './program.ts';
import type { Waiting } from './waiting.ts';

/** jobs/<job>/journal/<n>.json. The state is the last entry that tells one. */
export type JobEvent = { readonly formatVersion: 1; readonly at: number } & JobFact;

export type JobFact =
  | { readonly kind: 'state'; readonly state: JobState; readonly error?: WireError }
  | {
      readonly kind: 'snapshot';
      readonly digest: Digest;
      readonly objects: number;
      readonly rowGroups: number;
      readonly rows: number;
      readonly bytes: number;
    }
  | { readonly kind: 'stage'; readonly view: StageView }
  | {
      readonly kind: 'rows';
      readonly rowsIn: number;
      readonly rowsOut: number;
      readonly dropped: Readonly<Record<string, number>>;
    }
  | {
      readonly kind: 'split';
      readonly train: number;
      readonly validation: number;
      readonly test: number;
      readonly edges: Readonly<Record<string, number | string | null>>;
    }
  | { readonly kind: 'fitted'; readonly features: readonly FittedFeature[] }
  | {
      readonly kind: 'epoch';
      readonly epoch: number;
      readonly loss: number;
      readonly validationLoss: number | null;
      readonly validationAuc: number | null;
    }
  | {
      readonly kind: 'evaluated';
      readonly metrics: Metrics;
      readonly baseline: Metrics;
      readonly rows: number;
      readonly slices: MetricsResult['slices'];
    }
  | { readonly kind: 'proved'; readonly rows: number; readonly maxDifference: number }
  | {
      readonly kind: 'published';
      readonly model: string;
      readonly version: number;
      readonly reused: boolean;
    }
  | {
      readonly kind: 'gate';
      readonly environment: string;
      readonly alias: string;
      readonly decision: Decision;
      readonly evidence: Evidence | null;
    };

/** In words: "standardize(log1p(impute(distance, 'median')))", "median 575, mean 6.3, std 0.7". */
export type FittedFeature = {
  readonly name: string;
  readonly expression: string;
  readonly fitted: string;
};

export type StageView = {
  readonly stage: Stage;
  /** For train: rounds. */
  readonly tasks: { readonly done: number; readonly total: number; readonly reused: number };
  readonly rows: number;
  readonly bytes: number;
  /** Wall seconds of the stage so far, and CPU seconds summed over its attempts. */
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly etaSeconds: number | null;
};

export type TrainingView = {
  readonly round: number;
  readonly rounds: number;
  readonly loss: number | null;
  readonly rowsPerSecond: number | null;
  readonly workers: number;
  readonly generation: number;
};

export type JobView = {
  readonly id: JobId;
  readonly name: string;
  readonly state: JobState;
  readonly decision: Decision;
  readonly submittedAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
  /** Why it failed, and what helps. */
  readonly error: (WireError & { readonly remedy?: string }) | null;
  /** Why it stands still, where it does: "no worker is alive". */
  readonly waiting: string | null;
  /** The same for scripts, and since when (ms since 1970). */
  readonly waitingFor: Pick<Waiting, 'code' | 'since'> | null;
  readonly snapshot: {
    readonly digest: Digest;
    readonly objects: number;
    readonly rowGroups: number;
    readonly rows: number;
    readonly bytes: number;
  } | null;
  readonly rows: {
    readonly rowsIn: number;
    readonly rowsOut: number;
    readonly dropped: Readonly<Record<string, number>>;
  } | null;
  readonly split: {
    readonly train: number;
    readonly validation: number;
    readonly test: number;
    readonly edges: Readonly<Record<string, number | string | null>>;
  } | null;
  readonly stages: readonly StageView[];
  readonly training: TrainingView | null;
  readonly features: readonly FittedFeature[];
  /** Losses: mean log loss, or mean squared error in squared units of the label. */
  readonly epochs: readonly {
    readonly epoch: number;
    readonly loss: number;
    readonly validationLoss: number | null;
    readonly validationAuc: number | null;
  }[];
  readonly evaluation: {
    readonly metrics: Metrics;
    readonly baseline: Metrics;
    readonly rows: number;
    readonly slices: MetricsResult['slices'];
  } | null;
  readonly proof: { readonly rows: number; readonly maxDifference: number } | null;
  readonly published: {
    readonly model: string;
    readonly version: number;
    readonly reused: boolean;
  } | null;
  readonly gate: {
    readonly environment: string;
    readonly alias: string;
    readonly decision: Decision;
    readonly evidence: Evidence | null;
  } | null;
};

/**
 * SSE: `event: fact` with a JobEvent (id = journal number), `event: view` with a whole JobView at first and at the end,
 * `event: change` with what has changed since the view or change before it.
 */
export type JobStreamEvent =
  | { readonly kind: 'fact'; readonly n: number; readonly event: JobEvent }
  | { readonly kind: 'view'; readonly view: JobView }
  | { readonly kind: 'change'; readonly change: Change<JobView> };

/** jobs/index/<n>.json: submissions in order. */
export type IndexEntry = {
  readonly formatVersion: 1;
  readonly job: JobId;
  readonly name: string;
  readonly at: number;
  /** A job that waits for the end of this one, and of those that that one waits for. */
  readonly after?: JobId;
};

/** jobs/<job>/spec.json: durable before the submit is answered. */
export type StoredSpec = {
  readonly formatVersion: 1;
  readonly job: JobId;
  readonly spec: unknown;
  readonly bodyDigest: Digest;
  readonly at: number;
};
