// Rotten objects through the dispatcher and workers in one process: computed again, up to a bound, or told.
import { expect, test } from 'vitest';
import { type Digest, sha256Hex } from '../../../common/ids.ts';
import { LIMITS } from '../../../common/limits.ts';
import { silentLog } from '../../../common/log.ts';
import { createMemoryQueue } from '../../../common/queue/memory.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import type { Store } from '../../../common/store/store.ts';
import { getVerified } from '../../../common/store/verified.ts';
import { type BlobRef, commitKey, copyKey, type Descriptor } from '../../../common/wire/task.ts';
import { planMend } from '../../../coordinator/dispatch/mend.ts';
import { mendBlob, runTasks, type TaskRun } from '../../../coordinator/dispatch/offer.ts';
import { watchWorkers } from '../../../coordinator/dispatch/workers.ts';
import { createTestClock, type TestClock } from '../../support/clock.ts';
import { getJson } from '../../support/json.ts';
import { makeTasks } from '../../support/tasks.ts';
import { startTestWorker } from '../../support/work.ts';

/** A store whose reads of some keys give a flipped bit. */
function rotting(): { store: Store; rotten: Set<string> } {
  const sound = memoryStore();
  const rotten = new Set<string>();
  const get = async (key: string): Promise<Uint8Array | undefined> => {
    const bytes = (await sound.get(key))?.slice();
    if (bytes && rotten.has(key)) bytes[0]! ^= 1;
    return bytes;
  };
  return { store: { ...sound, get }, rotten };
}

function world() {
  const clock = createTestClock();
  const queue = createMemoryQueue(clock);
  const { store, rotten } = rotting();
  const [writer, reader] = makeTasks(2);
  const run: Omit<TaskRun, 'tasks'> = {
    queue,
    store,
    clock,
    workers: watchWorkers(queue, clock),
    log: silentLog,
    signal: new AbortController().signal,
  };
  const refOf = async (): Promise<BlobRef> =>
    (await getJson<Descriptor<{ data: BlobRef }>>(
      store,
      commitKey(writer!.stage, writer!.task, 1),
    ))!.result.data;
  const worker = startTestWorker({
    queue,
    store,
    clock,
    blob: true,
    act: async (task) => {
      if (task.task === reader!.task) await getVerified(store, await refOf());
    },
  });
  return { clock, store, rotten, run, worker, writer: writer!, reader: reader!, refOf };
}

async function during<T>(clock: TestClock, promise: Promise<T>): Promise<T> {
  let isSettled = false;
  const settled = promise.finally(() => {
    isSettled = true;
  });
  settled.catch(() => {});
  for (let ms = 0; !isSettled && ms < 120_000; ms += 100) await clock.advance(100);
  return settled;
}

test('runTasks() has the writer of a corrupt blob run again, and then its reader', async () => {
  const w = world();
  await during(w.clock, runTasks({ ...w.run, tasks: [w.writer] }));
  const { key } = await w.refOf();
  w.rotten.add(key);
  const found = await during(w.clock, runTasks({ ...w.run, tasks: [w.reader] }));
  expect([...found.keys()]).toEqual([w.reader.task]);
  expect([w.worker.runs.get(w.writer.task), w.worker.runs.get(w.reader.task)]).toEqual([2, 2]);
  expect([...(await w.store.listNames(key.slice(0, key.lastIndexOf('/') + 1)))].sort()).toEqual(
    ['1.json', '2.json', key, copyKey(key, 2)].map((name) => name.split('/').at(-1)).sort(),
  );
});

test('runTasks() gives up on a disk that lets every copy rot, and names the object', async () => {
  const w = world();
  await during(w.clock, runTasks({ ...w.run, tasks: [w.writer] }));
  const { key } = await w.refOf();
  for (let n = 1; n <= LIMITS.copiesMax; n++) w.rotten.add(copyKey(key, n));
  const failed = during(w.clock, runTasks({ ...w.run, tasks: [w.reader] }));
  await expect(failed).rejects.toMatchObject({
    code: 'CHECKSUM_MISMATCH',
    message: expect.stringContaining(key),
  });
  expect(w.worker.runs.get(w.writer.task)).toBe(LIMITS.copiesMax);
});

test('planMend() asks for nothing where a newer copy is there, and refuses what no task wrote', async () => {
  const w = world();
  await during(w.clock, runTasks({ ...w.run, tasks: [w.writer] }));
  const corrupt = { key: (await w.refOf()).key, copies: 1 };
  expect(await planMend(w.store, corrupt)).toEqual({ ...w.writer, commit: 2 });
  await during(w.clock, mendBlob(w.run, corrupt));
  expect(await planMend(w.store, corrupt)).toBeUndefined();
  const foreign = { key: `models/m/blobs/${sha256Hex('x') satisfies Digest}`, copies: 1 };
  await expect(planMend(w.store, foreign)).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
});
