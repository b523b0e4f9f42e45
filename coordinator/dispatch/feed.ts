// The source of a dispatch, read a batch ahead: what has a result already never reaches the window.
// In: tasks one after the other, and how to find a result. Out: those without one, as many as there is room for.
// Why batches: results are looked up side by side, and never more than a batch of tasks is held. Making tasks takes time:
// the loop has a turn in between.
import type { Clock } from '../../common/clock.ts';
import { LIMITS } from '../../common/limits.ts';
import { Pace } from '../../common/pace.ts';
import { mapParallel } from '../../common/parallel.ts';
import type { Found } from '../../common/stored/groups.ts';
import type { Task } from '../../common/wire/task.ts';

export type Numbered = { readonly task: Task; readonly index: number };

export type FeedOptions = {
  /** Undefined: nothing can be there. */
  readonly find: ((task: Task) => Promise<Found | undefined>) | undefined;
  readonly onFound: (found: Found, index: number) => void;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly signal: AbortSignal;
};

export class Feed {
  readonly #source: Iterator<Task> | AsyncIterator<Task>;
  readonly #options: FeedOptions;
  /** Without a result, waiting for room. */
  #missing: Numbered[] = [];
  #read = 0;
  #isEnd = false;

  constructor(tasks: Iterable<Task> | AsyncIterable<Task>, options: FeedOptions) {
    this.#source =
      Symbol.asyncIterator in tasks ? tasks[Symbol.asyncIterator]() : tasks[Symbol.iterator]();
    this.#options = options;
  }

  /** True when the source has ended and nothing of it waits here. */
  get isDry(): boolean {
    return this.#isEnd && this.#missing.length === 0;
  }

  /** At most `room` tasks without a result; none when the source has ended. */
  async take(room: number): Promise<readonly Numbered[]> {
    while (this.#missing.length === 0 && !this.#isEnd && !this.#options.signal.aborted) {
      this.#missing = await this.#lookUp(await this.#batch());
    }
    return this.#missing.splice(0, room);
  }

  /** Tells the source that no more of it is wanted. */
  async close(): Promise<void> {
    if (!this.#isEnd) await this.#source.return?.();
  }

  async #batch(): Promise<Numbered[]> {
    const batch: Numbered[] = [];
    const pace = new Pace(this.#options.clock);
    while (batch.length < LIMITS.lookupBatch) {
      const { value, done } = await this.#next();
      if (done) {
        this.#isEnd = true;
        break;
      }
      batch.push({ task: value, index: this.#read++ });
      const rest = pace.rest();
      if (rest) await rest;
    }
    return batch;
  }

  /** A source that is there costs no turn of the loop a task. */
  #next(): IteratorResult<Task> | Promise<IteratorResult<Task>> {
    return this.#source.next();
  }

  async #lookUp(batch: Numbered[]): Promise<Numbered[]> {
    const { find, onFound, signal } = this.#options;
    if (!find) return batch;
    const missing = await mapParallel(batch, LIMITS.lookupsParallel, async (one) => {
      const found = signal.aborted ? undefined : await find(one.task);
      if (!found) return [one];
      onFound(found, one.index);
      return [];
    });
    return missing.flat();
  }
}
