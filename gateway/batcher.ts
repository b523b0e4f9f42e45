// Requests that arrive while the children compute share the next call.
// In: rows of single requests. Out: calls of up to callRowsMax rows, and each request's own predictions.
// Why no waiting: an idle seat takes what is there at once; only a busy one lets requests gather, so the
// batch grows with the load and costs nothing without it.
//
//   requests ─┬─ version a: [3 rows][1 row][12 rows] ──┐  one call: 16 rows     seat 0  ■ □
//             └─ version b: [40 rows] ─────────────────┴─ turn and turn about ─ seat 1  ■ □   (■ computing, □ on its way)
import type { Clock } from '../common/clock.ts';
import { GristmillError } from '../common/errors.ts';
import { OBJECTIVES } from '../common/objective/objectives.ts';
import type { ColumnBatch } from '../common/predict/rows.ts';
import { joinBatches } from './columns.ts';
import type { ModelFile } from './files.ts';

export type BatcherOptions = {
  /** Whether a seat takes a call now; whoever frees one calls `pump`. */
  readonly isFree: () => boolean;
  readonly send: (file: ModelFile, batch: ColumnBatch) => Promise<Float32Array>;
  readonly callRowsMax: number;
  readonly waitingRowsMax: number;
  /** How long a request may wait for a seat. */
  readonly waitMsMax: number;
  readonly clock: Clock;
  /** When to look at what has gathered: at the end of this turn of the event loop, outside tests. */
  readonly defer?: (run: () => void) => void;
};

type Waiting = {
  readonly batch: ColumnBatch;
  readonly sinceMs: number;
  readonly resolve: (predictions: Float32Array) => void;
  readonly reject: (error: unknown) => void;
};
type Line = { readonly file: ModelFile; readonly waiting: Waiting[] };

export class Batcher {
  readonly #options: BatcherOptions;
  readonly #defer: (run: () => void) => void;
  readonly #lines = new Map<string, Line>(); // by sha256; the first in order is served next
  #waitingRows = 0;
  #isDeferred = false;
  #isSweeping = false;

  constructor(options: BatcherOptions) {
    this.#options = options;
    this.#defer = options.defer ?? ((run) => void setImmediate(run));
  }

  get waitingRows(): number {
    return this.#waitingRows;
  }

  /** One prediction a row, in order, as wide as the objective says. Throws OVERLOADED, DEADLINE, or what ended the call. */
  predict(file: ModelFile, batch: ColumnBatch): Promise<Float32Array> {
    const { waitingRowsMax, clock } = this.#options;
    if (this.#waitingRows + batch.rows > waitingRowsMax) {
      throw new GristmillError(
        'OVERLOADED',
        `Cannot take ${batch.rows} more rows: ${this.#waitingRows} wait already, expected at most ${waitingRowsMax}`,
      );
    }
    return new Promise((resolve, reject) => {
      const line = this.#lines.get(file.sha256) ?? { file, waiting: [] };
      line.waiting.push({ batch, sinceMs: clock.monotonicMs(), resolve, reject });
      this.#lines.set(file.sha256, line);
      this.#waitingRows += batch.rows;
      if (this.#isDeferred) return;
      this.#isDeferred = true;
      this.#defer(() => {
        this.#isDeferred = false;
        this.pump();
      });
    });
  }

  /** Sends as many calls as there are free seats. */
  pump(): void {
    for (const [key, line] of this.#lines) {
      if (!this.#options.isFree()) break;
      const count = countTogether(line.waiting, this.#options.callRowsMax);
      const taken = line.waiting.splice(0, count);
      for (const one of taken) this.#waitingRows -= one.batch.rows;
      this.#lines.delete(key);
      if (line.waiting.length > 0) this.#lines.set(key, line); // behind the others
      const batch = joinBatches(taken.map((one) => one.batch));
      void settle(this.#options.send(line.file, batch), taken, widthOf(line.file));
    }
    if (this.#waitingRows > 0) void this.#sweep();
  }

  /** Ends requests that have waited too long: no seat came back in time. */
  async #sweep(): Promise<void> {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    const { waitMsMax, clock } = this.#options;
    while (this.#waitingRows > 0) {
      await clock.sleep(waitMsMax / 8);
      const oldestMs = clock.monotonicMs() - waitMsMax;
      for (const { waiting } of this.#lines.values()) {
        while (waiting[0] && waiting[0].sinceMs <= oldestMs) {
          const late = waiting.shift()!;
          this.#waitingRows -= late.batch.rows;
          late.reject(
            new GristmillError(
              'DEADLINE',
              `Cannot predict ${late.batch.rows} rows: no process was free within ${waitMsMax} ms`,
            ),
          );
        }
      }
      for (const [key, line] of this.#lines) if (line.waiting.length === 0) this.#lines.delete(key);
    }
    this.#isSweeping = false;
  }
}

/** How many requests from the front go into one call: at least one, whatever its size. */
export function countTogether(
  waiting: readonly { readonly batch: { readonly rows: number } }[],
  rowsMax: number,
): number {
  let rows = waiting[0]?.batch.rows ?? 0;
  let count = Math.min(1, waiting.length);
  while (count < waiting.length && rows + waiting[count]!.batch.rows <= rowsMax) {
    rows += waiting[count]!.batch.rows;
    count += 1;
  }
  return count;
}

const widthOf = ({ signature }: ModelFile): number => OBJECTIVES[signature.label].width;

async function settle(
  call: Promise<Float32Array>,
  requests: readonly Waiting[],
  width: number,
): Promise<void> {
  try {
    const predictions = await call;
    let start = 0;
    for (const { batch, resolve } of requests) {
      const end = start + batch.rows * width;
      resolve(predictions.subarray(start, end));
      start = end;
    }
  } catch (error) {
    for (const { reject } of requests) reject(error);
  }
}
