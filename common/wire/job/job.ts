// The job: what an engineer submits, one kind of several, as one schema that validates, documents and types it.
// In: unknown JSON. Out: a JobSpec with every default filled in, or SPEC_INVALID with a pointer per bad field.
// Why no "kind" in the JSON: it follows from the sections that are there. Each kind is a file beside this one.
// Flow: [job] → snapshot → plan → prepare → fit → train → evaluate → prove → publish → gate → predictions
import Type, { type Static } from 'typebox';
import { type FieldError, GristmillError } from '../../errors.ts';
import { deepFreeze } from '../../freeze.ts';
import { LIMITS } from '../../limits.ts';
import { explainSchema, shownErrors } from '../explain.ts';
import { parseStrictJson } from '../json.ts';
import { checkData, DATA_SECTIONS, type DataJob, fillData } from './data.ts';
import { closed } from './fields.ts';
import { checkHead, HEAD_SECTIONS } from './head.ts';
import {
  checkTraining,
  fillTraining,
  inputOfTraining,
  TRAINING_SECTIONS,
  type TrainingJob,
} from './training.ts';

/** A job with every default filled in. */
export type JobSpec = DataJob | TrainingJob;
export type JobKind = JobSpec['kind'];

/** Reads a submitted job: BODY_TOO_LARGE, BAD_JSON, or SPEC_INVALID with every wrong field at once. */
export function parseJob(bytes: Uint8Array): JobSpec {
  if (bytes.length > LIMITS.bodyBytesMax) {
    throw new GristmillError(
      'BODY_TOO_LARGE',
      `Cannot accept the job: it has ${bytes.length} bytes, expected at most ${LIMITS.bodyBytesMax}`,
    );
  }
  return checkJob(parseStrictJson(bytes, 'the job'));
}

/** As parseJob, for a value that is already JSON. The result is frozen. */
export function checkJob(value: unknown): JobSpec {
  const shape = explainSchema(JobSchema, value);
  if (shape.length > 0) throw specInvalid(shape);
  const input = value as JobInput;
  const kind = KINDS[kindOf(input)];
  const errors = [...checkHead(input), ...kind.check(input)];
  if (errors.length > 0) throw specInvalid(errors);
  return deepFreeze(kind.fill(input));
}

/** A spec in its filled form, as it lies in the store; without a `kind`, as older programs wrote it. */
export function checkFilledJob(value: unknown): JobSpec {
  const { kind, training, publish, ...head } = value as Partial<TrainingJob>;
  const job = checkJob({
    ...head,
    ...(training ? inputOfTraining(training) : {}),
    ...(publish ? { publish } : {}),
  });
  if (kind === undefined || kind === job.kind) return job;
  throw new GristmillError(
    'SPEC_INVALID',
    `Cannot accept the job: it says that it is a ${kind} job, and its sections make a ${job.kind} job`,
  );
}

/** The schema that clients may fetch and editors may use. */
export function jobSchemaJson(): Readonly<Record<string, unknown>> {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: '/schemas/job.v1.json',
    ...(JSON.parse(JSON.stringify(JobSchema)) as Record<string, unknown>),
  };
}

/** The published schema of a job: /schemas/job.v1.json. */
export const JobSchema = Type.Object(
  { ...HEAD_SECTIONS, ...DATA_SECTIONS, ...TRAINING_SECTIONS },
  { ...closed, title: 'gristmill job, version 1' },
);
export type JobInput = Static<typeof JobSchema>;

type Kind<J> = {
  /** Sections of its own: one of them makes a job this kind. */
  readonly sections: object;
  /** What a schema cannot say: rules between fields. */
  check(job: JobInput): FieldError[];
  /** Of a job that `check` found nothing wrong with. */
  fill(job: JobInput): J;
};

const KINDS = {
  training: { sections: TRAINING_SECTIONS, check: checkTraining, fill: fillTraining },
  data: { sections: DATA_SECTIONS, check: checkData, fill: fillData },
} as const satisfies { readonly [K in JobKind]: Kind<Extract<JobSpec, { kind: K }>> };

/** The first kind that a section belongs to; a job of shared sections alone is a data job. */
export function kindOf(job: JobInput): JobKind {
  const kinds = Object.keys(KINDS) as JobKind[];
  const has = (name: string): boolean => job[name as keyof JobInput] !== undefined;
  return kinds.find((kind) => Object.keys(KINDS[kind].sections).some(has)) ?? 'data';
}

export const JOB_STATES = [
  'queued',
  'running',
  'cancelling',
  'succeeded',
  'failed',
  'cancelled',
] as const;
export type JobState = (typeof JOB_STATES)[number];

const specInvalid = (errors: readonly FieldError[]): GristmillError =>
  new GristmillError('SPEC_INVALID', `Cannot accept the job: ${shownErrors(errors)}`, { errors });
