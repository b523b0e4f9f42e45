// The whole flow in one process and one file: read this first.
// In: a lake of synthetic trips, a job. Out: a served prediction; then new data, a second version, and what was reused.
// Flow: job → snapshot → plan → prepare → fit → train → evaluate → prove → publish → gate → alias → predictions
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock as clock } from '../common/clock.ts';
import { openDuck } from '../common/engine/duckdb.ts';
import { readNumerics } from '../common/engine/numerics.ts';
import type { WorkerId } from '../common/ids.ts';
import { silentLog as log } from '../common/log.ts';
import { createMemoryQueue } from '../common/queue/memory.ts';
import { memoryStore } from '../common/store/memory.ts';
import { jsonBytes } from '../common/store/store.ts';
import type { JobView } from '../common/wire/view.ts';
import { watchWorkers } from '../coordinator/dispatch/workers.ts';
import { JobService } from '../coordinator/job/service.ts';
import { readFooter } from '../coordinator/snapshot/footer.ts';
import { cachedFooters } from '../coordinator/snapshot/snapshot.ts';
import coordinatorThread from '../coordinator/thread.ts';
import { Files } from '../gateway/files.ts';
import { Gateway } from '../gateway/gateway.ts';
import { Metrics } from '../gateway/metrics.ts';
import gatewayThread from '../gateway/thread.ts';
import { makeExecute } from '../worker/execute.ts';
import { Fetcher } from '../worker/fetch.ts';
import { startWorker } from '../worker/supervisor.ts';
import workerThread from '../worker/thread.ts';
import { startTrainingHost } from '../worker/train/host.ts';
import { startResident } from '../worker/train/resident.ts';
import { inlineChild } from './support/inline-child.ts';
import { tempFolder } from './support/runner.ts';

/** A trip is late in the rush hour and from the harbour; `minutes` has nulls, and some rows are absurd. */
const tripsOf = (month: number): string => `
  SELECT TIMESTAMP '2030-0${month}-01' + to_minutes((i * 20)::BIGINT) AS departed,
    CASE WHEN i % 50 = 0 THEN NULL WHEN i % 97 = 0 THEN -1 ELSE 5 + i % 40 END::BIGINT AS minutes,
    ['harbour', 'centre', 'hill'][1 + i % 3] AS stop,
    ((i * 20 // 60) % 24 BETWEEN 7 AND 9 OR i % 3 = 0) AND i % 7 <> 0 AS late
  FROM range(2000) t(i)`;

const job = {
  specVersion: 1,
  name: 'trips',
  seed: 1,
  dataset: 'trips/*.parquet',
  clean: [{ require: ['stop'] }, { filter: 'minutes is null or minutes > 0' }],
  label: 'late',
  split: { by: 'time', column: 'departed', validation: '4d', test: '6d' },
  features: {
    minutes: "standardize(impute(minutes, 'median'))",
    hour: 'category(hour(departed))',
    stop: 'vocabulary(stop, 10)',
  },
  model: { kind: 'mlp', hidden: [8] },
  train: { optimizer: 'adam', learningRate: 0.02, batchRows: 64, epochs: 8, lanes: 4 },
  evaluate: { slices: ['stop'] },
  publish: { model: 'trips' },
};

test('one job from Parquet to a gated, served prediction; then new data', async () => {
  // ── a store, a lake, a queue: all in memory ──────────────────────────────────────────────────
  const [store, lake, queue] = [memoryStore(), memoryStore(), createMemoryQueue(clock)];
  const scratch = tempFolder();
  await addTrips(1);

  // ── the coordinator decides ──────────────────────────────────────────────────────────────────
  const child = inlineChild(coordinatorThread);
  const jobs = new JobService(
    {
      store,
      lake,
      queue,
      clock,
      log,
      child,
      workers: watchWorkers(queue, clock),
      scratch,
      readFooter: cachedFooters((object) => readFooter(lake, object, { child, scratch })),
    },
    { jobsAtOnce: 1 },
  );

  // ── one worker does: tasks, and its lanes of the training ────────────────────────────────────
  const worker = 'w-tiny' as WorkerId;
  const numerics = readNumerics();
  const engines = inlineChild(workerThread, { startResident });
  const working = startWorker({
    worker,
    numerics,
    threads: 2,
    memoryBytes: 4e9,
    queue,
    store,
    clock,
    log,
    execute: makeExecute(engines, new Fetcher({ store, lake, scratch }), clock),
    training: startTrainingHost({
      worker,
      numerics,
      queue,
      store,
      clock,
      log,
      scratch,
      child: engines,
    }),
  });

  // ── the gateway serves ───────────────────────────────────────────────────────────────────────
  const gateway = new Gateway({
    environment: 'dev',
    store,
    files: await Files.open(scratch, 'dev'),
    seats: 1,
    startChild: () => inlineChild(gatewayThread),
    clock,
    log,
    metrics: new Metrics(),
  });
  await gateway.start();

  // ── a job: rows accounted for, a model that beats the baseline, proved and let through the gate ──
  const first = await finish((await jobs.submit(jsonBytes(job), undefined)).job);
  expect(first).toMatchObject({ state: 'succeeded', decision: 'accepted', error: null });
  expect(first.rows).toEqual({
    rowsIn: 2000,
    rowsOut: 1980,
    dropped: {
      'require(stop)': 0,
      'filter(minutes is null or minutes > 0)': 20,
      'label is missing': 0,
      'split key is missing': 0,
    },
  });
  expect(first.evaluation!.metrics.auc).toBeGreaterThan(0.9);
  expect(first.evaluation!.metrics.logLoss).toBeLessThan(first.evaluation!.baseline.logLoss! / 2);
  expect(first.proof).toMatchObject({ rows: first.split!.test });
  expect(first.published).toEqual({ model: 'trips', version: 1, reused: false });

  // ── predictions from raw rows ────────────────────────────────────────────────────────────────
  const served = await predictAs(1);
  expect(served.predictions[0]!).toBeGreaterThan(0.5); // rush hour, from the harbour
  expect(served.predictions[1]!).toBeLessThan(0.5); // noon, from the hill

  // ── the same job again is free; a new object costs the data plane one prepare task ─────────────
  const again = await finish((await jobs.submit(jsonBytes(job), undefined)).job);
  expect(again).toMatchObject({ published: { version: 1, reused: true }, decision: 'none' });
  expect(again.stages.map(({ tasks }) => tasks.total - tasks.reused).slice(0, 2)).toEqual([0, 0]);
  await addTrips(2);
  const second = await finish((await jobs.submit(jsonBytes(job), undefined)).job);
  expect(second.stages[0]).toMatchObject({
    stage: 'prepare',
    tasks: { done: 2, total: 2, reused: 1 },
  });
  expect(second.published).toMatchObject({ version: 2 });
  expect(second.gate!.evidence).toMatchObject({
    champion: { version: 1 },
    challenger: { version: 2 },
  });
  await predictAs(second.decision === 'accepted' ? 2 : 1);

  await gateway.close();
  await working.stop(0);
  await jobs.close();

  async function addTrips(month: number): Promise<void> {
    await using duck = await openDuck({
      memoryBytes: 2 ** 28,
      tempDir: tempFolder(),
      files: [],
      writeDir: scratch,
    });
    const path = join(scratch, `${month}.parquet`);
    await duck.run(`COPY (${tripsOf(month)}) TO '${path}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`);
    await lake.create(`trips/${month}.parquet`, await readFile(path));
  }

  async function finish(id: Parameters<typeof jobs.view>[0]): Promise<JobView> {
    const signal = AbortSignal.timeout(60_000);
    for await (const event of jobs.events(id, { after: 0, signal })) void event;
    const view = await jobs.view(id);
    if (view.error) throw new Error(`${view.error.code}: ${view.error.message}`);
    return view;
  }

  async function predictAs(version: number) {
    const rows = [
      { departed: '2030-02-01T08:10:00Z', minutes: 30, stop: 'harbour' },
      { departed: '2030-02-01T12:10:00Z', minutes: null, stop: 'hill' },
    ];
    for (;;) {
      const answer = await gateway
        .predict({ model: 'trips', alias: 'champion' }, rows)
        .catch(() => undefined);
      if (answer?.version === version) return answer;
      await clock.sleep(50);
    }
  }
}, 120_000);
