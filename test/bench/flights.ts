// The example job on three million real flights, as its user runs it: CPU seconds by stage, AUC by time.
// In: --rows N. Out: figures; ratios against the bare step graph on one thread, measured in the same run.
// Why CPU seconds: two virtual cores can give little more than one core's work, so wall time says little.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createClient, type JobView } from '../../cli/client.ts';
import type { JobInput } from '../../common/wire/job/job.ts';
import { getNatsServer } from '../../deploy/binaries.mjs';
import { home, root } from '../../deploy/bootstrap.mjs';
import { startCluster } from '../../deploy/cluster/cluster.ts';
import { runJob } from '../../deploy/quickstart/follow.ts';
import { landFiles, makeLake, SOURCE_ROWS } from '../../deploy/quickstart/lake.ts';
import type { Bench } from './bench.ts';
import { measureStep } from './step.ts';

/** Rows of a lane in one step of the example: what one call of the step graph takes. */
const LANE_ROWS = 128;

export const runBench: Bench = async ({ say, args }) => {
  const { values } = parseArgs({
    args: [...args],
    strict: false,
    options: { rows: { type: 'string' } },
  });
  const rows = Number(values.rows ?? SOURCE_ROWS);
  const bare = await measureStep(LANE_ROWS);
  const lake = await makeLake(join(home, 'lake', String(rows)), rows);
  const folder = await mkdtemp(join(tmpdir(), 'gristmill-bench-'));
  const cluster = await startCluster({ folder, natsServer: await getNatsServer() });
  try {
    const spec = JSON.parse(
      await readFile(join(root, 'deploy/examples/flight-delay.json'), 'utf8'),
    ) as JobInput;
    const client = createClient(cluster.coordinatorUrl);
    const run = (): Promise<JobView> => runJob(client, spec);
    await landFiles(cluster.lakeUri, lake.first, cluster.storeEnv);
    const may = await run();
    say(accountOf('test on May, trained to March', may));
    await landFiles(cluster.lakeUri, lake.later, cluster.storeEnv);
    const june = await run();
    say(accountOf('test on June, trained to April', june));
    const bareRowsPerSecond = (1000 * LANE_ROWS) / bare.graphMs;
    const train = june.stages.find(({ stage }) => stage === 'train')!;
    const rowsPerCpuSecond = train.rows / train.cpuSeconds;
    return {
      figures: {
        cpuSeconds: { may: cpuByStage(may), june: cpuByStage(june) },
        auc: { may: may.evaluation!.metrics.auc, june: june.evaluation!.metrics.auc },
        change: june.gate?.evidence?.comparison ?? null,
        trainRowsPerCpuSecond: Math.round(rowsPerCpuSecond),
        bareStepRowsPerSecond: Math.round(bareRowsPerSecond),
      },
      ratios: { trainAgainstBareStep: rowsPerCpuSecond / bareRowsPerSecond },
    };
  } finally {
    await cluster.stop();
    await rm(folder, { recursive: true, force: true });
  }
};

const cpuByStage = (view: JobView): Record<string, number> =>
  Object.fromEntries(view.stages.map(({ stage, cpuSeconds }) => [stage, +cpuSeconds.toFixed(2)]));

function accountOf(title: string, view: JobView): string {
  const stages = view.stages.map(
    ({ stage, seconds, cpuSeconds, tasks }) =>
      `  ${stage.padEnd(9)} ${cpuSeconds.toFixed(1).padStart(6)} CPU s  ${seconds.toFixed(1).padStart(6)} s  ${tasks.done} tasks, ${tasks.reused} reused`,
  );
  const { auc, logLoss } = view.evaluation!.metrics;
  return [`${title}: AUC ${auc?.toFixed(4)}, log loss ${logLoss?.toFixed(4)}`, ...stages].join(
    '\n',
  );
}
