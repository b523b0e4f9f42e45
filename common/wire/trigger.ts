// What submits jobs by itself: the trigger that users put, what its slots became, and the view of both.
// In: unknown JSON. Out: types and the schema that validates, documents and types a trigger.
// Why a slot is one create-only object: two coordinators and ten restarts still fire it once.
import Type, { type Static } from 'typebox';
import type { WireError } from '../errors.ts';
import type { JobId } from '../ids.ts';
import { JobSchema, type JobState } from './job/job.ts';

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

/** The schema with an address, for editors: a trigger names it in "$schema". */
export function triggerSchemaJson(): Readonly<Record<string, unknown>> {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: '/schemas/trigger.v1.json',
    ...(JSON.parse(JSON.stringify(TriggerSchema)) as Record<string, unknown>),
  };
}

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

/** triggers/<name>/firings/<day>/<slot>.json, create-only: what became of a slot. */
export type Firing = {
  readonly formatVersion: 1;
  /** `20261123T031500Z`, or `20261123T031512Z-call-<12 hex digits>` for one asked for over HTTP: names sort by time. */
  readonly slot: string;
  /** The slot's moment, ms since 1970; of a call: when it came. */
  readonly dueAt: number;
  /** When this was recorded. */
  readonly at: number;
  /** The newest job of an earlier slot that had not ended then: a fired one waits for its end. */
  readonly after: JobId | null;
} & FiringOutcome;

export type FiringOutcome =
  /** `entry`: the number of the trigger's entry of which the job is. */
  | { readonly kind: 'fired'; readonly job: JobId; readonly entry: number }
  | { readonly kind: 'skipped'; readonly reason: string }
  | { readonly kind: 'missed'; readonly reason: string };
export const FIRING_KINDS = ['fired', 'skipped', 'missed'] as const;

/** triggers/<name>/calls/<digest of the Idempotency-Key>.json, create-only: the slot of a call. */
export type TriggerCall = {
  readonly formatVersion: 1;
  readonly slot: string;
  readonly dueAt: number;
};

/** GET /v1/triggers/{name}. */
export type TriggerView = {
  readonly name: string;
  /** Number in the journal; the ETag. */
  readonly entry: number;
  readonly spec: TriggerSpec;
  readonly updatedAt: number;
  /** The next slots, ms since 1970, soonest first; none while paused. */
  readonly nextAt: readonly number[];
  /** The last slots, newest first; in a list of triggers only the last one. */
  readonly firings: readonly FiringView[];
};
/** GET /v1/triggers, in order of names. */
export type TriggerList = { readonly triggers: readonly TriggerView[] };

export type FiringView = Omit<Firing, 'formatVersion'> &
  FiringOutcome & {
    /** Of a fired one: where its job stands; null where nobody knows the job yet. */
    readonly state?: JobState | null;
    /** Of a fired one whose job failed: why. */
    readonly error?: WireError | null;
  };
