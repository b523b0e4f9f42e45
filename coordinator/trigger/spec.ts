// A trigger as it was sent, checked field by field.
// In: the bytes of a PUT. Out: the trigger with its defaults and its job parsed, or every wrong field at once.
// Why the job is kept as it was sent, too: it lies in git, and a GET should show what was put.
import { type FieldError, GristmillError } from '../../common/errors.ts';
import { explainSchema, shownErrors } from '../../common/wire/explain.ts';
import { checkJob, type JobSpec } from '../../common/wire/job/job.ts';
import { parseStrictJson } from '../../common/wire/json.ts';
import { type TriggerInput, TriggerSchema, type TriggerSpec } from '../../common/wire/trigger.ts';
import { checkCron } from './cron.ts';

export type ParsedTrigger = { readonly spec: TriggerSpec; readonly job: JobSpec };

/** Throws BAD_JSON, or SPEC_INVALID with the errors of the job below "/job". */
export function parseTrigger(body: Uint8Array, nowMs: number): ParsedTrigger {
  const value = parseStrictJson(body, 'the trigger');
  const shape = explainSchema(TriggerSchema, value);
  if (shape.length > 0) throw invalid(shape);
  const spec = fillDefaults(value as TriggerInput);
  const schedule = checkCron(spec, nowMs);
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

function invalid(errors: readonly FieldError[]): GristmillError {
  const message = `Cannot accept the trigger: ${shownErrors(errors)}`;
  return new GristmillError('SPEC_INVALID', message, { errors });
}

const fillDefaults = (input: TriggerInput): TriggerSpec => ({
  cron: input.cron.trim().replace(/\s+/g, ' '),
  timeZone: input.timeZone ?? 'UTC',
  overlap: input.overlap ?? 'skip',
  catchUp: input.catchUp ?? 'none',
  paused: input.paused ?? false,
  job: input.job,
});
