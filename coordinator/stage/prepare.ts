// Runs the plan's prepare tasks and accounts for every row.
// In: a plan. Out: parts in key order, counts by rule, the range of split keys.
// Why the sums are checked here again: a job's rows in must be its plan's rows, whatever tasks say.
// Flow: job → snapshot → plan → [prepare] → fit → train → evaluate → prove → publish → gate → predictions
import { GristmillError } from '../../common/errors.ts';
import type { PrepareResult } from '../../common/stage/prepare.ts';
import type { Plan } from '../../common/wire/plan.ts';
import type { PartRef, Shard, Task } from '../../common/wire/task.ts';
import { found } from '../../common/wire/view.ts';
import type { JobContext } from './context.ts';
import { StageRun } from './run.ts';

export type PreparedPart = {
  readonly part: PartRef;
  readonly shard: Shard;
  readonly splitMin: number | null;
  readonly splitMax: number | null;
};

export type PreparedRows = {
  readonly parts: readonly PreparedPart[];
  readonly rowsIn: number;
  readonly rowsOut: number;
  readonly dropped: Readonly<Record<string, number>>;
  readonly splitMax: number | null;
};

export async function prepareRows(job: JobContext, plan: Plan): Promise<PreparedRows> {
  const stage = new StageRun(job, 'prepare');
  const prepared = await runPrepare(stage, plan.prepare);
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
export async function runPrepare(stage: StageRun, tasks: readonly Task[]): Promise<PreparedRows> {
  const descriptors = await stage.run<PrepareResult>(tasks, (result) => result.rowsIn);
  const results = descriptors.map(({ result }) => result);
  const rowsIn = sum(results.map((result) => result.rowsIn));
  const planned = sum(
    tasks.map(({ input }) =>
      input.kind === 'shard' ? input.shard.rowEnd - input.shard.rowStart : 0,
    ),
  );
  const dropped: Record<string, number> = {};
  for (const result of results) {
    for (const [rule, n] of Object.entries(result.dropped))
      dropped[rule] = (dropped[rule] ?? 0) + n;
  }
  const rowsOut = sum(results.map((result) => result.rowsOut));
  if (rowsIn !== planned || rowsIn !== rowsOut + sum(Object.values(dropped))) {
    throw new GristmillError(
      'INTERNAL',
      `Cannot account for rows: ${planned} planned, ${rowsIn} in, ${rowsOut} out, ${sum(Object.values(dropped))} dropped`,
    );
  }
  const keys = results.flatMap(({ splitMax }) => splitMax ?? []);
  return {
    parts: partsOf(tasks, results),
    rowsIn,
    rowsOut,
    dropped,
    splitMax: keys.length > 0 ? keys.reduce((a, b) => Math.max(a, b)) : null,
  };
}

function partsOf(tasks: readonly Task[], results: readonly PrepareResult[]): PreparedPart[] {
  return results.flatMap(({ part, splitMin, splitMax }, i) => {
    const input = tasks[i]!.input;
    return part && input.kind === 'shard' ? [{ part, shard: input.shard, splitMin, splitMax }] : [];
  });
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, n) => total + n, 0);
