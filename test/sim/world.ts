// A world of virtual time for the simulation: events in order, one seed for every choice.
// In: a seed. Out: the same history each time. Why: a failure that was seen once can be looked at again.

export class World {
  #nowMs = 0;
  #count = 0;
  readonly #heap: { at: number; order: number; run: () => void }[] = [];
  #state: number;

  constructor(seed: number) {
    this.#state = (seed * 0x9e3779b9) >>> 0;
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** Uniform in [0, 1): mulberry32. */
  random(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }
  between(low: number, high: number): number {
    return Math.floor(low + this.random() * (high - low));
  }
  chance(probability: number): boolean {
    return this.random() < probability;
  }
  pick<T>(from: readonly T[]): T {
    return from[this.between(0, from.length)]!;
  }

  after(delayMs: number, run: () => void): void {
    const heap = this.#heap;
    heap.push({ at: this.#nowMs + delayMs, order: this.#count++, run });
    for (let at = heap.length - 1; at > 0; ) {
      const up = (at - 1) >> 1;
      if (!isBefore(heap[at]!, heap[up]!)) break;
      [heap[at], heap[up]] = [heap[up]!, heap[at]!];
      at = up;
    }
  }

  /** Runs events until `done` or until the time is up; tells whether it was done. */
  runUntil(done: () => boolean, endMs: number): boolean {
    while (!done()) {
      const next = this.#next();
      if (!next || next.at > endMs) return false;
      this.#nowMs = next.at;
      next.run();
    }
    return true;
  }

  #next(): { at: number; run: () => void } | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (!top || !last || heap.length === 0) return top;
    heap[0] = last;
    for (let at = 0; ; ) {
      const left = 2 * at + 1;
      let least = at;
      if (left < heap.length && isBefore(heap[left]!, heap[least]!)) least = left;
      if (left + 1 < heap.length && isBefore(heap[left + 1]!, heap[least]!)) least = left + 1;
      if (least === at) return top;
      [heap[at], heap[least]] = [heap[least]!, heap[at]!];
      at = least;
    }
  }
}

const isBefore = (a: { at: number; order: number }, b: { at: number; order: number }): boolean =>
  a.at < b.at || (a.at === b.at && a.order < b.order);

/** Depends on the order and on the nesting of what it mixes. */
export const mix = (a: number, b: number): number =>
  (Math.imul(Math.imul(a ^ 0x85ebca6b, 0x9e3779b1) ^ (a >>> 13), 0xc2b2ae35) ^
    Math.imul(b + 0x27d4eb2f, 0x165667b1)) >>>
  0;
