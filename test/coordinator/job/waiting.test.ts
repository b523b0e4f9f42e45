// Jobs that wait for others: those that triggers with overlap "queue" submit.
import { expect, test } from 'vitest';
import { systemClock } from '../../../common/clock.ts';
import { type JobId, jobIdOf } from '../../../common/ids.ts';
import { silentLog } from '../../../common/log.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import type { Store } from '../../../common/store/store.ts';
import { checkJob } from '../../../common/wire/job/job.ts';
import { JobService } from '../../../coordinator/job/service.ts';
import type { Machinery } from '../../../coordinator/stage/context.ts';

const SPEC = checkJob({ specVersion: 1, name: 'clean', dataset: 'a/*.parquet' });

/** Jobs that run until their lake is let go, and then fail: it is empty. */
function makeService() {
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const empty = memoryStore();
  const lake: Store = {
    ...empty,
    async *list(prefix) {
      await gate;
      yield* empty.list(prefix);
    },
  };
  const store = memoryStore();
  const machinery = { store, lake, clock: systemClock, log: silentLog } as unknown as Machinery;
  return { open, service: new JobService(machinery, { jobsAtOnce: 4 }) };
}

const until = async (service: JobService, job: JobId, state: string): Promise<void> => {
  while ((await service.view(job)).state !== state) await systemClock.sleep(2);
};

test('enlist() takes a job whose dataset is gone, once per name: it fails when it runs', async () => {
  const { open, service } = makeService();
  open();
  const job = await service.enlist(SPEC, { job: jobIdOf('trigger', 'k'), after: null });
  expect(await service.enlist(SPEC, { job: jobIdOf('trigger', 'k'), after: null })).toBe(job);
  await until(service, job, 'failed');
  expect(await service.state(job)).toMatchObject({
    state: 'failed',
    error: { code: 'INPUT_EMPTY' },
    after: null,
  });
  expect((await service.list({ before: undefined, limit: 9 })).jobs).toHaveLength(1);
  expect(await service.state('j-0' as JobId)).toBeUndefined();
});

test('a job waits for the end of the one before it, also past one that was cancelled while it waited', async () => {
  const { open, service } = makeService();
  const first = await service.enlist(SPEC, { job: jobIdOf('trigger', '1'), after: null });
  const second = await service.enlist(SPEC, { job: jobIdOf('trigger', '2'), after: first });
  const third = await service.enlist(SPEC, { job: jobIdOf('trigger', '3'), after: second });
  await until(service, first, 'running');
  expect(await service.view(second)).toMatchObject({
    state: 'queued',
    waiting: `job ${first} has not ended`,
  });
  expect((await service.cancel(second)).state).toBe('cancelled');
  const other = await service.enlist(SPEC, { job: jobIdOf('trigger', '4'), after: null });
  await until(service, other, 'running');
  expect(await service.view(third)).toMatchObject({
    state: 'queued',
    waiting: `job ${first} has not ended`,
  });
  open();
  await until(service, third, 'failed');
  const [one, three] = [await service.view(first), await service.view(third)];
  expect(three.startedAt!).toBeGreaterThanOrEqual(one.finishedAt!);
  expect(three.waiting).toBeNull();
});
