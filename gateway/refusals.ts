// Versions that were asked for and are not to be had: remembered for a moment, so that asking again costs nothing.
// In: a name, a lookup or a load. Out: its result, or the error of the last time.
// Why bounded twice: names are the client's to make up, and each new one costs a question to the store.
import type { Clock } from '../common/clock.ts';
import { GristmillError, toWireError } from '../common/errors.ts';

export type RefusalsOptions = {
  readonly clock: Clock;
  /** So long an error is remembered. */
  readonly keepMs: number;
  readonly keptMax: number;
  /** Lookups in flight. */
  readonly lookupsMax: number;
};

export class Refusals {
  readonly #options: RefusalsOptions;
  readonly #kept = new Map<string, { readonly error: unknown; readonly untilMs: number }>(); // oldest first
  #lookups = 0;

  constructor(options: RefusalsOptions) {
    this.#options = options;
  }

  /** Throws what was remembered of this name. */
  check(name: string): void {
    const kept = this.#kept.get(name);
    if (kept && kept.untilMs > this.#options.clock.monotonicMs()) throw kept.error;
  }

  /** A question to the store, at most so many at once. */
  async lookUp<T>(name: string, ask: () => Promise<T>): Promise<T> {
    const { lookupsMax } = this.#options;
    if (this.#lookups >= lookupsMax) {
      throw new GristmillError(
        'OVERLOADED',
        `Cannot look for ${name}: ${this.#lookups} others are looked for, expected at most ${lookupsMax}`,
      );
    }
    this.#lookups += 1;
    try {
      return await ask();
    } finally {
      this.#lookups -= 1;
    }
  }

  /** Remembers an error; one that says only that too many ask is of the moment. */
  keep(name: string, error: unknown): void {
    if (toWireError(error).code === 'OVERLOADED') return;
    const { clock, keepMs, keptMax } = this.#options;
    this.#kept.delete(name);
    this.#kept.set(name, { error, untilMs: clock.monotonicMs() + keepMs });
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size <= keptMax) return;
      this.#kept.delete(oldest);
    }
  }
}
