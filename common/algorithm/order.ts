// The order in which a lane's rows are trained on in an epoch.
// In: seed, epoch, lane, number of rows. Out: row numbers of the lane, each once.
// Why in two levels: lanes that do not fit in memory stream blocks from disk and shuffle what a window holds;
// a resident lane takes the very same order, so both give the same bits.
//
//   1. cut the rows into blocks of 65,536 (the last one may be shorter) and permute the blocks
//   2. take 16 blocks at a time, a window, and shuffle all rows in it
//
// Both are Fisher–Yates from the last place down, with numbers of one Philox stream keyed by
// (seed, 'order', epoch, lane): first those for the blocks, then window by window.
import { Philox } from '../random.ts';

export const BLOCK_ROWS = 65_536;
export const WINDOW_BLOCKS = 16;

export type EpochKey = {
  readonly seed: number;
  readonly epoch: number;
  readonly lane: number;
  /** Training rows of the lane. */
  readonly rows: number;
};

export function epochOrder({ seed, epoch, lane, rows }: EpochKey): Uint32Array {
  const random = new Philox(seed, 'order', epoch, lane);
  const blocks = shuffle(countFrom(0, Math.ceil(rows / BLOCK_ROWS)), random);
  const order = new Uint32Array(rows);
  let next = 0;
  for (let first = 0; first < blocks.length; first += WINDOW_BLOCKS) {
    const windowStart = next;
    for (const block of blocks.subarray(first, first + WINDOW_BLOCKS)) {
      const rowEnd = Math.min((block + 1) * BLOCK_ROWS, rows);
      for (let row = block * BLOCK_ROWS; row < rowEnd; row++) order[next++] = row;
    }
    shuffle(order.subarray(windowStart, next), random);
  }
  return order;
}

/** Fisher–Yates in place. */
function shuffle(values: Uint32Array, random: Philox): Uint32Array {
  for (let i = values.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    const value = values[i]!;
    values[i] = values[j]!;
    values[j] = value;
  }
  return values;
}

const countFrom = (first: number, count: number): Uint32Array =>
  Uint32Array.from({ length: count }, (_, i) => first + i);
