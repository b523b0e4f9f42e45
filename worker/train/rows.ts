// Loads the rows of lanes from parts into typed arrays: model inputs and labels, for training and validation.
// In: local parts, SQL with the fitted values. Out: rows by lane, in (part, row) order, whoever loads them.
// Why by row number: a part's rows lie in bucket order, so a lane is one run of rows of each part.
import type { Duck } from '../../common/engine/duckdb.ts';
import { type ColumnData, type ColumnKind, openDuck } from '../../common/engine/duckdb.ts';
import { GristmillError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import { quoteText } from '../../common/sql.ts';
import type { SplitRange } from '../../common/stage/terms.ts';
import type { TrainProgram } from '../../common/stage/train.ts';
import type { PartRef } from '../../common/wire/task.ts';
import { type Run, rowOfLane, runsOf } from './ranges.ts';

export type LaneRows = { readonly train: Rows; readonly validation: Rows };

/** Rows one after the other, growing by doubling. */
export class Rows {
  readonly codeCount: number;
  readonly numberCount: number;
  count = 0;
  /** [row][feature] */
  codes: Int32Array;
  numbers: Float32Array;
  labels: Float32Array;

  constructor(codeCount: number, numberCount: number, capacity: number) {
    this.codeCount = codeCount;
    this.numberCount = numberCount;
    this.codes = new Int32Array(capacity * codeCount);
    this.numbers = new Float32Array(capacity * numberCount);
    this.labels = new Float32Array(capacity);
  }

  /** Appends row `row` of a chunk whose columns are codes, then numbers, then the label. */
  append(columns: readonly ColumnData[], row: number): void {
    if (this.count === this.labels.length) this.#grow();
    const { codeCount, numberCount, count } = this;
    for (let c = 0; c < codeCount; c++) {
      this.codes[count * codeCount + c] = columns[c]![row] as number;
    }
    for (let d = 0; d < numberCount; d++) {
      this.numbers[count * numberCount + d] = columns[codeCount + d]![row] as number;
    }
    this.labels[count] = columns[codeCount + numberCount]![row] as number;
    this.count++;
  }

  #grow(): void {
    const capacity = Math.max(1024, 2 * this.labels.length);
    this.codes = grown(this.codes, new Int32Array(capacity * this.codeCount));
    this.numbers = grown(this.numbers, new Float32Array(capacity * this.numberCount));
    this.labels = grown(this.labels, new Float32Array(capacity));
  }
}

function grown<T extends Int32Array | Float32Array>(from: T, to: T): T {
  to.set(from);
  return to;
}

export async function loadLanes(
  program: TrainProgram,
  lanes: readonly number[],
  from: { readonly files: Readonly<Record<string, string>>; readonly scratch: string },
): Promise<Map<number, LaneRows>> {
  const loaded = new Map(lanes.map((lane) => [lane, emptyRows(program, lane)]));
  await using duck = await openDuck({
    memoryBytes: LIMITS.taskMemoryBytes,
    tempDir: from.scratch,
    files: Object.values(from.files),
  });
  for (const part of program.parts) {
    for (const run of runsOf(lanes)) {
      await loadRun(duck, { program, part, path: from.files[part.key]!, run, loaded });
    }
  }
  for (const [lane, { train }] of loaded) checkCount(program, lane, train.count);
  return loaded;
}

function emptyRows({ load, laneRows }: TrainProgram, lane: number): LaneRows {
  const [codes, numbers] = [load.codes.length, load.numbers.length];
  return {
    train: new Rows(codes, numbers, laneRows[lane]!),
    validation: new Rows(codes, numbers, 0),
  };
}

type RunLoad = {
  readonly program: TrainProgram;
  readonly part: PartRef;
  readonly path: string;
  readonly run: Run;
  readonly loaded: ReadonlyMap<number, LaneRows>;
};

async function loadRun(duck: Duck, { program, part, path, run, loaded }: RunLoad): Promise<void> {
  const ends = laneEnds(program, part, run);
  const [rowStart, rowEnd] = [startOf(program, part, run.first), ends.at(-1)!];
  if (rowStart === rowEnd) return;
  const sql = loadSql(program, path, rowStart, rowEnd);
  const { codes, numbers } = program.load;
  const kinds: ColumnKind[] = [
    ...codes.map((): ColumnKind => 'int32'),
    ...numbers.map((): ColumnKind => 'float32'),
    'float64',
    'int32',
    'int32',
  ];
  const [splitColumn, rowColumn] = [kinds.length - 2, kinds.length - 1];
  let at = 0;
  let rows = loaded.get(run.first)!;
  await duck.scan(sql, kinds, (count, columns) => {
    for (let row = 0; row < count; row++) {
      const number = columns[rowColumn]![row] as number;
      while (number >= ends[at]!) rows = loaded.get(run.first + ++at)!;
      (columns[splitColumn]![row] === TRAIN ? rows.train : rows.validation).append(columns, row);
    }
  });
}

const TRAIN = 0;

const startOf = ({ lanes }: TrainProgram, part: PartRef, lane: number): number =>
  rowOfLane(part, lane, lanes);
const laneEnds = (program: TrainProgram, part: PartRef, { first, end }: Run): number[] =>
  Array.from({ length: end - first }, (_, i) => startOf(program, part, first + i + 1));

function loadSql(program: TrainProgram, path: string, rowStart: number, rowEnd: number): string {
  const { load, split } = program;
  const train = rangeSql(split.train);
  return `SELECT ${[
    ...load.codes.map(({ sql }) => `(${sql})::INTEGER`),
    ...load.numbers.map(({ sql }) => `(${sql})::FLOAT`),
    '__label',
    `CASE WHEN ${train} THEN ${TRAIN} ELSE 1 END`,
    'file_row_number::INTEGER',
  ].join(', ')}
    FROM read_parquet(${quoteText(path)}, file_row_number = true)
    WHERE file_row_number >= ${rowStart} AND file_row_number < ${rowEnd}
      AND (${train} OR ${rangeSql(split.validation)})`;
}

/** (after, upTo] of the split key. */
function rangeSql({ after, upTo }: SplitRange): string {
  const edges = [
    ...(after === null ? [] : [`__split > ${BigInt(after)}`]),
    ...(upTo === null ? [] : [`__split <= ${BigInt(upTo)}`]),
  ];
  return `(${edges.length > 0 ? edges.join(' AND ') : 'true'})`;
}

function checkCount({ laneRows }: TrainProgram, lane: number, found: number): void {
  if (found === laneRows[lane]) return;
  throw new GristmillError(
    'INTERNAL',
    `Cannot train lane ${lane}: loaded ${found} rows, expected ${laneRows[lane]}`,
  );
}
