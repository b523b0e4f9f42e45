// What becomes of a trigger's slots. Pure: no clock, no store.
// In: the trigger's entry, what is recorded so far, the jobs that have not ended, now. Out: records to create, in order.
// Why "missed" is written, too: who looks for last night's job finds why there is none.
//
//   due ≤ 60 s ago, or catchUp's one:   no job open → fired
//                                       overlap skip → skipped      overlap queue → fired, after the newest open job
//                                                                   11 open → skipped
//   due earlier:                        missed
import type { JobId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { Firing, TriggerSpec } from '../../common/wire/trigger.ts';
import type { Schedule } from './on/on.ts';
import { slotOf } from './slots.ts';

export type Standing = {
  /** Number in the journal, and when it was put. */
  readonly entry: number;
  readonly since: number;
  readonly spec: Pick<TriggerSpec, 'overlap' | 'catchUp' | 'paused'>;
  /** Slots up to this moment have their record; 0: none has. */
  readonly recordedTo: number;
  /** When the last record was written, of whichever slot; 0: there is none. */
  readonly recordedAt: number;
  /** Jobs of earlier slots that have not ended, in order of their slots. */
  readonly open: readonly JobId[];
};

type Context = { readonly now: number; jobOf(slot: string): JobId };

/** Records of all slots that are due and have none, oldest first. */
export function decideDue(standing: Standing, schedule: Schedule, context: Context): Firing[] {
  if (standing.spec.paused) return [];
  const { now } = context;
  const after = Math.max(standing.since, standing.recordedTo);
  if ((schedule.next(after) ?? Number.POSITIVE_INFINITY) > now) return [];
  const { slots, before } = dueSlots(schedule, { after, now });
  const newest = slots.at(-1);
  const open = [...standing.open];
  return slots.map((dueAt, index) => {
    const isLate = now - dueAt > LIMITS.triggerGraceMs;
    const isMadeUpFor = standing.spec.catchUp === 'last' && dueAt === newest;
    const firing =
      isLate && !isMadeUpFor
        ? missed(standing, dueAt, { now, open, before: index === 0 ? before : 0 })
        : decideOne({ ...standing, open }, { slot: slotOf(dueAt), dueAt }, context);
    if (firing.kind === 'fired') open.push(firing.job);
    return firing;
  });
}

/** The record of one slot whose time has come, by the clock or by a call. */
export function decideOne(
  { spec, open, entry }: Pick<Standing, 'spec' | 'open' | 'entry'>,
  { slot, dueAt }: Pick<Firing, 'slot' | 'dueAt'>,
  { now, jobOf }: Context,
): Firing {
  const after = open.at(-1) ?? null;
  const record = { formatVersion: 1, slot, dueAt, at: now, after } as const;
  if (after !== null && spec.overlap === 'skip') {
    const reason = `job ${after} of an earlier slot has not ended, and overlap is "skip"`;
    return { ...record, kind: 'skipped', reason };
  }
  if (open.length > LIMITS.triggerQueueMax) {
    const reason = `${open.length - 1} jobs of earlier slots wait already, expected fewer than ${LIMITS.triggerQueueMax}; the last is ${after}`;
    return { ...record, kind: 'skipped', reason };
  }
  return { ...record, kind: 'fired', job: jobOf(slot), entry };
}

/** The next moment at which something is due; undefined: never, as it stands. */
export function nextDue(
  { spec, since, recordedTo }: Pick<Standing, 'spec' | 'since' | 'recordedTo'>,
  schedule: Schedule,
): number | undefined {
  return spec.paused ? undefined : schedule.next(Math.max(since, recordedTo));
}

function missed(
  { since, recordedAt }: Standing,
  dueAt: number,
  { now, open, before }: { now: number; open: readonly JobId[]; before: number },
): Firing {
  const last = text(Math.max(since, recordedAt));
  const many = Math.min(before, LIMITS.triggerCountMax);
  const count = before > many ? `more than ${many}` : String(many);
  const passed = before === 0 ? '' : `; ${count} missed before it have no record of their own`;
  return {
    formatVersion: 1,
    slot: slotOf(dueAt),
    dueAt,
    at: now,
    after: open.at(-1) ?? null,
    kind: 'missed',
    reason: `no coordinator with a store looked at it within ${LIMITS.triggerGraceMs / 1000} s; the last sign of one before is of ${last}${passed}`,
  };
}

const text = (atMs: number): string => `${new Date(atMs).toISOString().slice(0, 19)}Z`;

/**
 * The newest slots in (after, now], at most `triggerMissedMax`, and how many came before. The window grows backwards
 * from now: years of minutes are never walked through.
 */
function dueSlots(
  schedule: Schedule,
  { after, now }: { readonly after: number; readonly now: number },
): { readonly slots: readonly number[]; readonly before: number } {
  let slots: number[] = [];
  for (let spanMs = 3_600_000, start = now; start !== after; spanMs *= 2) {
    start = Math.max(after, now - spanMs);
    slots = slotsOf(schedule, { after: start, now });
    if (slots.length > LIMITS.triggerMissedMax) break;
  }
  const kept = slots.slice(-LIMITS.triggerMissedMax);
  const upTo = (kept[0] ?? 0) - 1;
  const most = LIMITS.triggerCountMax + 1;
  return { slots: kept, before: slotsOf(schedule, { after, now: upTo, most }).length };
}

function slotsOf(
  schedule: Schedule,
  { after, now, most = Number.POSITIVE_INFINITY }: { after: number; now: number; most?: number },
): number[] {
  const slots: number[] = [];
  for (let at = schedule.next(after); at !== undefined && at <= now; at = schedule.next(at)) {
    if (slots.length === most) break;
    slots.push(at);
  }
  return slots;
}
