// Long work in short pieces, so that whoever waits for the loop is served between them.
// In: a clock. Out: after each item, nothing, or a turn of the loop to wait for where a piece has lasted.
// Why by time and not by number: an item takes a microsecond or a millisecond, as its columns are few or many.
import type { Clock } from './clock.ts';
import { LIMITS } from './limits.ts';

export class Pace {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #beganMs: number;

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
    this.#beganMs = clock.monotonicMs();
  }

  /** Undefined while the piece is short, so that an item costs no turn: `const rest = pace.rest(); if (rest) await rest`. */
  rest(): Promise<void> | undefined {
    if (this.#clock.monotonicMs() - this.#beganMs < LIMITS.pieceMs) return undefined;
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#beganMs = this.#clock.monotonicMs();
        resolve();
      });
    });
  }
}
