// What clients see of jobs, and the journal those views are folded from.
// In: journal entries of a job, live progress. Out: JobView over HTTP, the same as events over SSE.
import Type, { type Static } from 'typebox';
import type { Code, WireError } from '../errors.ts';
import type { Digest, JobId } from '../ids.ts';
import { DecisionSchema } from '../stage/gate.ts';
import { Count, type Frozen, nullable, words } from '../stage/stage.ts';
import {
  FIELDS,
  type FieldsOf,
  type Finding,
  type Findings,
  STAGE_NAMES,
  type StageName,
} from '../stage/stages.ts';
import { LOSS } from '../stage/train.ts';
import type { Change } from './change.ts';
import { JOB_STATES, type JobState } from './job/job.ts';
import { WAITING_CODES } from './waiting.ts';

/** jobs/<job>/journal/<n>.json. The state is the last entry that tells one. */
export type JobEvent = { readonly formatVersion: 1; readonly at: number } & JobFact;

export type JobFact =
  | { readonly kind: 'state'; readonly state: JobState; readonly error?: WireError }
  /** From here on it is computed under these numerics: nobody has those it was planned for. */
  | { readonly kind: 'repinned'; readonly repin: number; readonly numerics: string }
  | { readonly kind: 'stage'; readonly view: StageView }
  | ({ readonly kind: 'found' } & Finding);

/** What a stage has found, as a fact. */
export const found = <S extends StageName>(stage: S, value: Partial<FieldsOf<S>>): JobFact =>
  ({ kind: 'found', stage, value }) as JobFact;

const FieldError = Type.Object({
  pointer: Type.String({ description: 'JSON pointer of the wrong field' }),
  detail: Type.String(),
});

export const WireErrorSchema = Type.Object({
  code: Type.Unsafe<Code>(Type.String()),
  message: Type.String(),
  errors: Type.Optional(Type.Array(FieldError)),
  remedy: Type.Optional(Type.String({ description: 'what helps' })),
});

/** Wall seconds of the stage so far, and CPU seconds summed over its attempts. */
const StageViewSchema = Type.Object({
  stage: words(STAGE_NAMES),
  tasks: Type.Object({ done: Count, total: Count, reused: Count }),
  rows: Count,
  bytes: Count,
  seconds: Type.Number(),
  cpuSeconds: Type.Number(),
  etaSeconds: nullable(Type.Number()),
});
export type StageView = Frozen<Static<typeof StageViewSchema>>;

const TrainingViewSchema = Type.Object({
  round: Count,
  rounds: Count,
  loss: nullable(Type.Number(), LOSS),
  rowsPerSecond: nullable(Type.Number()),
  workers: Count,
  generation: Count,
});
export type TrainingView = Frozen<Static<typeof TrainingViewSchema>>;

const Time = Type.Number({ description: 'milliseconds since 1970' });

/** What a job's view says beside what its stages found. */
const OwnFields = {
  id: Type.Unsafe<JobId>(Type.String()),
  name: Type.String(),
  state: words(JOB_STATES),
  decision: DecisionSchema,
  submittedAt: Time,
  startedAt: nullable(Time),
  finishedAt: nullable(Time),
  error: nullable(WireErrorSchema),
  waiting: nullable(Type.String(), 'why it stands still, where it does'),
  waitingFor: nullable(
    Type.Object({ code: words(WAITING_CODES), since: Time }),
    'the same for scripts',
  ),
  stages: Type.Array(StageViewSchema),
  training: nullable(TrainingViewSchema),
};
const OwnSchema = Type.Object(OwnFields);

export const JobViewSchema = Type.Object(
  { ...OwnFields, ...Object.fromEntries(FIELDS.map(({ name, schema }) => [name, schema])) },
  { title: 'JobView', description: 'where a job stands and what it has found so far' },
);
export type JobView = Frozen<Static<typeof OwnSchema>> & Findings;

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

/** jobs/checkpoints/<n>.json: of the submissions up to `upTo`, all are over but those in `open`. */
export type IndexCheckpoint = {
  readonly formatVersion: 1;
  readonly upTo: number;
  readonly open: readonly number[];
};

/** jobs/<job>/spec.json: durable before the submit is answered. */
export type StoredSpec = {
  readonly formatVersion: 1;
  readonly job: JobId;
  readonly spec: unknown;
  readonly bodyDigest: Digest;
  readonly at: number;
};
