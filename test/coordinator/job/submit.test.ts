// submitJob() and runs: a job whose test rows are not the model's is told before anything is read or computed.
import { expect, test } from 'vitest';
import type { JobId } from '../../../common/ids.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import { jsonBytes, type Store } from '../../../common/store/store.ts';
import { checkJob } from '../../../common/wire/job/job.ts';
import { submitJob } from '../../../coordinator/job/submit.ts';
import { checkPublishes, moveTestset } from '../../../coordinator/registry/testset.ts';
import type { Machinery } from '../../../coordinator/stage/context.ts';

const JOB = {
  specVersion: 1,
  name: 'trips',
  dataset: 'trips/*.parquet',
  clean: [{ require: ['stop'] }],
  label: 'late',
  split: { by: 'time', column: 'departed', validation: '4d', test: '6d' },
  features: { hour: 'category(hour(departed))' },
  publish: { model: 'trips' },
};

/** The test set of "trips" in "dev", as its first publishing job fixed it. */
async function withTestset(): Promise<Store> {
  const store = memoryStore();
  const { clean, label, split } = JOB;
  const to = { definition: { clean, label, split }, snapshot: 's', job: 'j-1' as JobId, at: 1 };
  await moveTestset(store, { model: 'trips', environment: 'dev' }, to as never);
  return store;
}

const check = async (change: object): Promise<void> =>
  checkPublishes(await withTestset(), checkJob({ ...JOB, ...change }));

test('submitJob() refuses another clean rule for a model at once, with the ways out, and keeps nothing', async () => {
  const store = await withTestset();
  const before = await store.listNames('');
  const body = jsonBytes({ ...JOB, clean: [{ require: ['stop', 'departed'] }] });
  // neither lake nor child is there: nothing of the dataset is looked at
  await expect(submitJob({ store } as unknown as Machinery, body, 'k')).rejects.toMatchObject({
    code: 'TESTSET_INCOMPARABLE',
    message: expect.stringMatching(
      /its clean differ.*another one needs another model or environment/,
    ),
    errors: [{ pointer: '/clean', detail: expect.stringContaining('[{"require":["stop"]}]') }],
  });
  expect(await store.listNames('')).toEqual(before);
});

test.each([
  ['label', { label: 'late or stop is null' }],
  ['split', { split: { ...JOB.split, test: '7d' } }],
])('another %s is another test set', async (part, change) => {
  await expect(check(change)).rejects.toMatchObject({ errors: [{ pointer: `/${part}` }] });
});

test.each<[string, object]>([
  ['the same definition', {}],
  ['other features', { features: { day: 'category(weekday(departed))' } }],
  ['another model', { label: 'stop', publish: { model: 'stops' } }],
  ['another environment', { label: 'stop', publish: { model: 'trips', environment: 'lab' } }],
  ['a job that publishes nothing', { label: 'stop', publish: undefined }],
])('%s is taken', async (_what, change) => {
  await expect(check(change)).resolves.toBeUndefined();
});
