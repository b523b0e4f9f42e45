// CPU seconds of calls that share a process.
// In: begin and end of each call. Out: its share: at every moment, the process's CPU time is split evenly among the
// calls that run. Why not per thread: DuckDB computes in libuv's threads, which belong to no call.

export class Meter {
  readonly #cpuSeconds: () => number;
  readonly #shares = new Map<number, number>();
  #last: number;

  constructor(cpuSeconds: () => number = processSeconds) {
    this.#cpuSeconds = cpuSeconds;
    this.#last = cpuSeconds();
  }

  begin(call: number): void {
    this.#split();
    this.#shares.set(call, 0);
  }

  end(call: number): number {
    this.#split();
    const seconds = this.#shares.get(call) ?? 0;
    this.#shares.delete(call);
    return seconds;
  }

  #split(): void {
    const now = this.#cpuSeconds();
    const each = (now - this.#last) / this.#shares.size;
    this.#last = now;
    for (const [call, seconds] of this.#shares) this.#shares.set(call, seconds + each);
  }
}

function processSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
