// Work is content-addressed: new data costs what is new, and a job sent twice costs nothing.
// In: a job with fitted features and a model over a hundred objects, then one object more, then the same job again.
// Out: the number of prepare commits in the store, and what the job's view says was reused.
import { expect, test } from 'vitest';
import type { Store } from '../../common/store/store.ts';
import { readStored } from '../../common/stored/stored.ts';
import type { JobView } from '../../common/wire/view.ts';
import { startLine } from '../support/line.ts';

const OBJECTS = 100;
const JOB = {
  split: { by: 'time', column: 'departed', validation: '200d', test: '300d' },
  train: { optimizer: 'adam', learningRate: 0.01, batchRows: 128, epochs: 2, lanes: 8 },
};

test('one object more computes one prepare task; the same job again computes nothing', async () => {
  await using line = await startLine({ workers: 2, months: OBJECTS, rows: 60 });
  const run = async (): Promise<JobView> => line.finish(await line.submit(JOB));

  const first = await run();
  expect(first).toMatchObject({ state: 'succeeded', rows: { rowsIn: OBJECTS * 60 } });
  expect(prepareOf(first)).toEqual({ done: OBJECTS, total: OBJECTS, reused: 0 });
  expect(await commitsIn(line.store, 'prepare')).toBe(OBJECTS);

  await line.addObject(OBJECTS + 1);
  const second = await run();
  expect(second).toMatchObject({ state: 'succeeded', rows: { rowsIn: (OBJECTS + 1) * 60 } });
  expect(prepareOf(second)).toEqual({ done: OBJECTS + 1, total: OBJECTS + 1, reused: OBJECTS });
  expect(await commitsIn(line.store, 'prepare')).toBe(OBJECTS + 1);
  expect(second.published).toMatchObject({ version: 2, reused: false });

  const before = await commitsIn(line.store, '');
  const third = await run();
  expect(third).toMatchObject({ state: 'succeeded', published: { version: 2, reused: true } });
  expect(await commitsIn(line.store, '')).toBe(before);
  for (const { stage, tasks } of third.stages) {
    if (stage !== 'train') expect({ stage, ...tasks }).toMatchObject({ reused: tasks.total });
  }
}, 180_000);

const prepareOf = (view: JobView) => view.stages.find(({ stage }) => stage === 'prepare')?.tasks;

async function commitsIn(store: Store, stage: string): Promise<number> {
  let commits = 0;
  for await (const { key } of store.list(`parts/${stage}`)) {
    if (/\/\d+\.json$/.test(key)) commits++;
    else if (key.includes('/groups/'))
      commits += (await readStored(store, key, 'group'))!.descriptors.length;
  }
  return commits;
}
