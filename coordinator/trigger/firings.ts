// What is recorded of a trigger's slots, as one coordinator knows it.
// In: the store, which others write to as well. Out: the newest records, and which of their jobs have not ended.
// Why a copy: a slot is decided on what was before it, and a year of records is not read for each.
import type { JobId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import { mapParallel } from '../../common/parallel.ts';
import { createJson, type Store } from '../../common/store/store.ts';
import { readStored } from '../../common/stored/stored.ts';
import type { Firing } from '../../common/wire/trigger.ts';
import { isEnded } from '../job/view.ts';
import { dayOf, firingKey, firingsPrefix, isCall, momentOf, slotOf } from './slots.ts';
import type { TriggerJobs } from './triggers.ts';

export type FiredRecord = Extract<Firing, { kind: 'fired' }>;

export class Firings {
  readonly #store: Store;
  readonly #name: string;
  /** The newest records, by slot. */
  #kept = new Map<string, Firing>();
  /** Slots with a record, from `#fromDay` on. */
  #seen = new Set<string>();
  /** Days before this have all their records; undefined: nothing is read so far. */
  #fromDay: string | undefined;
  /** Ends are final, so they are asked for once. */
  #ended = new Set<JobId>();
  #recordedTo = 0;

  constructor(store: Store, name: string) {
    this.#store = store;
    this.#name = name;
  }

  /** Slots of the clock up to this moment have their record. */
  get recordedTo(): number {
    return this.#recordedTo;
  }

  /** When the last record was written; 0: there is none. */
  get recordedAt(): number {
    return Math.max(0, ...[...this.#kept.values()].map(({ at }) => at));
  }

  /** Newest first. */
  newest(count: number): Firing[] {
    return [...this.#kept.values()].sort(bySlot).reverse().slice(0, count);
  }

  /** Learns what others have recorded. Days end, clocks differ: yesterday is looked at again. */
  async sync(nowMs: number): Promise<void> {
    const days = (await this.#store.listNames(firingsPrefix(this.#name))).filter((name) =>
      name.endsWith('/'),
    );
    const fresh = await this.#freshSlots(days.sort());
    const records = await mapParallel(fresh.slice(-LIMITS.firingsKept), READS, (slot) =>
      readStored(this.#store, firingKey(this.#name, slot), 'firing'),
    );
    for (const slot of fresh) this.#see(slot);
    for (const record of records) if (record) this.#keep(record);
    this.#fromDay = dayOf(slotOf(nowMs - DAY_MS));
    for (const slot of this.#seen) if (dayOf(slot) < this.#fromDay) this.#seen.delete(slot);
  }

  /** Creates a record, or answers the one that is there. */
  async record(firing: Firing): Promise<{ readonly firing: Firing; readonly created: boolean }> {
    const key = firingKey(this.#name, firing.slot);
    const created = (await createJson(this.#store, key, firing)) === 'created';
    const kept = created ? firing : ((await this.find(firing.slot)) ?? firing);
    this.#see(kept.slot);
    this.#keep(kept);
    return { firing: kept, created };
  }

  find(slot: string): Promise<Firing | undefined> {
    return readStored(this.#store, firingKey(this.#name, slot), 'firing');
  }

  /**
   * Jobs of recorded slots that have not ended, in order of their slots. Every record names the newest such job that its
   * writer knew, and every waiting job the one before it: all are found from the newest records. A job that nobody
   * knows yet counts.
   */
  async openJobs(jobs: Pick<TriggerJobs, 'state'>): Promise<JobId[]> {
    const records = this.newest(LIMITS.firingsKept).reverse();
    const own = records.flatMap((one) => (one.kind === 'fired' ? one.job : []));
    const earlier = records.flatMap(({ after }) => after ?? []).filter((job) => !own.includes(job));
    const order = [...new Set([...earlier, ...own])];
    const open = new Set<JobId>();
    for (const job of order) await this.#follow(job, { jobs, open, isOwn: own.includes(job) });
    const ended = order.filter((job) => this.#ended.has(job));
    this.#ended = new Set(ended);
    return [...open];
  }

  /** Fired records of which nobody saw the job's end so far, oldest first. */
  get unended(): FiredRecord[] {
    const records = this.newest(LIMITS.firingsKept).reverse();
    return records.filter(
      (one): one is FiredRecord => one.kind === 'fired' && !this.#ended.has(one.job),
    );
  }

  /** Such a job will never be: its submission is refused for good. */
  giveUp(job: JobId): void {
    this.#ended.add(job);
  }

  /** Adds a job that has not ended, behind those that it waits for. */
  async #follow(
    job: JobId,
    of: { jobs: Pick<TriggerJobs, 'state'>; open: Set<JobId>; isOwn: boolean },
  ): Promise<void> {
    if (this.#ended.has(job) || of.open.has(job)) return;
    const standing = await of.jobs.state(job);
    if (standing ? isEnded(standing.state) : !of.isOwn) {
      this.#ended.add(job);
      return;
    }
    if (standing?.after) await this.#follow(standing.after, { ...of, isOwn: false });
    of.open.add(job);
  }

  /** Slots with a record that are not known here, oldest first. */
  async #freshSlots(days: readonly string[]): Promise<string[]> {
    const wanted = this.#fromDay === undefined ? days : days.filter((day) => day >= this.#fromDay!);
    const fresh: string[] = [];
    for (const day of wanted.toReversed()) {
      const names = await this.#store.listNames(`${firingsPrefix(this.#name)}${day}`);
      const slots = names.map((name) => name.replace(/\.json$/, ''));
      fresh.push(...slots.filter((slot) => !this.#seen.has(slot)));
      if (this.#fromDay === undefined && fresh.length >= LIMITS.firingsKept) break;
    }
    return fresh.sort();
  }

  #see(slot: string): void {
    this.#seen.add(slot);
    if (!isCall(slot)) this.#recordedTo = Math.max(this.#recordedTo, momentOf(slot));
  }

  #keep(record: Firing): void {
    this.#kept.set(record.slot, record);
    if (this.#kept.size <= LIMITS.firingsKept) return;
    this.#kept = new Map(this.newest(LIMITS.firingsKept).map((one) => [one.slot, one]));
  }
}

const DAY_MS = 86_400_000;
/** Records read at once. */
const READS = 8;
const bySlot = (a: Firing, b: Firing): number => (a.slot < b.slot ? -1 : a.slot > b.slot ? 1 : 0);
