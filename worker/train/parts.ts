// Parts on local disk while a run lives: of each the row groups in which lanes of this worker lie, verified.
// In: parts of a program, lanes. Out: sparse files of the parts' full size, filled as more lanes come.
// Why row groups: a part's rows lie in bucket order, so a worker with a tenth of the lanes reads a tenth of the bytes.
//
//   part   | group 0 | group 1 | … | group n | footer |      a digest each (PartRef.groups)
//   lanes            └── rows ──┘                            + the footer, once
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { mapParallel } from '../../common/parallel.ts';
import { fetchSegments, type Segment } from '../../common/store/segments.ts';
import type { Store } from '../../common/store/store.ts';
import { fetchVerified } from '../../common/store/verified.ts';
import type { PartRef } from '../../common/wire/task.ts';
import { type Run, rowsOfLanes } from './ranges.ts';

/** Downloads of one run at a time: enough to hide latency, few enough for a disk. */
const FETCH_PARALLEL = 4;

export type PartsSetup = {
  readonly store: Store;
  readonly parts: readonly PartRef[];
  /** Of the run, in all. */
  readonly lanes: number;
  readonly folder: string;
  readonly signal: AbortSignal;
};

export class Parts {
  readonly #setup: PartsSetup;
  /** Segments that are there, by part; the footer is the one behind the last group. */
  readonly #filled = new Map<string, Set<number>>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(setup: PartsSetup) {
    this.#setup = setup;
  }

  /** Where each part lies or will lie, by its key. */
  get files(): Record<string, string> {
    return Object.fromEntries(this.#setup.parts.map((part) => [part.key, this.#pathOf(part)]));
  }

  /** Fetches what is missing of these lanes' rows, one call after the other. Gives the bytes that travelled. */
  bring(lanes: readonly number[]): Promise<number> {
    const result = this.#turn.then(() => this.#bring(lanes));
    this.#turn = result.catch(() => {});
    return result;
  }

  async #bring(lanes: readonly number[]): Promise<number> {
    const { parts, folder, signal } = this.#setup;
    await mkdir(folder, { recursive: true });
    const bytes = await mapParallel(parts, FETCH_PARALLEL, async (part) => {
      const rows = rowsOfLanes(part, lanes, this.#setup.lanes);
      return rows.length === 0 || signal.aborted ? 0 : this.#bringPart(part, rows);
    });
    return bytes.reduce((sum, n) => sum + n, 0);
  }

  async #bringPart(part: PartRef, rows: readonly Run[]): Promise<number> {
    const filled = this.#filled.get(part.key) ?? new Set();
    const missing = segmentsOf(part, rows).filter(({ index }) => !filled.has(index));
    if (missing.length === 0) return 0;
    const { store } = this.#setup;
    const bytes = part.groups
      ? await fetchSegments(store, part, missing, this.#pathOf(part))
      : await this.#fetchWhole(part);
    this.#filled.set(part.key, new Set([...filled, ...missing.map(({ index }) => index)]));
    return bytes;
  }

  async #fetchWhole(part: PartRef): Promise<number> {
    await fetchVerified(this.#setup.store, part, this.#pathOf(part));
    return part.bytes;
  }

  #pathOf(part: PartRef): string {
    return join(this.#setup.folder, `${part.sha256}.parquet`);
  }
}

/** The row groups in which these rows lie, and the footer; the whole where the part tells no groups. */
export function segmentsOf(
  part: PartRef,
  rows: readonly Run[],
): readonly (Segment & { readonly index: number })[] {
  const { groups } = part;
  if (!groups) return [{ index: 0, offset: 0, bytes: part.bytes, digest: part.sha256 }];
  const wanted = new Set([groups.ends.length]);
  for (const { first, end } of rows) {
    for (let i = Math.floor(first / groups.rows); i * groups.rows < end; i++) wanted.add(i);
  }
  return [...wanted]
    .sort((a, b) => a - b)
    .map((index) => {
      const offset = groups.ends[index - 1] ?? 0;
      const end = groups.ends[index] ?? part.bytes;
      return { index, offset, bytes: end - offset, digest: groups.digests[index]! };
    });
}
