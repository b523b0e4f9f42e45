// What submits jobs by itself: the trigger that users put, what its slots became, and the view of both.
// In: triggers and slots. Out: objects below triggers/ and what the API says of them.
// Why a slot is one create-only object: two coordinators and ten restarts still fire it once.
import type { WireError } from '../errors.ts';
import type { JobId } from '../ids.ts';
import type { JobState } from './job/job.ts';

/** A trigger with every default filled in; `job` as it was sent. */
export type TriggerSpec = {
  /** What fires it, by one of the kinds that the coordinator knows. */
  readonly on: Readonly<Record<string, unknown>>;
  readonly overlap: 'skip' | 'queue';
  readonly catchUp: 'none' | 'last';
  readonly paused: boolean;
  readonly job: unknown;
};

/** triggers/<name>/spec/<n>.json: a journal; deleting is an entry. */
export type TriggerEntry =
  | {
      readonly formatVersion: 2;
      readonly at: number;
      readonly kind: 'put';
      readonly spec: TriggerSpec;
    }
  | { readonly formatVersion: 2; readonly at: number; readonly kind: 'deleted' };

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
  /** What fires it, in words: "15 3 * * 1-5 (Europe/Berlin)". */
  readonly when: string;
  readonly updatedAt: number;
  /** The next slots, ms since 1970, soonest first; none while paused. */
  readonly nextAt: readonly number[];
  /** The last slots, newest first; in a list of triggers only the last one. */
  readonly firings: readonly FiringView[];
};
/** GET /v1/triggers, in order of names. */
export type TriggerList = {
  readonly triggers: readonly TriggerView[];
  /** Those that this program cannot read: nothing fires them until they are put anew. */
  readonly unreadable: readonly { readonly name: string; readonly error: WireError }[];
};

export type FiringView = Omit<Firing, 'formatVersion'> &
  FiringOutcome & {
    /** Of a fired one: where its job stands; null where nobody knows the job yet. */
    readonly state?: JobState | null;
    /** Of a fired one whose job failed: why. */
    readonly error?: WireError | null;
  };
