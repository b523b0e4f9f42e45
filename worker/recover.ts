// Whether a task that comes a second time has its result in a group: whoever had it before may have died with that just
// written, and its ack not sent. In: redelivered tasks. Out: the group, or nothing: then it is computed.
// Why shared while any is looked for: a dead worker's tasks come back together, and need one listing.
import { LIMITS } from '../common/limits.ts';
import type { Lease } from '../common/queue/tasks.ts';
import type { Store } from '../common/store/store.ts';
import { GroupIndex, Groups } from '../common/stored/groups.ts';
import { groupsPrefix } from '../common/wire/task.ts';

type Shared = { readonly index: GroupIndex; readonly sinceMs: number; users: number };

export class Recovery {
  readonly #groups: Groups;
  readonly #shared = new Map<string, Shared>();

  constructor(store: Store) {
    this.#groups = new Groups(store);
  }

  /** Groups are named by when they were written: none from before the offer can hold its answer. */
  async find(lease: Pick<Lease, 'task' | 'generation'>): Promise<string | undefined> {
    const { task } = lease;
    const prefix = groupsPrefix(task);
    const sinceMs = lease.generation - LIMITS.groupSkewMs;
    const shared = this.#share(prefix, sinceMs);
    shared.users += 1;
    try {
      await shared.index.refresh();
      return (await shared.index.find(task.task))?.group;
    } finally {
      shared.users -= 1;
      if (shared.users === 0 && this.#shared.get(prefix) === shared) this.#shared.delete(prefix);
    }
  }

  #share(prefix: string, sinceMs: number): Shared {
    const known = this.#shared.get(prefix);
    if (known && known.sinceMs <= sinceMs) return known;
    const made = { index: new GroupIndex(this.#groups, prefix, sinceMs), sinceMs, users: 0 };
    this.#shared.set(prefix, made);
    return made;
  }
}
