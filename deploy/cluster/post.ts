// A place in a cluster that one process at a time fills: when it dies, the next one is started, ever more slowly.
// In: how to start it, perhaps one that runs already. Out: the process there now, and news of what happened to it.
// Why it never gives up: what keeps a role from running (a full disk, a taken port) is mended by somebody, some time.
//
//   running ── ended, kept ──► waiting (back-off) ──► running         stop() from either ──► stopped
//      └────── ended, not kept ──► over
import type { Clock } from '../../common/clock.ts';
import type { Running } from './process.ts';

export type News =
  | { readonly kind: 'ended'; readonly how: string; readonly delayMs: number }
  | { readonly kind: 'started'; readonly pid: number; readonly restarts: number };

export type PostOptions = {
  readonly clock: Clock;
  readonly start: () => Running;
  /** One that an earlier supervisor left running. */
  readonly adopted?: Running;
  /** Asked when it has ended: shall there be another? */
  readonly isKept: () => boolean;
  readonly onNews: (news: News) => void;
  /** It has ended and is not kept. */
  readonly onOver: (running: Running, how: string) => void;
};

const DELAY_MS_MIN = 500;
const DELAY_MS_MAX = 30_000;
/** Whoever has run so long is well: its next death counts as the first. */
const WELL_MS = 60_000;

/** Before a process is started again that has died `deaths` times in a row. */
export const restartDelayMs = (deaths: number): number =>
  Math.min(DELAY_MS_MAX, DELAY_MS_MIN * 2 ** Math.min(deaths - 1, 16));

export class Post {
  readonly #options: PostOptions;
  readonly #stop = new AbortController();
  #running: Running;
  #restarts = 0;
  #deaths = 0;

  constructor(options: PostOptions) {
    this.#options = options;
    this.#running = options.adopted ?? options.start();
    this.#watch(this.#running);
  }

  /** The process here now, or the one that was here last. */
  get running(): Running {
    return this.#running;
  }

  /** How often it was started again. */
  get restarts(): number {
    return this.#restarts;
  }

  async stop(graceMs?: number): Promise<void> {
    this.#stop.abort();
    await this.#running.stop(graceMs);
  }

  /** Lets the process go on without this one. */
  release(): void {
    this.#stop.abort();
    this.#running.release();
  }

  #watch(running: Running): void {
    const { clock } = this.#options;
    const beganMs = clock.monotonicMs();
    void running.ended.then((how) => this.#onEnded(running, how, clock.monotonicMs() - beganMs));
  }

  async #onEnded(running: Running, how: string, livedMs: number): Promise<void> {
    if (this.#stop.signal.aborted) return;
    if (!this.#options.isKept()) return this.#options.onOver(running, how);
    this.#deaths = livedMs >= WELL_MS ? 1 : this.#deaths + 1;
    const delayMs = restartDelayMs(this.#deaths);
    this.#options.onNews({ kind: 'ended', how, delayMs });
    await this.#options.clock.sleep(delayMs, this.#stop.signal);
    if (this.#stop.signal.aborted) return;
    this.#running = this.#options.start();
    this.#restarts += 1;
    this.#watch(this.#running);
    const { pid } = this.#running;
    this.#options.onNews({ kind: 'started', pid, restarts: this.#restarts });
  }
}
