// Finds results that lie in groups: by the group's key, or among all groups of one program.
// In: a store, keys and tasks. Out: descriptors, and where each lies.
// Why an index: a group is named by when it was written, so who has only a task's name lists the program's groups.
import type { TaskId } from '../ids.ts';
import { LIMITS } from '../limits.ts';
import { mapParallel } from '../parallel.ts';
import type { Store } from '../store/store.ts';
import type { Descriptor } from '../wire/task.ts';
import { readStored } from './stored.ts';

/** `group` where it does not lie alone. */
export type Found = { readonly descriptor: Descriptor; readonly group?: string };
export type Descriptors = ReadonlyMap<TaskId, Descriptor>;

/** Reads groups; those of last use stay parsed, so whoever asks for the tasks of one reads it once. */
export class Groups {
  readonly #store: Store;
  readonly #held = new Map<string, Promise<Descriptors>>(); // in order of last use

  constructor(store: Store) {
    this.#store = store;
  }

  get store(): Store {
    return this.#store;
  }

  /** Empty where there is no such group. */
  read(key: string): Promise<Descriptors> {
    const reading = this.#held.get(key) ?? this.#load(key);
    this.#held.delete(key);
    this.#held.set(key, reading);
    for (const [oldest] of this.#held) {
      if (this.#held.size <= LIMITS.groupsCached) break;
      this.#held.delete(oldest);
    }
    return reading;
  }

  #load(key: string): Promise<Descriptors> {
    const reading = readStored(this.#store, key, 'group').then(
      (group) => new Map(group?.descriptors.map((one) => [one.task, one])),
    );
    reading.catch(() => this.#held.delete(key));
    return reading;
  }
}

/** The groups of one program, listed again for each who asks; askers of one moment share a listing. */
export class GroupIndex {
  readonly #groups: Groups;
  readonly #prefix: string;
  readonly #since: string;
  /** By the first 12 digits of a task: a million take some 50 MB. Two that share them are told apart by reading. */
  readonly #keys = new Map<number, string>();
  readonly #seen = new Set<string>();
  #listing: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  /** `sinceMs`: groups that were written before are left out. */
  constructor(groups: Groups, prefix: string, sinceMs = 0) {
    this.#groups = groups;
    this.#prefix = prefix;
    this.#since = String(Math.max(0, sinceMs)).padStart(14, '0');
  }

  /** Of what was listed so far. */
  async find(task: TaskId): Promise<Found | undefined> {
    const group = this.#keys.get(digitsOf(task));
    if (group === undefined) return undefined;
    const descriptor = (await this.#groups.read(group)).get(task);
    return descriptor && { descriptor, group };
  }

  /** Resolves when everything is known that was in the store when it was called. */
  refresh(): Promise<void> {
    if (!this.#listing) return this.#begin();
    this.#next ??= this.#listing
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        return this.#begin();
      });
    return this.#next;
  }

  #begin(): Promise<void> {
    const listing = this.#list().finally(() => {
      if (this.#listing === listing) this.#listing = undefined;
    });
    this.#listing = listing;
    return listing;
  }

  async #list(): Promise<void> {
    const names = await this.#groups.store.listNames(this.#prefix);
    const fresh = names.filter((name) => name >= this.#since && !this.#seen.has(name));
    await mapParallel(fresh, LIMITS.downloadsMax, async (name) => {
      const group = this.#prefix + name;
      for (const task of (await this.#groups.read(group)).keys()) {
        this.#keys.set(digitsOf(task), group);
      }
      this.#seen.add(name);
    });
  }
}

const digitsOf = (task: TaskId): number => Number.parseInt(task.slice(0, 12), 16);
