// What this coordinator knows of all triggers, and what is done with one: records, jobs, changes, one after the other.
// In: the store, which others write to as well. Out: records that are create-only, jobs whose names follow from them.
// Why the record comes first: it is create-only, so one of many coordinators fires the slot; the job's name follows from it.
import type { Clock } from '../../common/clock.ts';
import { GristmillError, toWireError } from '../../common/errors.ts';
import type { JobId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { Log } from '../../common/log.ts';
import { append, entryKey, readAfter } from '../../common/store/journal.ts';
import type { Store } from '../../common/store/store.ts';
import { isUnreadable, readStored } from '../../common/stored/stored.ts';
import { checkJob } from '../../common/wire/job/job.ts';
import {
  FIRING_KINDS,
  type Firing,
  type TriggerEntry,
  type TriggerSpec,
} from '../../common/wire/trigger.ts';
import { decideDue, nextDue, type Standing } from './decide.ts';
import { type FiredRecord, Firings } from './firings.ts';
import { type Schedule, scheduleOf } from './on/on.ts';
import { jobOfSlot, specPrefix, TRIGGERS } from './slots.ts';
import type { TriggerJobs } from './triggers.ts';

export type TriggerMachinery = {
  readonly store: Store;
  readonly jobs: TriggerJobs;
  readonly clock: Clock;
  readonly log: Log;
};

/** One trigger as this coordinator knows it: a copy of its journal's head and of its newest records. */
export type Known = {
  readonly name: string;
  readonly firings: Firings;
  /** The head; 0: no entry so far. */
  entry: number;
  at: number;
  /** undefined: there is none, or it was removed. */
  live: { readonly spec: TriggerSpec; readonly schedule: Schedule } | undefined;
  /** Why the head says nothing to this program: no slot of it comes, and a PUT or DELETE goes past it. */
  unreadable: GristmillError | undefined;
  sweepAt: number;
  /** What is done with a trigger is done in turns. */
  turn: Promise<unknown>;
};
export type Live = Known & { live: NonNullable<Known['live']> };

export class TriggerBook {
  readonly #store: Store;
  readonly #jobs: TriggerJobs;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #known = new Map<string, Known>();
  readonly #counts = new Map<string, number>(FIRING_KINDS.map((kind) => [kind, 0]));
  readonly #closing = new AbortController();
  /** Called after a change: the next slot may come sooner now. */
  onChange: () => void = () => {};

  constructor({ store, jobs, clock, log }: TriggerMachinery) {
    this.#store = store;
    this.#jobs = jobs;
    this.#clock = clock;
    this.#log = log;
  }

  get all(): readonly Known[] {
    return [...this.#known.values()];
  }

  /** Records made by this process, by kind. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  /** Aborted: nothing new is begun. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Waits for what is being done. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all(this.all.map(({ turn }) => turn));
  }

  /** Records every slot that is due, one after the other; who loses a slot to another coordinator decides anew. */
  async settle(known: Known): Promise<void> {
    if (!isLive(known)) return;
    const { schedule } = known.live;
    const due = nextDue(placeOf(known), schedule);
    if (due === undefined || due > this.#clock.now()) return;
    await this.sweep(known, 0);
    for (let isLost = true; isLost; ) {
      isLost = false;
      const standing = await this.standing(known);
      for (const firing of decideDue(standing, schedule, this.context(known.name))) {
        if (this.#closing.signal.aborted) return;
        isLost = !(await this.record(known, firing)).created;
        if (isLost) break;
      }
    }
  }

  /** Learns what others recorded, and submits the jobs that they left: a crash between record and job ends here. */
  async sweep(known: Known, ageMs: number): Promise<void> {
    const now = this.#clock.now();
    await known.firings.sync(now);
    known.sweepAt = now + LIMITS.triggerSweepMs;
    for (const firing of known.firings.unended)
      if (now - firing.at >= ageMs) await this.enlist(known, firing);
      else known.sweepAt = now + LIMITS.triggerOrphanMs;
  }

  async record(
    known: Known,
    decided: Firing,
  ): Promise<{ readonly firing: Firing; readonly created: boolean }> {
    const { firing, created } = await known.firings.record(decided);
    if (!created) known.sweepAt = this.#clock.now() + LIMITS.triggerOrphanMs; // does its job come?
    if (created) {
      const { kind, slot } = firing;
      this.#counts.set(kind, (this.#counts.get(kind) ?? 0) + 1);
      const what = kind === 'fired' ? { job: firing.job } : { reason: firing.reason };
      this.#log.info(`slot ${kind}`, { trigger: known.name, slot, ...what });
      if (kind === 'fired') await this.enlist(known, firing);
    }
    return { firing, created };
  }

  /** Submits the job of a record unless somebody has; what it is, the entry that the record names says. */
  async enlist({ name, firings }: Known, { slot, job, entry, after }: FiredRecord): Promise<void> {
    if (await this.#jobs.state(job)) return;
    const put = await readStored(this.#store, entryKey(specPrefix(name), entry), 'trigger');
    try {
      const spec = checkJob(put?.kind === 'put' ? put.spec.job : undefined);
      await this.#jobs.enlist(spec, { job, after });
    } catch (error) {
      const { code, message } = toWireError(error);
      if (code !== 'SPEC_INVALID' && code !== 'IDEMPOTENCY_MISMATCH') throw error;
      firings.giveUp(job); // a former version took what this one does not know, or the name is another job's
      this.#log.error('job given up', { trigger: name, slot, job, message });
    }
  }

  async standing(known: Live): Promise<Standing> {
    return {
      ...placeOf(known),
      entry: known.entry,
      recordedAt: known.firings.recordedAt,
      open: await known.firings.openJobs(this.#jobs),
    };
  }

  context(name: string): { now: number; jobOf(slot: string): JobId } {
    return { now: this.#clock.now(), jobOf: (slot) => jobOfSlot(name, slot) };
  }

  /** Appends an entry, or none where `make` finds nothing to change. True: there was no such trigger before. */
  async change(
    known: Known,
    { expected, act }: { expected: number | undefined; act: string },
    make: () => Change | undefined,
  ): Promise<boolean> {
    for (;;) {
      await this.refresh(known);
      checkMatch(known, expected, act);
      const change = make();
      if (!change) return false;
      const isNew = !known.live && !known.unreadable;
      await this.settle(known).catch((error: unknown) => {
        this.#log.warn('slots before a change wait', {
          trigger: known.name,
          ...toWireError(error),
        });
      });
      const value: TriggerEntry = { formatVersion: 2, at: this.#clock.now(), ...change };
      if (await append(this.#store, specPrefix(known.name), known.entry + 1, value)) {
        this.#adopt(known, known.entry + 1, value);
        this.onChange();
        return isNew;
      }
    }
  }

  async refresh(known: Known): Promise<Known> {
    const prefix = specPrefix(known.name);
    const head = (await readAfter(this.#store, prefix, known.entry, readEntry)).at(-1);
    if (head) this.#adopt(known, head.n, head.value);
    return known;
  }

  /** What cannot be read is told once, and is this trigger's matter alone. */
  #adopt(known: Known, n: number, value: TriggerEntry | GristmillError): void {
    const entry = value instanceof GristmillError ? value : liveOf(known.name, value);
    known.entry = n;
    known.unreadable = entry instanceof GristmillError ? entry : undefined;
    known.live = entry instanceof GristmillError ? undefined : entry?.live;
    if (!(value instanceof GristmillError)) known.at = value.at;
    if (known.unreadable)
      this.#log.error('trigger not read', {
        trigger: known.name,
        ...toWireError(known.unreadable),
      });
  }

  async require(known: Known): Promise<Live> {
    await this.refresh(known);
    if (isLive(known)) return known;
    throw known.unreadable ?? (await this.#unknown(known.name));
  }

  async #unknown(name: string): Promise<GristmillError> {
    await this.discover();
    const names = [...this.#known.values()].filter(isLive).map((one) => one.name);
    const listed = names.sort().slice(0, 20).join(', ');
    const expected = listed === '' ? 'there is none so far' : `expected one of ${listed}`;
    return new GristmillError('NOT_FOUND', `Cannot find the trigger ${name}: ${expected}`);
  }

  /** Every trigger in the store is known here. */
  async discover(): Promise<void> {
    for (const folder of await this.#store.listNames(TRIGGERS))
      if (folder.endsWith('/')) this.#find(folder.slice(0, -1));
  }

  #find(name: string): Known {
    const found = this.#known.get(name);
    if (found) return found;
    const firings = new Firings(this.#store, name);
    const turn = Promise.resolve();
    const nothing = { entry: 0, at: 0, live: undefined, unreadable: undefined };
    const known: Known = { name, firings, ...nothing, sweepAt: 0, turn };
    this.#known.set(name, known);
    return known;
  }

  inTurn<T>(name: string, act: (known: Known) => Promise<T>): Promise<T> {
    const known = this.#find(name);
    const answer = known.turn.then(() => act(known));
    const turn = answer.then(
      () => {},
      () => {},
    );
    known.turn = turn;
    void turn.then(() => {
      const isNobody = known.entry === 0 && known.turn === turn; // a name that somebody asked for
      if (isNobody && this.#known.get(name) === known) this.#known.delete(name);
    });
    return answer;
  }
}

export type Change = { kind: 'put'; spec: TriggerSpec } | { kind: 'deleted' };

export const isLive = (known: Known): known is Live => known.live !== undefined;

export const placeOf = ({ live, at, firings }: Live) => ({
  spec: live.spec,
  since: at,
  recordedTo: firings.recordedTo,
});

/** What another program wrote, or what rotted, is a matter of this trigger; anything else thrown is of the store. */
async function readEntry(
  store: Store,
  key: string,
): Promise<TriggerEntry | GristmillError | undefined> {
  try {
    return await readStored(store, key, 'trigger');
  } catch (error) {
    if (isUnreadable(error)) return error;
    throw error;
  }
}

/** What fires it may be of a kind, or say something, that this program does not know. */
function liveOf(name: string, entry: TriggerEntry): Pick<Known, 'live'> | GristmillError {
  if (entry.kind === 'deleted') return { live: undefined };
  try {
    return { live: { spec: entry.spec, schedule: scheduleOf(entry.spec.on) } };
  } catch (error) {
    if (isUnreadable(error)) return error;
    const why = error instanceof Error ? error.message : String(error);
    const message = `Cannot follow the trigger ${name}: its "on" has no schedule: ${why}`;
    return new GristmillError('FORMAT_UNKNOWN', message, { cause: error });
  }
}

/** A trigger that was removed is as good as none: its ETag is "0". */
function checkMatch(known: Known, expected: number | undefined, act: string): void {
  const current = known.live || known.unreadable ? known.entry : 0;
  if (expected === undefined || expected === current) return;
  throw new GristmillError(
    'PRECONDITION_FAILED',
    `Cannot ${act} the trigger ${known.name}: If-Match is "${expected}", expected its ETag "${current}"`,
  );
}
