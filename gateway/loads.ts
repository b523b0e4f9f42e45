// A line of versions to load: one at a time, with a trial child that lives as long as somebody waits.
// In: work that tries a version. Out: its result, in turn; OVERLOADED where too many wait.
// Why the gateway has two: what clients ask for on demand must never stand before a move of an alias, a rollback say.
import type { Child } from '../common/child/host.ts';
import { GristmillError } from '../common/errors.ts';

export type LoadsOptions = {
  /** Makes a child that runs thread.ts in one thread: versions are tried in it. */
  readonly startChild: () => Child;
  /** Of those that wait and run together. */
  readonly waitingMax: number;
};

export class Loads {
  readonly #options: LoadsOptions;
  #line: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #trial: Child | undefined;

  constructor(options: LoadsOptions) {
    this.#options = options;
  }

  /** `what` is named where it is refused: "m version 3". */
  run<T>(what: string, work: (trial: () => Child) => Promise<T>): Promise<T> {
    const { waitingMax } = this.#options;
    if (this.#waiting >= waitingMax) {
      throw new GristmillError(
        'OVERLOADED',
        `Cannot load ${what}: ${this.#waiting} others wait, expected at most ${waitingMax}`,
      );
    }
    this.#waiting += 1;
    const done = this.#line.then(() => work(() => this.#child()));
    this.#line = done.then(
      () => this.#end(),
      () => this.#end(),
    );
    return done;
  }

  async close(): Promise<void> {
    await this.#trial?.close();
  }

  #child(): Child {
    this.#trial ??= this.#options.startChild();
    return this.#trial;
  }

  async #end(): Promise<void> {
    this.#waiting -= 1;
    if (this.#waiting > 0) return;
    const trial = this.#trial;
    this.#trial = undefined;
    await trial?.close();
  }
}
