// Own data in three commands, with real processes: init, submit --watch, predict.
// In: three small datasets that npm has brought. Out: jobs that run as they were written, and beat the baseline.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { getNatsServer } from '../../deploy/binaries.mjs';
import { type Cluster, startCluster } from '../../deploy/cluster/cluster.ts';
import { beatsBaseline, tryOwnData, VEGA, writeParquet } from '../support/own-data.ts';
import { tempFolder } from '../support/runner.ts';

let cluster: Cluster;
const folder = tempFolder();

beforeAll(async () => {
  cluster = await startCluster({ folder, natsServer: await getNatsServer() });
});
afterAll(() => cluster.stop());

test.each([
  ['cars', { by: 'hash' }, { kind: 'linear' }], // regression, a year as the only time
  ['movies', { by: 'time', column: 'Release Date' }, { kind: 'linear' }], // nulls, wide text
  ['weather', { by: 'time', column: 'date' }, { kind: 'mlp' }], // classes, days
])(
  'init %s: the job runs as it is, beats the baseline and is served',
  async (name, split, model) => {
    const data = VEGA.find((one) => one.name === name)!;
    const spill = join(folder, 'spill');
    const work = join(folder, 'work');
    for (const each of [spill, work]) mkdirSync(each, { recursive: true });
    await writeParquet(data, { lake: fileURLToPath(cluster.lakeUri), spill });
    const { job, view, predictions, said } = await tryOwnData(data, { ...cluster, folder: work });
    expect(said).toBe('');
    expect(job).toMatchObject({ name, label: data.label, split, model });
    expect(view).toMatchObject({ state: 'succeeded', decision: 'accepted' });
    expect(beatsBaseline(view!), JSON.stringify(view!.evaluation)).toBe(true);
    expect(predictions).toHaveLength(3);
    expect(predictions.every(Number.isFinite)).toBe(true);
  },
);
