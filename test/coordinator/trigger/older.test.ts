// Triggers that e391da8 put: they go on firing, and what it recorded keeps its names. In: its store. Out: firings and jobs.
import { expect, test } from 'vitest';
import { jobIdOf } from '../../../common/ids.ts';
import { silentLog as log } from '../../../common/log.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import { checkJob } from '../../../common/wire/job/job.ts';
import { enlistJob, loadSpec } from '../../../coordinator/job/submit.ts';
import { TriggerService } from '../../../coordinator/trigger/service.ts';
import { jobOfSlot } from '../../../coordinator/trigger/slots.ts';
import { createTestClock } from '../../support/clock.ts';
import { olderStore } from '../../support/older.ts';
import { storedJobs } from '../../support/triggers.ts';

/** When it was called, and the job that became of that. */
const CALLED = Date.UTC(2026, 10, 25, 2, 14, 3);
const JOB = 'j-54872a88cfb7687014be';

test('a stored trigger is read in the form of today and fires its next slot', async () => {
  const { store } = await olderStore('e391da8', (key) => !key.includes('/firings/'));
  const clock = createTestClock(CALLED + 10_000);
  const jobs = storedJobs(store, clock);
  const service = new TriggerService({ store, jobs, clock, log });
  const before = await service.view('nightly');
  expect(before.spec.on).toEqual({ cron: '15 3 * * 1-5', timeZone: 'Europe/Berlin' });
  expect(before.when).toBe('15 3 * * 1-5 (Europe/Berlin)');
  expect(before.spec).not.toHaveProperty('cron');
  await clock.advance(before.nextAt[0]! - clock.now());
  await service.tick();
  const { firings } = await service.view('nightly');
  expect(firings.map(({ slot, kind }) => [slot, kind])).toEqual([['20261125T021500Z', 'fired']]);
  const [fired] = firings;
  expect(fired).toMatchObject({ job: jobOfSlot('nightly', '20261125T021500Z') });
  await service.close();
});

test('a firing that it recorded without a job gets its job under the name that is recorded', async () => {
  const { store } = await olderStore('e391da8', (key) => key.startsWith('triggers/'));
  const clock = createTestClock(CALLED + 10_000);
  const service = new TriggerService({ store, jobs: storedJobs(store, clock), clock, log });
  await service.tick();
  expect((await loadSpec(store, JOB as never))?.spec.name).toBe('trips');
  expect((await service.view('nightly')).firings[0]).toMatchObject({ job: JOB, state: 'queued' });
  await service.close();
});

test.each([
  'nightly/20261125T021500Z',
  'trigger/nightly/20261125T021500Z',
  'trigger-job:nightly/20261125T021500Z',
  'job:nightly/20261125T021500Z',
])("the Idempotency-Key %s of a client is no trigger's slot", (key) => {
  expect(jobIdOf('client', key)).not.toBe(jobOfSlot('nightly', '20261125T021500Z'));
});

test('enlistJob() refuses a name under which another job lies', async () => {
  const [store, clock] = [memoryStore(), createTestClock(0)];
  const specOf = (dataset: string) => checkJob({ specVersion: 1, name: 'a', dataset });
  const of = { job: jobOfSlot('nightly', 's'), after: null };
  expect(await enlistJob({ store, clock }, specOf('mine'), of)).toBe(of.job);
  expect(await enlistJob({ store, clock }, specOf('mine'), of)).toBe(of.job);
  await expect(enlistJob({ store, clock }, specOf('theirs'), of)).rejects.toMatchObject({
    code: 'IDEMPOTENCY_MISMATCH',
  });
});
