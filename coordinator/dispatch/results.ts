// Where the results of tasks lie: each in a commit of its own, or in a group.
// In: tasks, and groups that hints name. Out: descriptors, and the group of each.
// Why two ways to ask: before an offer a listing of some seconds ago will do, as what came since is heard or found by a
// pass; a task that is about to be offered again is worth a new one.
import type { Clock } from '../../common/clock.ts';
import { LIMITS } from '../../common/limits.ts';
import type { Store } from '../../common/store/store.ts';
import { type Descriptors, type Found, GroupIndex, Groups } from '../../common/stored/groups.ts';
import { readStored } from '../../common/stored/stored.ts';
import { commitKey, groupsPrefix, type Task } from '../../common/wire/task.ts';

type Known = { readonly index: GroupIndex; listed: Promise<void> | undefined; listedMs: number };

export class Results {
  readonly #store: Store;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  readonly #groups: Groups;
  /** By prefix: tasks of one dispatch are nearly always of one program. */
  readonly #known = new Map<string, Known>();

  constructor(store: Store, clock: Pick<Clock, 'monotonicMs'>) {
    this.#store = store;
    this.#clock = clock;
    this.#groups = new Groups(store);
  }

  read(group: string): Promise<Descriptors> {
    return this.#groups.read(group);
  }

  /** Where nothing was offered yet. */
  async find(task: Task): Promise<Found | undefined> {
    return (await this.#inGroups(task, LIMITS.reconcileMs)) ?? (await this.#alone(task));
  }

  /** Where it may have ended just now. */
  async search(task: Task): Promise<Found | undefined> {
    return (await this.#alone(task)) ?? (await this.#inGroups(task, 0));
  }

  async #alone({ stage, task, commit }: Task): Promise<Found | undefined> {
    const key = commitKey(stage, task, commit);
    const descriptor = await readStored(this.#store, key, 'commit');
    return descriptor && { descriptor };
  }

  /** Only first commits lie in groups. */
  async #inGroups(task: Task, ageMsMax: number): Promise<Found | undefined> {
    if (task.commit > 1) return undefined;
    const known = this.#indexOf(groupsPrefix(task));
    const nowMs = this.#clock.monotonicMs();
    if (!known.listed || nowMs - known.listedMs >= ageMsMax) {
      known.listedMs = nowMs;
      known.listed = known.index.refresh();
      known.listed.catch(() => {
        known.listed = undefined;
      });
    }
    await known.listed;
    return known.index.find(task.task);
  }

  #indexOf(prefix: string): Known {
    const known = this.#known.get(prefix);
    if (known) return known;
    if (this.#known.size >= LIMITS.programsCached) this.#known.clear();
    const made = { index: new GroupIndex(this.#groups, prefix), listed: undefined, listedMs: 0 };
    this.#known.set(prefix, made);
    return made;
  }
}
