// The quickstart's story against a coordinator and a gateway that only speak HTTP.
// In: decisions of the gate. Out: what is asked, what is said. Why: the story must be true whichever way it goes.
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import type { Decision } from '../../common/stage/gate.ts';
import type { JobInput } from '../../common/wire/job/job.ts';
import type { Lake } from '../../deploy/quickstart/lake.ts';
import { makeScreen } from '../../deploy/quickstart/screen.ts';
import { type StoryFigures, tellStory } from '../../deploy/quickstart/story.ts';
import { type FakeCluster, startFakeCluster } from './fake-cluster.ts';

const example = JSON.parse(
  await readFile(new URL('../../deploy/examples/flight-delay.json', import.meta.url), 'utf8'),
) as JobInput;

type Told = { text: string; figures: StoryFigures; asked: FakeCluster['asked']; landed: string[] };

async function tell(fake: Parameters<typeof startFakeCluster>[0], rows = 3_000_000): Promise<Told> {
  await using cluster = await startFakeCluster(fake);
  const folder = await mkdtemp(join(tmpdir(), 'gristmill-story-'));
  try {
    const path = join(folder, 'some.parquet');
    await writeFile(path, 'bytes');
    const file = (month: string) => ({
      key: `flights/month=${month}/flights.parquet`,
      path,
      rows: 1,
      bytes: 5,
    });
    const lake: Lake = {
      folder,
      rows: 2,
      first: [file('2001-01')],
      later: [file('2001-06')],
      isNew: true,
    };
    let text = '';
    const screen = makeScreen({ write: (more) => (text += more) }, () => 0);
    const lakeUri = pathToFileURL(join(folder, 'lake')).href;
    const figures = await tellStory({
      cluster: {
        coordinatorUrl: cluster.url,
        gatewayUrl: cluster.url,
        storeUri: 'file:///store',
        lakeUri,
        storeEnv: {},
      },
      lake,
      spec: example,
      rows,
      screen,
      signal: new AbortController().signal,
      timed: (_name, work) => work(),
    });
    const landed = await readdir(join(folder, 'lake/flights'));
    return { text, figures, asked: cluster.asked, landed: landed.sort() };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

test('tellStory() sets the gate, submits the example twice and predicts with what the alias names', async () => {
  const { text, figures, asked, landed } = await tell({ decisions: ['accepted', 'accepted'] });
  expect(asked[0]).toMatchObject({
    method: 'PUT',
    path: '/v1/models/flight-delay/environments/dev/gate',
    body: { min: { auc: 0.65 }, change: { metric: 'auc', min: -0.002, confidence: 0.95 } },
  });
  expect(
    asked
      .filter(({ method, path }) => method === 'POST' && path === '/v1/jobs')
      .map(({ body }) => body),
  ).toEqual([example, example]);
  expect(asked.filter(({ path }) => path === '/v1/models/flight-delay:predict')).toHaveLength(2);
  expect(landed).toEqual(['month=2001-01', 'month=2001-06']);
  expect(
    figures.jobs.map(({ version, decision, prepare }) => ({ version, decision, prepare })),
  ).toEqual([
    { version: 1, decision: 'accepted', prepare: { reused: 0, computed: 25 } },
    { version: 2, decision: 'accepted', prepare: { reused: 20, computed: 5 } },
  ]);
  expect(figures.served).toBe(2);
  expect(text).toContain('2,498,972 read, 2,497,770 kept, 1,202 dropped');
  expect(text).toContain('20 tasks reused, 5 computed');
  expect(text).toContain('AUC on the same 500,000 rows: version 1 0.6880, version 2 0.6920');
  expect(text).toMatch(/curl -s http:\/\/127\.0\.0\.1:\d+\/v1\/models\/flight-delay:predict/);
});

test.each<[Decision[], number | null, string]>([
  [['accepted', 'refused'], 1, 'version 1 goes on serving'],
  [['refused', 'refused'], null, 'asked for by its number'],
])('tellStory() says what is true when the gate decides %j', async (decisions, served, words) => {
  const { text, figures, asked } = await tell({ decisions });
  expect(figures.served).toBe(served);
  expect(text).toContain(words);
  expect(text).toContain('refused for champion in dev');
  if (served === null)
    expect(asked.some(({ path }) => path === '/v1/models/flight-delay/versions/1:predict')).toBe(
      true,
    );
});

test('tellStory() goes on behind the last fact when a stream of events breaks', async () => {
  const { text } = await tell({ decisions: ['accepted', 'accepted'], cut: true });
  expect(text.match(/ {2}snapshot /g)).toHaveLength(2);
  expect(text.match(/ {2}publish /g)).toHaveLength(2);
});

test('tellStory() asks less of a model that saw few rows, and says so', async () => {
  const { text, asked } = await tell({ decisions: ['accepted', 'accepted'] }, 20_000);
  expect(asked[0]?.body).toMatchObject({ min: { auc: 0.5 } });
  expect(text).toContain('AUC 0.5 is enough for a sample of 20,000');
});

test('tellStory() fails with the code, the message and the remedy of a job that failed', async () => {
  const failure = { code: 'INPUT_EMPTY', message: 'Cannot plan: 0 objects' } as const;
  await expect(tell({ decisions: ['none'], failure })).rejects.toThrow(
    'Job j-1 failed: INPUT_EMPTY: Cannot plan: 0 objects. Check the dataset pattern and the lake',
  );
});
