// Runs the plan's prepare tasks and accounts for every row.
// In: what they are made of. Out: counts by rule, the newest split key; for a training its parts in key order, too.
// Why the sums are checked here again: a job's rows in must be its plan's rows, whatever tasks say.
// Flow: job → snapshot → plan → [prepare] → fit → train → evaluate → prove → publish → gate → predictions
import { GristmillError } from '../../common/errors.ts';
import type { PrepareResult } from '../../common/stage/prepare.ts';
import type { PartRef } from '../../common/wire/task.ts';
import { found } from '../../common/wire/view.ts';
import { type PrepareSource, prepareTasks } from '../plan/prepare.ts';
import type { JobContext } from './context.ts';
import { StageRun } from './run.ts';

export type PreparedPart = {
  readonly part: PartRef;
  readonly splitMin: number | null;
  readonly splitMax: number | null;
};

export type RowCounts = {
  readonly rowsIn: number;
  readonly rowsOut: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly splitMax: number | null;
};

export type PreparedRows = RowCounts & { readonly parts: readonly PreparedPart[] };

export async function prepareRows(job: JobContext, source: PrepareSource): Promise<PreparedRows> {
  return accounted(job, (stage) => prepareParts(stage, source));
}

/** For a job that reads no parts: nothing is held of each. */
export function countRows(job: JobContext, source: PrepareSource): Promise<RowCounts> {
  return accounted(job, (stage) => runPrepare(stage, source, () => {}));
}

async function accounted<C extends RowCounts>(
  job: JobContext,
  run: (stage: StageRun) => Promise<C>,
): Promise<C> {
  const stage = new StageRun(job, 'prepare');
  const prepared = await run(stage);
  await stage.finish();
  const { rowsIn, rowsOut, dropped } = prepared;
  await job.record(found('prepare', { rows: { rowsIn, rowsOut, dropped } }));
  if (rowsOut === 0) {
    const counts = Object.entries(dropped)
      .map(([rule, n]) => `${rule} ${n}`)
      .join(', ');
    throw new GristmillError(
      'ROWS_NONE',
      `Cannot go on with 0 rows of ${rowsIn}: ${counts || 'the dataset is empty'}, expected at least 1 row left`,
    );
  }
  return prepared;
}

/** Also used by the gate, whose test set is prepared like any other rows. */
export async function prepareParts(stage: Runs, source: PrepareSource): Promise<PreparedRows> {
  const parts = new Array<PreparedPart | undefined>(source.pins.taskCount);
  const counts = await runPrepare(stage, source, ({ part, splitMin, splitMax }, index) => {
    if (part) parts[index] = { part, splitMin, splitMax };
  });
  return { ...counts, parts: parts.filter((part) => part !== undefined) };
}

/** What this needs of a stage. */
type Runs = Pick<StageRun, 'run'>;

async function runPrepare(
  stage: Runs,
  source: PrepareSource,
  onResult: (result: PrepareResult, index: number) => void,
): Promise<RowCounts> {
  const { taskCount: count, rowCount: planned } = source.pins;
  const dropped: Record<string, number> = {};
  let [rowsIn, rowsOut] = [0, 0];
  let splitMax: number | null = null;
  await stage.run<PrepareResult>(
    { tasks: prepareTasks(source), count, isNew: source.isNew, rowsOf: (result) => result.rowsIn },
    ({ result }, index) => {
      rowsIn += result.rowsIn;
      rowsOut += result.rowsOut;
      for (const [rule, n] of Object.entries(result.dropped))
        dropped[rule] = (dropped[rule] ?? 0) + n;
      splitMax = largest(splitMax, result.splitMax);
      onResult(result, index);
    },
  );
  const rowsDropped = Object.values(dropped).reduce((sum, n) => sum + n, 0);
  if (rowsIn === planned && rowsIn === rowsOut + rowsDropped)
    return { rowsIn, rowsOut, dropped, splitMax };
  throw new GristmillError(
    'INTERNAL',
    `Cannot account for rows: ${planned} planned, ${rowsIn} in, ${rowsOut} out, ${rowsDropped} dropped`,
  );
}

const largest = (a: number | null, b: number | null): number | null =>
  a === null ? b : b === null ? a : Math.max(a, b);
