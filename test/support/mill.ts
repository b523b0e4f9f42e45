// A whole line in one process: store, lake, queue, coordinator, a worker, a gateway, all in memory.
// In: objects made by SQL, jobs. Out: what became of each, and predictions. Why: what a job is told at its end is a matter of
// all rooms together, and costs a second here.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { systemClock as clock } from '../../common/clock.ts';
import { openDuck } from '../../common/engine/duckdb.ts';
import { readNumerics } from '../../common/engine/numerics.ts';
import type { WorkerId } from '../../common/ids.ts';
import { silentLog as log } from '../../common/log.ts';
import { createMemoryQueue } from '../../common/queue/memory.ts';
import { memoryStore } from '../../common/store/memory.ts';
import { jsonBytes } from '../../common/store/store.ts';
import type { JobView } from '../../common/wire/view.ts';
import { watchWorkers } from '../../coordinator/dispatch/workers.ts';
import { JobService } from '../../coordinator/job/service.ts';
import { readFooter } from '../../coordinator/snapshot/footer.ts';
import { cachedFooters } from '../../coordinator/snapshot/snapshot.ts';
import type { Machinery } from '../../coordinator/stage/context.ts';
import coordinatorThread from '../../coordinator/thread.ts';
import { Files } from '../../gateway/files.ts';
import { Gateway } from '../../gateway/gateway.ts';
import { Metrics } from '../../gateway/metrics.ts';
import gatewayThread from '../../gateway/thread.ts';
import { makeExecute } from '../../worker/execute.ts';
import { Fetcher } from '../../worker/fetch.ts';
import { startWorker } from '../../worker/supervisor.ts';
import workerThread from '../../worker/thread.ts';
import { startTrainingHost } from '../../worker/train/host.ts';
import { startResident } from '../../worker/train/resident.ts';
import { inlineChild } from './inline-child.ts';
import { tempFolder } from './runner.ts';

export type Mill = Awaited<ReturnType<typeof startMill>>;

export async function startMill() {
  const [store, lake, queue] = [memoryStore(), memoryStore(), createMemoryQueue(clock)];
  const scratch = tempFolder();
  const child = inlineChild(coordinatorThread);
  const machinery: Machinery = {
    ...{ store, lake, queue, clock, log, child, scratch, workers: watchWorkers(queue, clock) },
    readFooter: cachedFooters((object) => readFooter(lake, object, { child, scratch })),
  };
  const jobs = new JobService(machinery, { jobsAtOnce: 1 });
  const engines = inlineChild(workerThread, { startResident });
  const self = { worker: 'w-mill' as WorkerId, numerics: readNumerics(), queue, store, clock, log };
  const working = startWorker({
    ...{ ...self, threads: 2, memoryBytes: 4e9 },
    execute: makeExecute(engines, new Fetcher({ store, lake, scratch }), clock),
    training: startTrainingHost({ ...self, scratch, child: engines }),
  });
  const gateway = new Gateway({
    ...{ environment: 'dev', store, files: await Files.open(scratch, 'dev'), seats: 1, clock, log },
    startChild: () => inlineChild(gatewayThread),
    metrics: new Metrics(),
  });
  await gateway.start();
  let files = 0;

  /** The bytes of a Parquet file with these rows. */
  async function parquet(select: string, options = ''): Promise<Buffer> {
    await using duck = await openDuck({
      ...{ memoryBytes: 2 ** 28, tempDir: tempFolder(), files: [], writeDir: scratch },
    });
    const path = join(scratch, `made-${files++}.parquet`);
    await duck.run(`COPY (${select}) TO '${path}' (FORMAT parquet${options})`);
    return readFile(path);
  }

  return {
    ...{ store, lake, jobs, machinery, parquet },
    /** An object of the lake with the rows of a query. */
    put: async (key: string, select: string, options?: string) =>
      void (await lake.create(key, await parquet(select, options))),
    /** A job's view at its end; throws what it was refused with, and not what it failed with. */
    async run(spec: object): Promise<JobView> {
      const body = { specVersion: 1, name: 'a', ...spec };
      const { job } = await jobs.submit(jsonBytes(body), undefined);
      const signal = AbortSignal.timeout(60_000);
      for await (const event of jobs.events(job, { after: 0, signal })) void event;
      return jobs.view(job);
    },
    /** Once there is such a version to predict with. */
    async predict(model: string, rows: readonly object[]) {
      for (;;) {
        const answer = await gateway
          .predict({ model, alias: 'champion' }, rows as Record<string, unknown>[])
          .catch((error: unknown) => {
            const { code } = error as { code?: string };
            if (code !== 'NOT_READY' && code !== 'NOT_FOUND') throw error;
          });
        if (answer) return answer;
        await clock.sleep(50);
      }
    },
    async [Symbol.asyncDispose]() {
      await gateway.close();
      await working.stop(0);
      await jobs.close();
    },
  };
}
