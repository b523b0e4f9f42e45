// GET /v1/schema: what it takes, and that whoever hangs up ends it.
import { afterAll, expect, test } from 'vitest';
import { GristmillError } from '../../../common/errors.ts';
import { listen } from '../../../common/http/listen.ts';
import { LIMITS } from '../../../common/limits.ts';
import type { SurveyRequest } from '../../../coordinator/survey/survey.ts';
import { makeApi, type TestApi } from '../../support/api.ts';

const apis: TestApi[] = [];
afterAll(() => Promise.all(apis.map(({ app }) => app.close())));

async function start(...change: Parameters<typeof makeApi>): Promise<TestApi> {
  const api = await makeApi(...change);
  apis.push(api);
  return api;
}

test('GET /v1/schema asks about a dataset, with or without a label', async () => {
  const { app } = await start();
  const look = async (query: Record<string, string>) =>
    (await app.inject({ url: '/v1/schema', query })).json();
  expect(await look({ uri: 'a b/**/*.parquet' })).toMatchObject({
    uri: 'a b/**/*.parquet',
    label: null,
  });
  expect(await look({ uri: 'x', label: 'x > 1 and y' })).toMatchObject({
    label: { expression: 'x > 1 and y' },
  });
});

test.each([
  ['', '/uri'],
  ['?uri=', '/uri'],
  ['?uri=a&uri=b', '/uri'],
  ['?uri=a&label=', '/label'],
  [`?uri=a&label=${'x'.repeat(LIMITS.expressionBytesMax + 1)}`, '/label'],
  ['?uri=a&lable=x', '/lable'],
])('GET /v1/schema%s is refused and says where', async (query, pointer) => {
  const { app } = await start();
  const answer = await app.inject(`/v1/schema${query}`);
  expect(answer.json()).toMatchObject({
    status: 422,
    code: 'REQUEST_INVALID',
    errors: [{ pointer }],
  });
});

test('GET /v1/schema says when to ask again where nobody works', async () => {
  const none = new GristmillError('WORKERS_NONE', 'Cannot look: no worker is alive');
  const { app } = await start({ surveyDataset: () => Promise.reject(none) });
  const answer = await app.inject('/v1/schema?uri=a');
  expect(answer.statusCode).toBe(503);
  expect(answer.headers['retry-after']).toBeDefined();
  expect(answer.json()).toMatchObject({
    code: 'WORKERS_NONE',
    remedy: expect.stringContaining('gristmill up'),
  });
});

test('GET /v1/schema ends when its client hangs up, and when the API closes', async () => {
  const asked: SurveyRequest[] = [];
  const { app } = await makeApi({
    surveyDataset: (request) => {
      asked.push(request);
      return new Promise((_resolve, reject) =>
        request.signal.addEventListener('abort', () => reject(request.signal.reason)),
      );
    },
  });
  const url = `${await listen(app, { host: '127.0.0.1', port: 0 })}/v1/schema?uri=a`;
  const client = new AbortController();
  const left = fetch(url, { signal: client.signal }).catch((error: Error) => error.name);
  await expect.poll(() => asked.length).toBe(1);
  client.abort();
  expect(await left).toBe('AbortError');
  await expect.poll(() => asked[0]!.signal.aborted).toBe(true);

  const stays = fetch(url);
  await expect.poll(() => asked.length).toBe(2);
  const closed = app.close();
  expect(await (await stays).json()).toMatchObject({ code: 'NOT_WORKING', status: 503 });
  await closed;
});
