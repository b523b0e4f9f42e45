// A trigger as it was sent, checked field by field.
// In: the bytes of a PUT. Out: the trigger with its defaults and its job parsed, or every wrong field at once.
// Why the job is kept as it was sent, too: it lies in git, and a GET should show what was put.
import Type, { type Static } from 'typebox';
import { type FieldError, GristmillError } from '../../common/errors.ts';
import { explainSchema, shownErrors } from '../../common/wire/explain.ts';
import { checkJob, JobSchema, type JobSpec } from '../../common/wire/job/job.ts';
import { parseStrictJson } from '../../common/wire/json.ts';
import type { TriggerSpec } from '../../common/wire/trigger.ts';
import { checkOn, fillOn, formerFormOf, type On, OnSchema } from './on/on.ts';

/** The body of PUT /v1/triggers/{name}, as it lies in git. */
export const TriggerSchema = Type.Object(
  {
    $schema: Type.Optional(Type.String()),
    on: OnSchema,
    overlap: Type.Optional(
      Type.Union([Type.Literal('skip'), Type.Literal('queue')], {
        default: 'skip',
        description: 'a slot whose predecessor still runs: is skipped, or waits for its end',
      }),
    ),
    catchUp: Type.Optional(
      Type.Union([Type.Literal('none'), Type.Literal('last')], {
        default: 'none',
        description: 'slots missed while no coordinator ran: none is made up for, or the last one',
      }),
    ),
    paused: Type.Optional(
      Type.Boolean({ default: false, description: 'true: its slots pass without a trace' }),
    ),
    job: JobSchema,
  },
  { additionalProperties: false, title: 'gristmill trigger, version 1' },
);
type TriggerInput = Static<typeof TriggerSchema>;

/** The schema with an address, for editors: a trigger names it in "$schema". */
export function triggerSchemaJson(): Readonly<Record<string, unknown>> {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: '/schemas/trigger.v1.json',
    ...(JSON.parse(JSON.stringify(TriggerSchema)) as Record<string, unknown>),
  };
}

export type ParsedTrigger = {
  readonly spec: TriggerSpec & { readonly on: On };
  readonly job: JobSpec;
};

/** Throws BAD_JSON, or SPEC_INVALID with the errors of the job below "/job". */
export function parseTrigger(body: Uint8Array, nowMs: number): ParsedTrigger {
  const value = parseStrictJson(body, 'the trigger');
  const former = formerFormOf(value);
  if (former) throw invalid([former]);
  const shape = explainSchema(TriggerSchema, value);
  if (shape.length > 0) throw invalid(shape);
  const spec = fillDefaults(value as TriggerInput);
  const schedule = checkOn(spec.on, nowMs);
  try {
    const job = checkJob(spec.job);
    if (schedule.length === 0) return { spec, job };
  } catch (error) {
    throw invalid([...schedule, ...(belowJob(error).errors ?? [])]);
  }
  throw invalid(schedule);
}

/** An error about a job, as one about the trigger that holds it. */
export function belowJob(error: unknown): GristmillError {
  if (!(error instanceof GristmillError)) throw error;
  const { errors = [], code, message } = error;
  const below = errors.map(({ pointer, detail }) => ({ pointer: `/job${pointer}`, detail }));
  return new GristmillError(code, message, { cause: error, errors: below });
}

const invalid = (errors: readonly FieldError[]): GristmillError =>
  new GristmillError('SPEC_INVALID', `Cannot accept the trigger: ${shownErrors(errors)}`, {
    errors,
  });

const fillDefaults = (input: TriggerInput): ParsedTrigger['spec'] => ({
  on: fillOn(input.on),
  overlap: input.overlap ?? 'skip',
  catchUp: input.catchUp ?? 'none',
  paused: input.paused ?? false,
  job: input.job,
});
