// The clock side of triggers: looks at all of them whenever a slot may be due, and at least every few seconds.
// In: the book, the clock. Out: a record for each slot, a job for each fired one. Killed anywhere, whoever starts next goes on.
import type { Clock } from '../../common/clock.ts';
import { toWireError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import type { Log } from '../../common/log.ts';
import { mapParallel } from '../../common/parallel.ts';
import { isLive, type Known, placeOf, type TriggerBook } from './book.ts';
import { nextDue } from './decide.ts';

export class TriggerLoop {
  readonly #book: TriggerBook;
  readonly #clock: Clock;
  readonly #log: Log;
  /** By trigger, what was said of it: the same is not said at each tick. */
  readonly #said = new Map<string, string>();
  #sleep = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(book: TriggerBook, { clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#book = book;
    this.#clock = clock;
    this.#log = log;
    book.onChange = () => this.#sleep.abort();
  }

  /** Looks after all triggers until it is closed. */
  start(): void {
    this.#running = this.#run();
  }

  /** Once the book is closing. */
  async close(): Promise<void> {
    this.#sleep.abort();
    await this.#running;
  }

  /**
   * One look at everything: new entries, due slots, jobs that others left. Resolves with the moment of the next slot, or
   * undefined where none is known. A trigger that fails keeps no other from its slots.
   */
  async tick(): Promise<number | undefined> {
    await this.#book.discover();
    const next = await mapParallel(
      this.#book.all.map(({ name }) => name),
      LIMITS.triggersAtOnce,
      (name) =>
        this.#book
          .inTurn(name, (known) => this.#look(known))
          .then((due) => {
            this.#said.delete(name);
            return due;
          })
          .catch((error: unknown) => this.#sayWaits(name, error)),
    );
    const due = next.filter((at) => at !== undefined);
    return due.length === 0 ? undefined : Math.min(...due);
  }

  async #run(): Promise<void> {
    while (!this.#book.closing.aborted) {
      this.#sleep = new AbortController();
      const stop = AbortSignal.any([this.#sleep.signal, this.#book.closing]);
      const next = await this.tick().catch((error: unknown) => {
        this.#log.warn('triggers wait', { ...toWireError(error) });
        return undefined;
      });
      const tickMs = LIMITS.triggerTickMs;
      const untilMs = next === undefined ? tickMs : Math.max(0, next - this.#clock.now());
      await this.#clock.sleep(Math.min(tickMs, untilMs), stop);
    }
  }

  #sayWaits(name: string, error: unknown): undefined {
    const said = toWireError(error);
    if (this.#book.closing.aborted || this.#said.get(name) === said.message) return;
    this.#said.set(name, said.message);
    this.#log.warn('trigger waits', { trigger: name, ...said });
  }

  async #look(known: Known): Promise<number | undefined> {
    await this.#book.refresh(known);
    if (this.#clock.now() >= known.sweepAt) await this.#book.sweep(known, LIMITS.triggerOrphanMs);
    await this.#book.settle(known);
    return isLive(known) ? nextDue(placeOf(known), known.live.schedule) : undefined;
  }
}
