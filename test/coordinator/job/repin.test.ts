// A job planned under numerics that nobody has any more: it says so, and goes on under others when it is told to.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock as clock } from '../../../common/clock.ts';
import { openDuck } from '../../../common/engine/duckdb.ts';
import type { WorkerId } from '../../../common/ids.ts';
import { silentLog as log } from '../../../common/log.ts';
import { CHANNELS } from '../../../common/queue/channels.ts';
import { createMemoryQueue } from '../../../common/queue/memory.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import { jsonBytes } from '../../../common/store/store.ts';
import { readStored } from '../../../common/stored/stored.ts';
import type { JobView } from '../../../common/wire/view.ts';
import { watchWorkers } from '../../../coordinator/dispatch/workers.ts';
import { JobService } from '../../../coordinator/job/service.ts';
import { readFooter } from '../../../coordinator/snapshot/footer.ts';
import { cachedFooters } from '../../../coordinator/snapshot/snapshot.ts';
import { planKey } from '../../../coordinator/stage/pin.ts';
import coordinatorThread from '../../../coordinator/thread.ts';
import { makeExecute } from '../../../worker/execute.ts';
import { Fetcher } from '../../../worker/fetch.ts';
import { startWorker } from '../../../worker/supervisor.ts';
import workerThread from '../../../worker/thread.ts';
import { inlineChild } from '../../support/inline-child.ts';
import { tempFolder } from '../../support/runner.ts';

const scratch = tempFolder();
const [store, lake, queue] = [memoryStore(), memoryStore(), createMemoryQueue(clock)];
const child = inlineChild(coordinatorThread);
const jobs = new JobService(
  {
    ...{ store, lake, queue, clock, log, child, workers: watchWorkers(queue, clock) },
    scratch,
    readFooter: cachedFooters((object) => readFooter(lake, object, { child, scratch })),
  },
  { jobsAtOnce: 1 },
);

/** A worker that was there when the job was planned, and is not any more. */
const former = {
  worker: 'w-former' as WorkerId,
  host: 'h',
  pid: 1,
  numerics: 'duckdb-1.0.0+code-1',
  device: 'cpu',
  threads: 1,
  threadsFree: 1,
  memoryBytes: 4e9,
  tasks: [],
  runs: [],
  draining: false,
  startedAt: 1,
} as const;

const startTheNewOne = () =>
  startWorker({
    ...{ queue, store, clock, log, numerics: 'duckdb-1.0.0+code-2', threads: 1, memoryBytes: 4e9 },
    execute: makeExecute(inlineChild(workerThread), new Fetcher({ store, lake, scratch }), clock),
  });

test('a job waits for numerics that nobody has, and is repinned to those that there are', async () => {
  await putRows();
  queue.publish(CHANNELS.heartbeat, former);
  const body = { specVersion: 1, name: 'clean', dataset: 'a/*.parquet' };
  const { job } = await jobs.submit(jsonBytes(body), undefined);
  const until = async (seen: (view: JobView) => boolean): Promise<JobView> => {
    for (;;) {
      const view = await jobs.view(job);
      if (seen(view)) return view;
      await clock.sleep(50);
    }
  };
  await until(({ stages }) => stages.length > 0);
  await expect(jobs.repin(job)).rejects.toMatchObject({
    code: 'CONFLICT',
    message: `Cannot repin job ${job}: it does not stand still, expected one that waits for numerics that no live worker has`,
  });

  const worker = startTheNewOne();
  const stands = await until(({ waitingFor }) => waitingFor?.code === 'OTHER_NUMERICS');
  expect(stands.waiting).toBe(
    `no live worker has the numerics it was planned for: it wants code 1; there is code 2; to go on under that: gristmill job repin ${job}`,
  );
  const snapshot = stands.snapshot!;
  await jobs.repin(job);
  const view = await until(({ state }) => state !== 'running');
  expect(view).toMatchObject({
    state: 'succeeded',
    waiting: null,
    snapshot,
    rows: { rowsIn: 100, rowsOut: 100 },
  });
  const [first, second] = [
    await readStored(store, planKey(job), 'plan'),
    await readStored(store, planKey(job, 1), 'plan'),
  ];
  expect([first!.numerics.prepare, second!.numerics.prepare]).toEqual([
    'duckdb-1.0.0+code-1',
    'duckdb-1.0.0+code-2',
  ]);
  expect(second!.snapshot).toBe(first!.snapshot);
  await expect(jobs.repin(job)).rejects.toThrow('it has succeeded');
  await worker.stop(0);
  await jobs.close();
}, 60_000);

async function putRows(): Promise<void> {
  await using duck = await openDuck({
    memoryBytes: 2 ** 28,
    tempDir: tempFolder(),
    files: [],
    writeDir: scratch,
  });
  const path = join(scratch, 'a.parquet');
  await duck.run(`COPY (SELECT r AS x FROM range(100) t(r)) TO '${path}' (FORMAT parquet)`);
  await lake.create('a/a.parquet', await readFile(path));
}
