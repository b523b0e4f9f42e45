// Which tasks are on their way: offered within a window, and who claims each.
// In: tasks without a result. Out: the broker holds at most LIMITS.offerWindow of them; the rest waits in its source.
// Why a window: a million messages never sit in the broker, and a cancelled job has little to withdraw.
import type { Clock } from '../../common/clock.ts';
import { groupBy } from '../../common/group.ts';
import type { TaskId, WorkerId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { TaskQueue } from '../../common/queue/tasks.ts';
import type { Heartbeat } from '../../common/wire/event.ts';
import type { Task } from '../../common/wire/task.ts';
import type { Numbered } from './feed.ts';
import type { Outstanding } from './reconcile.ts';

export class Window {
  readonly #queue: TaskQueue;
  readonly #clock: Clock;
  readonly #outstanding = new Map<TaskId, Outstanding>();
  #generation = 0;

  constructor(queue: TaskQueue, clock: Clock) {
    this.#queue = queue;
    this.#clock = clock;
  }

  get outstanding(): ReadonlyMap<TaskId, Outstanding> {
    return this.#outstanding;
  }

  get room(): number {
    return LIMITS.offerWindow - this.#outstanding.size;
  }

  /** A task that stands twice in the source is offered once. */
  async add(next: readonly Numbered[], { isNew }: { isNew: boolean }): Promise<void> {
    const fresh: Task[] = [];
    for (const { task, index } of next) {
      const known = this.#outstanding.get(task.task);
      if (!known) fresh.push(task);
      const one = known ?? this.#begin(task);
      this.#outstanding.set(task.task, { ...one, indices: [...one.indices, index] });
    }
    await Promise.all(fresh.map((task) => this.#send(task, isNew)));
  }

  async offerAgain(task: TaskId): Promise<void> {
    const one = this.#outstanding.get(task);
    if (!one) return;
    this.#outstanding.set(task, { ...one, ...this.#offered() });
    await this.#send(one.task, false);
  }

  /** Takes what the broker sits on out of the stream, and offers it anew. */
  async free(task: TaskId): Promise<void> {
    const one = this.#outstanding.get(task);
    if (!one) return;
    this.#outstanding.set(task, { ...one, ...this.#offered(), freed: one.freed + 1 });
    await this.#queue.withdraw(one.task.numerics, [task]);
    await this.#send(one.task, false);
  }

  /** The places in the source that it has, none where it is not outstanding. */
  settle(task: TaskId): readonly number[] {
    const indices = this.#outstanding.get(task)?.indices ?? [];
    this.#outstanding.delete(task);
    return indices;
  }

  delay(task: TaskId, delayMs: number): void {
    const one = this.#outstanding.get(task);
    if (!one) return;
    this.#outstanding.set(task, { ...one, notBeforeMs: this.#clock.monotonicMs() + delayMs });
  }

  /** A live worker's word replaces what it said before. */
  hear({ worker, tasks }: Pick<Heartbeat, 'worker' | 'tasks'>): void {
    const claimed = new Set(tasks);
    for (const [task, one] of this.#outstanding) {
      if (claimed.has(task) === one.claimedBy.has(worker)) continue;
      const claimedBy = new Set(one.claimedBy);
      if (claimed.has(task)) claimedBy.add(worker);
      else claimedBy.delete(worker);
      this.#outstanding.set(task, { ...one, claimedBy, movedAtMs: this.#clock.monotonicMs() });
    }
  }

  forgetClaim(task: TaskId, worker: WorkerId): void {
    const one = this.#outstanding.get(task);
    if (!one) return;
    const claimedBy = new Set(one.claimedBy);
    claimedBy.delete(worker);
    this.#outstanding.set(task, { ...one, claimedBy });
  }

  async withdraw(): Promise<void> {
    const byNumerics = groupBy(this.#outstanding.values(), (one) => one.task.numerics);
    this.#outstanding.clear();
    for (const [numerics, ones] of byNumerics) {
      await this.#queue.withdraw(
        numerics,
        ones.map((one) => one.task.task),
      );
    }
  }

  #begin(task: Task): Outstanding {
    return {
      task,
      indices: [],
      ...this.#offered(),
      notBeforeMs: 0,
      claimedBy: new Set(),
      freed: 0,
    };
  }

  #offered(): Pick<Outstanding, 'offeredAtMs' | 'movedAtMs'> {
    const nowMs = this.#clock.monotonicMs();
    return { offeredAtMs: nowMs, movedAtMs: nowMs };
  }

  /** The wall clock is the generation: new also for a coordinator that was started again. */
  #send(task: Task, isNew: boolean): Promise<void> {
    this.#generation = Math.max(this.#generation + 1, this.#clock.now());
    return this.#queue.offer(task, this.#generation, { isNew });
  }
}
