// Jobs that wait for others: those that triggers with overlap "queue" submit.
import { expect, test } from 'vitest';
import { type JobId, jobIdOf } from '../../../common/ids.ts';
import { checkJob } from '../../../common/wire/job/job.ts';
import { makeService, until } from '../../support/job-service.ts';

const SPEC = checkJob({ specVersion: 1, name: 'clean', dataset: 'a/*.parquet' });

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
