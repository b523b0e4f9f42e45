// What submits jobs by itself: the trigger that users put, what its slots became, and the view of both.
// In: unknown JSON. Out: types and the schema that validates, documents and types a trigger.
// Why a slot is one create-only object: two coordinators and ten restarts still fire it once.
import Type, { type Static } from 'typebox';
import type { WireError } from '../errors.ts';
import type { JobId } from '../ids.ts';
import { JobSchema, type JobState } from './job.ts';

/** The body of PUT /v1/triggers/{name}, as it lies in git. */
export const TriggerSchema = Type.Object(
  {
    $schema: Type.Optional(Type.String()),
    cron: Type.String({
      minLength: 1,
      maxLength: 100,
      description: 'minute hour day-of-month month day-of-week: "15 3 * * 1-5"',
    }),
    timeZone: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: 64,
        default: 'UTC',
        description: 'IANA name such as "Europe/Berlin"; the cron expression is read on its clocks',
      }),
    ),
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
export type TriggerInput = Static<typeof TriggerSchema>;

/** A trigger with every default filled in; `job` as it was sent. */
export type TriggerSpec = {
  readonly cron: string;
  readonly timeZone: string;
  readonly overlap: 'skip' | 'queue';
  readonly catchUp: 'none' | 'last';
  readonly paused: boolean;
  readonly job: unknown;
};

/** triggers/<name>/spec/<n>.json: a journal; deleting is an entry. */
export type TriggerEntry =
  | {
      readonly formatVersion: 1;
      readonly at: number;
      readonly kind: 'put';
      readonly spec: TriggerSpec;
    }
  | { readonly formatVersion: 1; readonly at: number; readonly kind: 'deleted' };

/** triggers/<name>/firings/<slot>.json, create-only: what became of a slot. */
export type Firing = {
  readonly formatVersion: 1;
  /** `20261123T031500Z`, or `call-<digest>` for one that was asked for over HTTP. */
  readonly slot: string;
  /** The slot's moment, ms since 1970; of a call: when it came. */
  readonly dueAt: number;
  /** When this was recorded. */
  readonly at: number;
} & FiringOutcome;

export type FiringOutcome =
  /** `after`: the job whose end it waits for first (overlap "queue"). */
  | { readonly kind: 'fired'; readonly job: JobId; readonly after: JobId | null }
  | { readonly kind: 'skipped'; readonly reason: string }
  | { readonly kind: 'missed'; readonly reason: string };

/** GET /v1/triggers/{name}. */
export type TriggerView = {
  readonly name: string;
  /** Number in the journal; the ETag. */
  readonly entry: number;
  readonly spec: TriggerSpec;
  readonly updatedAt: number;
  /** The next slots, ms since 1970, soonest first; none while paused. */
  readonly nextAt: readonly number[];
  /** The last slots, newest first. */
  readonly firings: readonly FiringView[];
};
export type FiringView = Omit<Firing, 'formatVersion'> & {
  /** Of a fired one: where its job stands; null where it waits to be submitted. */
  readonly state?: JobState | null;
  readonly error?: WireError | null;
};
