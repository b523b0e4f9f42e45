// What the HTTP API asks of triggers: put, list, see, remove, fire.
// In: names and bodies. Out: views and firings, each made of what the store says now.
// Why apart from the loop: a call decides one slot, the clock decides all that are due; both through the same book.
// Flow: [trigger] → job → snapshot → plan → prepare → fit → train → evaluate → prove → publish → gate → predictions
import type { Clock } from '../../common/clock.ts';
import { GristmillError, toWireError } from '../../common/errors.ts';
import { canonicalJson } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import { mapParallel } from '../../common/parallel.ts';
import { createJson, type Store } from '../../common/store/store.ts';
import { isUnreadable, readStored } from '../../common/stored/stored.ts';
import type {
  Firing,
  FiringView,
  TriggerCall,
  TriggerList,
  TriggerSpec,
  TriggerView,
} from '../../common/wire/trigger.ts';
import { isLive, type Known, type Live, TriggerBook, type TriggerMachinery } from './book.ts';
import { decideOne } from './decide.ts';
import { TriggerLoop } from './loop.ts';
import { type Schedule, wordsOf } from './on/on.ts';
import { callKey, callSlotOf } from './slots.ts';
import { belowJob, parseTrigger } from './spec.ts';
import type { TriggerJobs, Triggers } from './triggers.ts';

export class TriggerService implements Triggers {
  readonly #store: Store;
  readonly #jobs: TriggerJobs;
  readonly #clock: Clock;
  readonly #book: TriggerBook;
  readonly #loop: TriggerLoop;

  constructor(machinery: TriggerMachinery) {
    this.#store = machinery.store;
    this.#jobs = machinery.jobs;
    this.#clock = machinery.clock;
    this.#book = new TriggerBook(machinery);
    this.#loop = new TriggerLoop(this.#book, machinery);
  }

  /** Looks after all triggers until it is closed. */
  start(): void {
    this.#loop.start();
  }

  /** One look at everything; resolves with the moment of the next slot, where one is known. */
  tick(): Promise<number | undefined> {
    return this.#loop.tick();
  }

  async close(): Promise<void> {
    const closed = this.#book.close();
    await this.#loop.close();
    await closed;
  }

  /** Records made by this process, by kind. */
  get counts(): ReadonlyMap<string, number> {
    return this.#book.counts;
  }

  async put(
    name: string,
    body: Uint8Array,
    { expected }: { expected: number | undefined },
  ): Promise<{ view: TriggerView; created: boolean }> {
    const { spec, job } = parseTrigger(body, this.#clock.now());
    const before = await this.#book.inTurn(name, (known) => this.#book.refresh(known));
    if (!isSame(before, spec)) {
      if (!before.live) this.#checkRoom(name);
      await this.#jobs.check(job).catch((error: unknown) => {
        throw belowJob(error);
      });
    }
    return this.#book.inTurn(name, async (known) => {
      const isNew = await this.#book.change(known, { expected, act: 'put' }, () =>
        isSame(known, spec) ? undefined : { kind: 'put', spec },
      );
      return { view: await this.#viewOf(known as Live, LIMITS.firingsShown), created: isNew };
    });
  }

  async remove(name: string, { expected }: { expected: number | undefined }): Promise<void> {
    await this.#book.inTurn(name, async (known) => {
      await this.#book.refresh(known);
      if (!known.unreadable) await this.#book.require(known);
      await this.#book.change(known, { expected, act: 'remove' }, () =>
        known.live || known.unreadable ? { kind: 'deleted' } : undefined,
      );
    });
  }

  async list(): Promise<TriggerList> {
    await this.#book.discover();
    const names = this.#book.all.map(({ name }) => name).sort();
    const found = await mapParallel(names, LIMITS.triggersAtOnce, (name) =>
      this.#book.inTurn(name, (known) => this.#lineOf(known)),
    );
    return {
      triggers: found.flatMap((one) => (one && 'spec' in one ? one : [])),
      unreadable: found.flatMap((one) => (one && 'error' in one ? one : [])),
    };
  }

  /** In a list, one that cannot be read, or whose records cannot, hides no other. */
  async #lineOf(known: Known): Promise<TriggerList['triggers' | 'unreadable'][number] | undefined> {
    try {
      await this.#book.refresh(known);
      if (known.unreadable) throw known.unreadable;
      return isLive(known) ? await this.#viewOf(known, 1) : undefined;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      return { name: known.name, error: toWireError(error) };
    }
  }

  async view(name: string): Promise<TriggerView> {
    return this.#book.inTurn(name, async (known) =>
      this.#viewOf(await this.#book.require(known), LIMITS.firingsShown),
    );
  }

  async fire(
    name: string,
    idempotencyKey: string | undefined,
  ): Promise<{ firing: FiringView; replayed: boolean }> {
    return this.#book.inTurn(name, async (unsure) => {
      const known = await this.#book.require(unsure);
      const call = await this.#claim(name, idempotencyKey);
      const before = await known.firings.find(call.slot);
      if (before?.kind === 'fired') await this.#book.enlist(known, before);
      if (before) return { firing: await this.#firingView(before), replayed: true };
      await this.#book.sweep(known, 0);
      const made = decideOne(await this.#book.standing(known), call, this.#book.context(name));
      const { firing, created } = await this.#book.record(known, made);
      return { firing: await this.#firingView(firing), replayed: !created };
    });
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
    return created === 'created' ? call : ((await readStored(this.#store, key, 'call')) ?? call);
  }

  #checkRoom(name: string): void {
    const count = this.#book.all.filter(isLive).length;
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
      when: wordsOf(live.spec.on),
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
}

const isSame = ({ live }: Known, spec: TriggerSpec): boolean =>
  live !== undefined && canonicalJson(live.spec) === canonicalJson(spec);

function nextSlots(schedule: Schedule, after: number): number[] {
  const slots: number[] = [];
  for (let at = schedule.next(after); at !== undefined; at = schedule.next(at)) {
    slots.push(at);
    if (slots.length === LIMITS.slotsShown) break;
  }
  return slots;
}
