// The row groups of one object, in one block of memory; and a snapshot that is made of such.
// In: row groups as footers and the store have them. Out: their rows, bytes and chunks by number.
// Why one block: as objects and pairs, a million groups of twelve columns were a gigabyte that the collector walked
// through again and again, and that let it put off collecting until there was another.
import type { ByteRange } from '../../common/store/ranges.ts';
import type { RowGroup, SnapshotJson } from '../../common/wire/plan.ts';

export type SnapshotObject = Omit<SnapshotJson['objects'][number], 'rowGroups'> & {
  readonly rowGroups: RowGroups;
};

export type Snapshot = Omit<SnapshotJson, 'objects'> & {
  readonly objects: readonly SnapshotObject[];
};

/** Numbers of a group before its chunks: rows, bytes. */
const HEAD = 2;

export class RowGroups {
  readonly length: number;
  readonly columns: number;
  /** By group: rows, bytes, then offset and length of the chunk of each column. */
  readonly #numbers: Float64Array;

  /** All of as many chunks. */
  constructor(groups: readonly RowGroup[]) {
    this.length = groups.length;
    this.columns = groups[0]?.chunks.length ?? 0;
    this.#numbers = new Float64Array(this.length * this.#width);
    for (const [i, { rows, bytes, chunks }] of groups.entries()) {
      let at = i * this.#width;
      this.#numbers[at++] = rows;
      this.#numbers[at++] = bytes;
      for (const [offset, length] of chunks) {
        this.#numbers[at++] = offset;
        this.#numbers[at++] = length;
      }
    }
  }

  get #width(): number {
    return HEAD + 2 * this.columns;
  }

  rowsOf(group: number): number {
    return this.#numbers[group * this.#width]!;
  }

  /** Compressed, of the whole group. */
  bytesOf(group: number): number {
    return this.#numbers[group * this.#width + 1]!;
  }

  chunkOf(group: number, column: number): ByteRange {
    const at = group * this.#width + HEAD + 2 * column;
    return [this.#numbers[at]!, this.#numbers[at + 1]!];
  }

  *[Symbol.iterator](): Generator<RowGroup> {
    for (let group = 0; group < this.length; group++) {
      const chunks = Array.from({ length: this.columns }, (_, i) => this.chunkOf(group, i));
      yield { rows: this.rowsOf(group), bytes: this.bytesOf(group), chunks };
    }
  }
}
