// Where messages from outside come in: what does not conform is counted, told now and then, and dropped.
// In: bytes and a decoder. Out: the message, or undefined. Why here: anybody may publish, and what throws in a
// subscription ends the connection of everybody. What the decoder throws besides a refusal is a bug, and goes on.
import type { Clock } from '../clock.ts';
import { LIMITS } from '../limits.ts';
import type { Log } from '../log.ts';
import { MessageRefused } from '../wire/inbound.ts';

export class Door {
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #refused = new Map<string, number>();
  /** By name: when a refusal was last told, and the count then. */
  readonly #told = new Map<string, { readonly atMs: number; readonly count: number }>();

  constructor(log: Log, clock: Clock) {
    this.#log = log;
    this.#clock = clock;
  }

  get refused(): ReadonlyMap<string, number> {
    return this.#refused;
  }

  /** `name` is one of ours, never of the message: the counts stay few. */
  admit<T>(name: string, bytes: Uint8Array, decode: (bytes: Uint8Array) => T): T | undefined {
    try {
      return decode(bytes);
    } catch (error) {
      if (!(error instanceof MessageRefused)) throw error;
      this.#refuse(name, error);
      return undefined;
    }
  }

  #refuse(name: string, error: MessageRefused): void {
    const count = (this.#refused.get(name) ?? 0) + 1;
    this.#refused.set(name, count);
    const told = this.#told.get(name);
    const nowMs = this.#clock.monotonicMs();
    if (told && nowMs - told.atMs < LIMITS.refusedToldMs) return;
    this.#told.set(name, { atMs: nowMs, count });
    const more = count - (told?.count ?? 0);
    this.#log.warn('message refused', { kind: name, why: error.message, refused: more });
  }
}
