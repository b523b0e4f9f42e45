// A job that e391da8 left unfinished goes on to its end. In: what lay in its store then. Out: a published version.
import { expect, test } from 'vitest';
import { systemClock as clock } from '../../../common/clock.ts';
import type { JobId, WorkerId } from '../../../common/ids.ts';
import { silentLog as log } from '../../../common/log.ts';
import { createMemoryQueue } from '../../../common/queue/memory.ts';
import { watchWorkers } from '../../../coordinator/dispatch/workers.ts';
import { JobService } from '../../../coordinator/job/service.ts';
import { readFooter } from '../../../coordinator/snapshot/footer.ts';
import coordinatorThread from '../../../coordinator/thread.ts';
import { makeExecute } from '../../../worker/execute.ts';
import { Fetcher } from '../../../worker/fetch.ts';
import { startWorker } from '../../../worker/supervisor.ts';
import workerThread from '../../../worker/thread.ts';
import { startTrainingHost } from '../../../worker/train/host.ts';
import { startResident } from '../../../worker/train/resident.ts';
import { inlineChild } from '../../support/inline-child.ts';
import { olderStore } from '../../support/older.ts';
import { tempFolder } from '../../support/runner.ts';

const JOB = 'j-f30ff5c940d873b11b64' as JobId;
/** The numerics that its plan was made for: a worker that has them is alive. */
const NUMERICS = 'duckdb-1.5.6+onnxruntime-1.30.0+code-1+cpu-avx2';

/** Entries of its journal, and the parts of the store that its tasks had come to. */
const LEFT: readonly (readonly [string, number, RegExp])[] = [
  ['planned', 3, /^stages\/81d8d7/],
  ['in its first stage', 3, /^(parts\/prepare|stages\/81d8d7)/],
  ['after its first stage', 5, /^(parts\/prepare|stages\/81d8d7)/],
  ['in its training', 9, /^(parts\/(prepare|fit)|stages|checkpoints)/],
  ['before it published', 14, /^(parts|stages|checkpoints|models\/trips\/blobs)/],
];

test.each(LEFT)(
  'a job that e391da8 left %s runs to its end',
  async (_when, entries, done) => {
    const { store, lake } = await olderStore('e391da8', (key) => {
      const [, , folder, entry] = key.split('/');
      const isLater = folder === 'journal' && Number.parseInt(entry!, 10) > entries;
      return (
        /^(snapshots|jobs\/index\/000000000001)/.test(key) ||
        done.test(key) ||
        (key.startsWith(`jobs/${JOB}/`) && !isLater)
      );
    });
    const queue = createMemoryQueue(clock);
    const scratch = tempFolder();
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
        readFooter: (object) => readFooter(lake, object, { child, scratch }),
      },
      { jobsAtOnce: 1 },
    );
    const worker = 'w-000000000002' as WorkerId;
    const engines = inlineChild(workerThread, { startResident });
    const of = { worker, numerics: NUMERICS, queue, store, clock, log, scratch };
    const working = startWorker({
      ...of,
      threads: 2,
      memoryBytes: 4e9,
      execute: makeExecute(engines, new Fetcher({ store, lake, scratch }), clock),
      training: startTrainingHost({ ...of, child: engines }),
    });
    const planned = await store.get(`jobs/${JOB}/plan.json`);
    expect((await jobs.view(JOB)).state).toBe('running');

    await jobs.start();
    const signal = AbortSignal.timeout(60_000);
    for await (const event of jobs.events(JOB, { after: 0, signal })) void event;
    const view = await jobs.view(JOB);

    expect(view).toMatchObject({ state: 'succeeded', error: null, published: { version: 1 } });
    expect(view.snapshot).toMatchObject({ objects: 1, rows: 500 });
    expect(view.stages.map(({ stage }) => stage)).toEqual([
      'prepare',
      'fit',
      'train',
      'evaluate',
      'prove',
    ]);
    expect(await store.get(`jobs/${JOB}/plan.json`)).toEqual(planned);
    await working.stop(0);
    await jobs.close();
  },
  120_000,
);
