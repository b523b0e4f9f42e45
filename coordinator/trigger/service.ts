// The trigger side of the coordinator: sees that each slot becomes one record, and each fired record one job.
// In: triggers in the store, the clock, calls. Out: records, jobs. Killed anywhere, whoever starts next goes on.
// Why the record comes first: it is create-only, so one of many coordinators fires the slot; the job's name follows from it.
// Flow: [trigger] → job → snapshot → plan → prepare → fit → train → evaluate → prove → publish → gate → predictions
import type { Clock } from '../../common/clock.ts';
import { GristmillError, toWireError } from '../../common/errors.ts';
import { canonicalJson, type JobId, jobIdOf } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { Log } from '../../common/log.ts';
import { mapParallel } from '../../common/parallel.ts';
import { append, entryKey, readAfter } from '../../common/store/journal.ts';
import { createJson, getJson, type Store } from '../../common/store/store.ts';
import { checkJob } from '../../common/wire/job/job.ts';
import {
  FIRING_KINDS,
  type Firing,
  type FiringView,
  type TriggerCall,
  type TriggerEntry,
  type TriggerSpec,
  type TriggerView,
} from '../../common/wire/trigger.ts';
import { type Schedule, scheduleOf } from './cron.ts';
import { decideDue, decideOne, nextDue, type Standing } from './decide.ts';
import { type FiredRecord, Firings } from './firings.ts';
import { callKey, callSlotOf, jobKeyOf, specPrefix, TRIGGERS } from './slots.ts';
import { belowJob, parseTrigger } from './spec.ts';
import type { TriggerJobs, Triggers } from './triggers.ts';

export type TriggerMachinery = {
  readonly store: Store;
  readonly jobs: TriggerJobs;
  readonly clock: Clock;
  readonly log: Log;
};

/** One trigger as this coordinator knows it: a copy of its journal's head and of its newest records. */
type Known = {
  readonly name: string;
  readonly firings: Firings;
  /** The head; 0: no entry so far. */
  entry: number;
  at: number;
  /** undefined: there is none, or it was removed. */
  live: { readonly spec: TriggerSpec; readonly schedule: Schedule } | undefined;
  sweepAt: number;
  /** What is done with a trigger is done in turns. */
  turn: Promise<unknown>;
};
type Live = Known & { live: NonNullable<Known['live']> };

export class TriggerService implements Triggers {
  readonly #store: Store;
  readonly #jobs: TriggerJobs;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #known = new Map<string, Known>();
  readonly #counts = new Map<string, number>(FIRING_KINDS.map((kind) => [kind, 0]));
  readonly #closing = new AbortController();
  #sleep = new AbortController();
  #loop: Promise<void> = Promise.resolve();

  constructor({ store, jobs, clock, log }: TriggerMachinery) {
    this.#store = store;
    this.#jobs = jobs;
    this.#clock = clock;
    this.#log = log;
  }

  /** Looks after all triggers until it is closed. */
  start(): void {
    this.#loop = this.#run();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#sleep.abort();
    await this.#loop;
    await Promise.all([...this.#known.values()].map(({ turn }) => turn));
  }

  /** Records made by this process, by kind. */
  get counts(): ReadonlyMap<string, number> {
    return this.#counts;
  }

  async put(
    name: string,
    body: Uint8Array,
    { expected }: { expected: number | undefined },
  ): Promise<{ view: TriggerView; created: boolean }> {
    const { spec, job } = parseTrigger(body, this.#clock.now());
    const before = await this.#inTurn(name, (known) => this.#refresh(known));
    if (!isSame(before, spec)) {
      if (!before.live) this.#checkRoom(name);
      await this.#jobs.check(job).catch((error: unknown) => {
        throw belowJob(error);
      });
    }
    return this.#inTurn(name, async (known) => {
      const isNew = await this.#change(known, { expected, act: 'put' }, () =>
        isSame(known, spec) ? undefined : { kind: 'put', spec },
      );
      return { view: await this.#viewOf(known as Live, LIMITS.firingsShown), created: isNew };
    });
  }

  async remove(name: string, { expected }: { expected: number | undefined }): Promise<void> {
    await this.#inTurn(name, async (known) => {
      await this.#require(known);
      await this.#change(known, { expected, act: 'remove' }, () =>
        known.live ? { kind: 'deleted' } : undefined,
      );
    });
  }

  async list(): Promise<readonly TriggerView[]> {
    await this.#discover();
    const names = [...this.#known.keys()].sort();
    const views = await mapParallel(names, LIMITS.triggersAtOnce, (name) =>
      this.#inTurn(name, async (known) => {
        await this.#refresh(known);
        return isLive(known) ? [await this.#viewOf(known, 1)] : [];
      }),
    );
    return views.flat();
  }

  async view(name: string): Promise<TriggerView> {
    return this.#inTurn(name, async (known) =>
      this.#viewOf(await this.#require(known), LIMITS.firingsShown),
    );
  }

  async fire(
    name: string,
    idempotencyKey: string | undefined,
  ): Promise<{ firing: FiringView; replayed: boolean }> {
    return this.#inTurn(name, async (unsure) => {
      const known = await this.#require(unsure);
      const call = await this.#claim(name, idempotencyKey);
      const before = await known.firings.find(call.slot);
      if (before?.kind === 'fired') await this.#enlist(known, before);
      if (before) return { firing: await this.#firingView(before), replayed: true };
      await this.#sweep(known, 0);
      const made = decideOne(await this.#standing(known), call, this.#context(name));
      const { firing, created } = await this.#record(known, made);
      return { firing: await this.#firingView(firing), replayed: !created };
    });
  }

  /**
   * One look at everything: new entries, due slots, jobs that others left. Resolves with the moment of the next slot, or
   * undefined where none is known. A trigger that fails keeps no other from its slots.
   */
  async tick(): Promise<number | undefined> {
    await this.#discover();
    const next = await mapParallel([...this.#known.keys()], LIMITS.triggersAtOnce, (name) =>
      this.#inTurn(name, (known) => this.#look(known)).catch((error: unknown) => {
        if (!this.#closing.signal.aborted)
          this.#log.warn('trigger waits', { trigger: name, ...toWireError(error) });
        return undefined;
      }),
    );
    const due = next.filter((at) => at !== undefined);
    return due.length === 0 ? undefined : Math.min(...due);
  }

  async #run(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      this.#sleep = new AbortController();
      const stop = AbortSignal.any([this.#sleep.signal, this.#closing.signal]);
      const next = await this.tick().catch((error: unknown) => {
        this.#log.warn('triggers wait', { ...toWireError(error) });
        return undefined;
      });
      const tickMs = LIMITS.triggerTickMs;
      const untilMs = next === undefined ? tickMs : Math.max(0, next - this.#clock.now());
      await this.#clock.sleep(Math.min(tickMs, untilMs), stop);
    }
  }

  async #look(known: Known): Promise<number | undefined> {
    await this.#refresh(known);
    if (this.#clock.now() >= known.sweepAt) await this.#sweep(known, LIMITS.triggerOrphanMs);
    await this.#settle(known);
    return isLive(known) ? nextDue(placeOf(known), known.live.schedule) : undefined;
  }

  /** Records every slot that is due, one after the other; who loses a slot to another coordinator decides anew. */
  async #settle(known: Known): Promise<void> {
    if (!isLive(known)) return;
    const { schedule } = known.live;
    const due = nextDue(placeOf(known), schedule);
    if (due === undefined || due > this.#clock.now()) return;
    await this.#sweep(known, 0);
    for (let isLost = true; isLost; ) {
      isLost = false;
      const standing = await this.#standing(known);
      for (const firing of decideDue(standing, schedule, this.#context(known.name))) {
        if (this.#closing.signal.aborted) return;
        isLost = !(await this.#record(known, firing)).created;
        if (isLost) break;
      }
    }
  }

  /** Learns what others recorded, and submits the jobs that they left: a crash between record and job ends here. */
  async #sweep(known: Known, ageMs: number): Promise<void> {
    const now = this.#clock.now();
    await known.firings.sync(now);
    known.sweepAt = now + LIMITS.triggerSweepMs;
    for (const firing of known.firings.unended)
      if (now - firing.at >= ageMs) await this.#enlist(known, firing);
      else known.sweepAt = now + LIMITS.triggerOrphanMs;
  }

  async #record(
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
      if (kind === 'fired') await this.#enlist(known, firing);
    }
    return { firing, created };
  }

  /** Submits the job of a record unless somebody has; what it is, the entry that the record names says. */
  async #enlist({ name, firings }: Known, { slot, job, entry, after }: FiredRecord): Promise<void> {
    if (await this.#jobs.state(job)) return;
    const put = await getJson<TriggerEntry>(this.#store, entryKey(specPrefix(name), entry));
    try {
      const spec = checkJob(put?.kind === 'put' ? put.spec.job : undefined);
      await this.#jobs.enlist(spec, { key: jobKeyOf(name, slot), after });
    } catch (error) {
      const { code, message } = toWireError(error);
      if (code !== 'SPEC_INVALID') throw error;
      firings.giveUp(job); // a job that a former version took and this one does not know
      this.#log.error('job given up', { trigger: name, slot, job, message });
    }
  }

  async #standing(known: Live): Promise<Standing> {
    return {
      ...placeOf(known),
      entry: known.entry,
      recordedAt: known.firings.recordedAt,
      open: await known.firings.openJobs(this.#jobs),
    };
  }

  #context(name: string): { now: number; jobOf(slot: string): JobId } {
    return { now: this.#clock.now(), jobOf: (slot) => jobIdOf(jobKeyOf(name, slot)) };
  }

  /** The slot of a call: of the first one with this key, whoever took it. */
  async #claim(
    name: string,
    idempotencyKey: string | undefined,
  ): Promise<Pick<Firing, 'slot' | 'dueAt'>> {
    const dueAt = this.#clock.now();
    const slot = callSlotOf(dueAt, idempotencyKey);
    if (idempotencyKey === undefined) return { slot, dueAt };
    const key = callKey(name, idempotencyKey);
    const call: TriggerCall = { formatVersion: 1, slot, dueAt };
    const created = await createJson(this.#store, key, call);
    return created === 'created' ? call : ((await getJson<TriggerCall>(this.#store, key)) ?? call);
  }

  /** Appends an entry, or none where `make` finds nothing to change. True: there was no such trigger before. */
  async #change(
    known: Known,
    { expected, act }: { expected: number | undefined; act: string },
    make: () => Change | undefined,
  ): Promise<boolean> {
    for (;;) {
      await this.#refresh(known);
      checkMatch(known, expected, act);
      const change = make();
      if (!change) return false;
      const isNew = !known.live;
      await this.#settle(known).catch((error: unknown) => {
        this.#log.warn('slots before a change wait', {
          trigger: known.name,
          ...toWireError(error),
        });
      });
      const value: TriggerEntry = { formatVersion: 1, at: this.#clock.now(), ...change };
      if (await append(this.#store, specPrefix(known.name), known.entry + 1, value)) {
        adopt(known, known.entry + 1, value);
        this.#sleep.abort();
        return isNew;
      }
    }
  }

  async #refresh(known: Known): Promise<Known> {
    const prefix = specPrefix(known.name);
    const [head] = (await readAfter<TriggerEntry>(this.#store, prefix, known.entry)).slice(-1);
    if (head) adopt(known, head.n, head.value);
    return known;
  }

  async #require(known: Known): Promise<Live> {
    await this.#refresh(known);
    if (isLive(known)) return known;
    throw await this.#unknown(known.name);
  }

  async #unknown(name: string): Promise<GristmillError> {
    await this.#discover();
    const names = [...this.#known.values()].filter(isLive).map((one) => one.name);
    const listed = names.sort().slice(0, 20).join(', ');
    const expected = listed === '' ? 'there is none so far' : `expected one of ${listed}`;
    return new GristmillError('NOT_FOUND', `Cannot find the trigger ${name}: ${expected}`);
  }

  #checkRoom(name: string): void {
    const count = [...this.#known.values()].filter(isLive).length;
    if (count < LIMITS.triggersMax) return;
    const message = `Cannot put the trigger ${name}: there are ${count}, expected fewer than ${LIMITS.triggersMax}`;
    throw new GristmillError('CONFLICT', message);
  }

  async #viewOf(known: Live, firings: number): Promise<TriggerView> {
    const { name, entry, at, live } = known;
    await known.firings.sync(this.#clock.now());
    const newest = known.firings.newest(firings);
    return {
      name,
      entry,
      spec: live.spec,
      updatedAt: at,
      nextAt: live.spec.paused ? [] : nextSlots(live.schedule, Math.max(at, this.#clock.now())),
      firings: await Promise.all(newest.map((firing) => this.#firingView(firing))),
    };
  }

  async #firingView({ formatVersion: _, ...firing }: Firing): Promise<FiringView> {
    if (firing.kind !== 'fired') return firing;
    const standing = await this.#jobs.state(firing.job);
    return { ...firing, state: standing?.state ?? null, error: standing?.error ?? null };
  }

  /** Every trigger in the store is known here. */
  async #discover(): Promise<void> {
    for (const folder of await this.#store.listNames(TRIGGERS))
      if (folder.endsWith('/')) this.#find(folder.slice(0, -1));
  }

  #find(name: string): Known {
    const found = this.#known.get(name);
    if (found) return found;
    const firings = new Firings(this.#store, name);
    const turn = Promise.resolve();
    const known: Known = { name, firings, entry: 0, at: 0, live: undefined, sweepAt: 0, turn };
    this.#known.set(name, known);
    return known;
  }

  #inTurn<T>(name: string, act: (known: Known) => Promise<T>): Promise<T> {
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

type Change = { kind: 'put'; spec: TriggerSpec } | { kind: 'deleted' };

const isLive = (known: Known): known is Live => known.live !== undefined;

const isSame = ({ live }: Known, spec: TriggerSpec): boolean =>
  live !== undefined && canonicalJson(live.spec) === canonicalJson(spec);

const placeOf = ({ live, at, firings }: Live) => ({
  spec: live.spec,
  since: at,
  recordedTo: firings.recordedTo,
});

function adopt(known: Known, n: number, entry: TriggerEntry): void {
  known.entry = n;
  known.at = entry.at;
  known.live =
    entry.kind === 'put' ? { spec: entry.spec, schedule: scheduleOf(entry.spec) } : undefined;
}

/** A trigger that was removed is as good as none: its ETag is "0". */
function checkMatch(known: Known, expected: number | undefined, act: string): void {
  const current = known.live ? known.entry : 0;
  if (expected === undefined || expected === current) return;
  throw new GristmillError(
    'PRECONDITION_FAILED',
    `Cannot ${act} the trigger ${known.name}: If-Match is "${expected}", expected its ETag "${current}"`,
  );
}

function nextSlots(schedule: Schedule, after: number): number[] {
  const slots: number[] = [];
  for (let at = schedule.next(after); at !== undefined; at = schedule.next(at)) {
    slots.push(at);
    if (slots.length === LIMITS.slotsShown) break;
  }
  return slots;
}
