// Descriptors on their way to the store: alone, or as one object where several tasks end during one put.
// In: descriptors. Out: each durable, and in which group it lies, if in one.
// Why no timer: a lone task waits for nobody; what ends while a put is under way waits for that alone.
//
//   a ─► put a ───────────► done
//        b, c end meanwhile ─► put {b, c} ─────► done, done: one hint
import type { Clock } from '../common/clock.ts';
import { crashPoint } from '../common/crash.ts';
import { type Digest, sha256Hex } from '../common/ids.ts';
import { LIMITS } from '../common/limits.ts';
import type { Created, Store } from '../common/store/store.ts';
import { commitKey, groupKey, type Task } from '../common/wire/task.ts';

export type Committed = { readonly created: Created; readonly group?: string };

type Waiting = {
  readonly task: Task;
  readonly json: string;
  readonly done: (committed: Committed) => void;
  readonly failed: (error: unknown) => void;
};

export type CommitterOptions = {
  readonly store: Store;
  readonly clock: Pick<Clock, 'now'>;
  /** Told once a group is durable, before anybody whose result is in it goes on. */
  readonly onGroup: (group: string, tasks: readonly Task[]) => void;
};

export class Committer {
  readonly #of: CommitterOptions;
  #waiting: Waiting[] = [];
  #isPutting = false;

  constructor(of: CommitterOptions) {
    this.#of = of;
  }

  /** `json` is the task's descriptor. It may lie in a group unless `isAlone`. */
  async put(task: Task, json: string, { isAlone }: { isAlone: boolean }): Promise<Committed> {
    if (isAlone || task.commit > 1) return this.#putAlone(task, json);
    return new Promise((done, failed) => {
      this.#waiting.push({ task, json, done, failed });
      if (!this.#isPutting) void this.#putAll();
    });
  }

  /** One put at a time for each program. */
  async #putAll(): Promise<void> {
    this.#isPutting = true;
    while (this.#waiting.length > 0) {
      await Promise.all(cut(this.#waiting.splice(0)).map((batch) => this.#putBatch(batch)));
    }
    this.#isPutting = false;
  }

  async #putBatch(batch: readonly Waiting[]): Promise<void> {
    const [{ task, json }] = batch as [Waiting];
    try {
      const alone = batch.length === 1;
      const committed = alone ? await this.#putAlone(task, json) : await this.#putGroup(batch);
      for (const { done } of batch) done(committed);
    } catch (error) {
      for (const { failed } of batch) failed(error);
    }
  }

  async #putAlone(task: Task, json: string): Promise<Committed> {
    const key = commitKey(task.stage, task.task, task.commit);
    return { created: await this.#of.store.create(key, ENCODER.encode(json)) };
  }

  /** A key that is taken holds the same bytes: it is named by them. */
  async #putGroup(batch: readonly Waiting[]): Promise<Committed> {
    const [{ task }] = batch as [Waiting];
    const { stage, program } = task;
    const head = JSON.stringify({ formatVersion: 1, stage, program }).slice(0, -1);
    const bytes = ENCODER.encode(
      `${head},"descriptors":[${batch.map(({ json }) => json).join(',')}]}`,
    );
    const group = groupKey(task, this.#of.clock.now(), sha256Hex(bytes));
    await this.#of.store.create(group, bytes);
    crashPoint('commit.afterGroup');
    this.#of.onGroup(
      group,
      batch.map((one) => one.task),
    );
    return { created: 'created', group };
  }
}

const ENCODER = new TextEncoder();

/** Into what goes into one object each: one program, and within the limits. */
function cut(waiting: readonly Waiting[]): Waiting[][] {
  const batches: Waiting[][] = [];
  const open = new Map<Digest, { batch: Waiting[]; bytes: number }>();
  for (const one of waiting) {
    const { program } = one.task;
    const known = open.get(program);
    const fits =
      known?.batch[0]?.task.stage === one.task.stage &&
      known.batch.length < LIMITS.groupTasksMax &&
      known.bytes + one.json.length <= LIMITS.groupBytesMax;
    const to = known && fits ? known : { batch: [], bytes: 0 };
    if (to !== known) {
      open.set(program, to);
      batches.push(to.batch);
    }
    to.batch.push(one);
    to.bytes += one.json.length;
  }
  return batches;
}
