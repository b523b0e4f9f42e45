// Which tasks are on their way: offered within a window, and who claims each.
// In: tasks without a result. Out: the broker holds at most LIMITS.offerWindow of them; the rest wait here.
// Why a window: a million messages never sit in the broker, and a cancelled job has little to withdraw.
import type { Clock } from '../../common/clock.ts';
import { groupBy } from '../../common/group.ts';
import type { TaskId, WorkerId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { TaskQueue } from '../../common/queue/tasks.ts';
import type { Heartbeat } from '../../common/wire/event.ts';
import type { Task } from '../../common/wire/task.ts';
import type { Outstanding } from './reconcile.ts';

export class Window {
  readonly #queue: TaskQueue;
  readonly #clock: Clock;
  readonly #waiting: Task[];
  readonly #outstanding = new Map<TaskId, Outstanding>();
  #generation = 0;

  constructor(queue: TaskQueue, clock: Clock, tasks: readonly Task[]) {
    this.#queue = queue;
    this.#clock = clock;
    this.#waiting = [...tasks].reverse(); // taken from the end, in order
  }

  get outstanding(): ReadonlyMap<TaskId, Outstanding> {
    return this.#outstanding;
  }

  get isEmpty(): boolean {
    return this.#waiting.length === 0 && this.#outstanding.size === 0;
  }

  get room(): number {
    return LIMITS.offerWindow - this.#outstanding.size;
  }

  /** Offers what the window has room for. */
  async fill(): Promise<void> {
    const { room } = this;
    const next = room > 0 ? this.#waiting.splice(-room).reverse() : [];
    for (const task of next) this.#outstanding.set(task.task, this.#begin(task));
    await Promise.all(next.map((task) => this.#send(task)));
  }

  async offerAgain(task: TaskId): Promise<void> {
    const one = this.#outstanding.get(task);
    if (!one) return;
    this.#outstanding.set(task, { ...one, offeredAtMs: this.#clock.monotonicMs() });
    await this.#send(one.task);
  }

  settle(task: TaskId): boolean {
    return this.#outstanding.delete(task);
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
      this.#outstanding.set(task, { ...one, claimedBy });
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
    this.#waiting.length = 0;
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
      offeredAtMs: this.#clock.monotonicMs(),
      notBeforeMs: 0,
      claimedBy: new Set(),
    };
  }

  /** The wall clock is the generation: new also for a coordinator that was started again. */
  #send(task: Task): Promise<void> {
    this.#generation = Math.max(this.#generation + 1, this.#clock.now());
    return this.#queue.offer(task, this.#generation);
  }
}
