// Places where models run: each an expendable child with one thread. More seats, more cores used.
// In: models to hold, calls. Out: predictions; a child that dies is replaced at once and loads the same files.
// Why one thread a child: a hanging or crashing model takes one seat with it, never all of them, and every
// seat can be told what to load and what to let go.
//
//   loading ──(every held model opened)──▶ ready ──(child lost)──▶ loading
//   A ready seat that loads one more model stands back while another seat is ready.
import type { Child } from '../common/child/host.ts';
import type { Clock } from '../common/clock.ts';
import type { GristmillError } from '../common/errors.ts';
import { LIMITS } from '../common/limits.ts';
import type { Log } from '../common/log.ts';
import type { ColumnBatch } from '../common/predict/rows.ts';
import type { ModelFile } from './files.ts';
import type { PredictArgs } from './thread.ts';

export type SeatsOptions = {
  readonly count: number;
  /** Makes a child that runs thread.ts in one thread. */
  readonly startChild: () => Child;
  /** Makes the file of a model sound again, where scratch lost it. */
  readonly repair: (file: ModelFile) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
  /** A seat became free: there may be calls waiting. */
  readonly onFree: () => void;
};

type Seat = {
  readonly child: Child;
  isReady: boolean;
  isLoading: boolean;
  calls: number;
  /** Grows with every child, so that the end of an old one's loading is not taken for the new one's. */
  generation: number;
  losses: number;
};

export class Seats {
  readonly #options: SeatsOptions;
  readonly #seats: Seat[];
  readonly #held = new Map<string, ModelFile>(); // by sha256
  #restarts = 0;
  #isClosed = false;

  constructor(options: SeatsOptions) {
    this.#options = options;
    this.#seats = Array.from({ length: options.count }, () => this.#openSeat());
  }

  /** Children lost and replaced since the start. */
  get restarts(): number {
    return this.#restarts;
  }

  get pids(): readonly number[] {
    return this.#seats.flatMap(({ child }) => child.pid ?? []);
  }

  isFree(): boolean {
    return this.#choose() !== undefined;
  }

  /** Opens a model in every seat, one after the other, so that the rest serve on. */
  async hold(file: ModelFile): Promise<void> {
    if (this.#held.has(file.sha256)) return;
    this.#held.set(file.sha256, file); // also for a seat whose child dies meanwhile
    for (const seat of this.#seats) {
      if (!seat.isReady) continue; // it loads all that is held anyway
      seat.isLoading = true;
      try {
        await this.#load(seat, file);
      } catch (error) {
        this.#options.log.warn('seat did not load', { sha256: file.sha256, error });
      } finally {
        seat.isLoading = false;
        this.#options.onFree();
      }
    }
  }

  drop(sha256: string): void {
    if (!this.#held.delete(sha256)) return;
    for (const { child, isReady } of this.#seats) {
      const options = { deadlineMs: LIMITS.loadDeadlineMs };
      if (isReady) child.call('drop', sha256, options).catch(() => {});
    }
  }

  /** Runs one call; only where `isFree`. */
  async predict(file: ModelFile, batch: ColumnBatch): Promise<Float32Array> {
    const seat = this.#choose()!;
    seat.calls += 1;
    const { generation } = seat;
    try {
      const args: PredictArgs = { file, batch };
      const answer = await seat.child.call<Float32Array>('predict', args, {
        deadlineMs: LIMITS.inferDeadlineMs,
      });
      seat.losses = 0;
      return answer;
    } finally {
      if (seat.generation === generation) seat.calls -= 1;
      this.#options.onFree();
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all(this.#seats.map(({ child }) => child.close()));
  }

  /** The ready seat with the fewest calls; one that loads only where there is no other. */
  #choose(): Seat | undefined {
    let best: Seat | undefined;
    for (const seat of this.#seats) {
      if (!seat.isReady || seat.calls >= LIMITS.callsPerSeat) continue;
      const isBetter = !best || Number(seat.isLoading) - Number(best.isLoading) < 0;
      if (isBetter || (seat.isLoading === best!.isLoading && seat.calls < best!.calls)) best = seat;
    }
    return best;
  }

  #openSeat(): Seat {
    const child = this.#options.startChild();
    const seat: Seat = {
      child,
      isReady: false,
      isLoading: false,
      calls: 0,
      generation: 0,
      losses: 0,
    };
    child.onLost((error) => {
      if (this.#isClosed) return;
      this.#restarts += 1;
      seat.losses += 1;
      this.#options.log.warn('inference child lost, starting another', { code: error.code });
      void this.#ready(seat);
    });
    void this.#ready(seat);
    return seat;
  }

  /** Loads all that is held, what came meanwhile too; a child that dies of it is started again, ever more slowly. */
  async #ready(seat: Seat): Promise<void> {
    const generation = ++seat.generation;
    const isMine = (): boolean => seat.generation === generation && !this.#isClosed;
    seat.isReady = false;
    seat.calls = 0;
    if (seat.losses > 1) {
      await this.#options.clock.sleep(Math.min(5_000, 50 * 2 ** seat.losses));
    }
    const loaded = new Set<string>();
    for (;;) {
      if (!isMine()) return;
      const next = [...this.#held.values()].find(({ sha256 }) => !loaded.has(sha256));
      if (!next) break;
      loaded.add(next.sha256);
      try {
        await this.#load(seat, next);
      } catch (error) {
        if (!isMine()) return;
        this.#options.log.warn('seat did not load', { sha256: next.sha256, error });
      }
    }
    seat.isReady = true;
    this.#options.onFree();
  }

  async #load({ child }: Seat, file: ModelFile): Promise<void> {
    const options = { deadlineMs: LIMITS.loadDeadlineMs };
    try {
      await child.call('load', file, options);
    } catch (error) {
      if ((error as GristmillError).code !== 'CHECKSUM_MISMATCH') throw error;
      await this.#options.repair(file);
      await child.call('load', file, options);
    }
  }
}
