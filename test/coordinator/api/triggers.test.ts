// Triggers over HTTP: what is answered, and how each kind of bad request is refused.
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, expect, test } from 'vitest';
import { GristmillError } from '../../../common/errors.ts';
import type { JobId } from '../../../common/ids.ts';
import { triggerSamples } from '../../../coordinator/api/triggers.ts';
import { makeApi, type TestApi } from '../../support/api.ts';

const JOB = { specVersion: 1, name: 'clean-flights', dataset: 'flights/**/*.parquet' };
const ON = { cron: '15 3 * * *', timeZone: 'Europe/Berlin' };
const NIGHTLY = { on: ON, job: JOB };
const FULL = { ...NIGHTLY, overlap: 'skip', catchUp: 'none', paused: false };
const URL = '/v1/triggers/nightly';
const apis: TestApi[] = [];
afterAll(() => Promise.all(apis.map(({ app }) => app.close())));

async function start(): Promise<TestApi> {
  const api = await makeApi();
  apis.push(api);
  return api;
}

const put = (api: TestApi, body: unknown = NIGHTLY, headers: Record<string, string> = {}) =>
  api.app.inject({
    method: 'PUT',
    url: URL,
    headers: { 'content-type': 'application/json', ...headers },
    payload: typeof body === 'string' ? body : JSON.stringify(body),
  });
const fire = (api: TestApi, key?: string, url = `${URL}/fire`) =>
  api.app.inject({ method: 'POST', url, headers: key ? { 'idempotency-key': key } : {} });
const remove = (api: TestApi, headers = {}) =>
  api.app.inject({ method: 'DELETE', url: URL, headers });

test('PUT /v1/triggers/{name} makes a trigger, changes it, and leaves it where nothing changed', async () => {
  const api = await start();
  const made = await put(api);
  expect([made.statusCode, made.headers.etag]).toEqual([201, '"1"']);
  expect(made.json()).toMatchObject({ name: 'nightly', entry: 1, spec: FULL, firings: [] });
  const same = await put(api, { ...NIGHTLY, on: { ...ON, cron: ' 15  3 * * *' }, paused: false });
  expect([same.statusCode, same.headers.etag]).toEqual([200, '"1"']);
  const changed = await put(api, { ...NIGHTLY, paused: true });
  expect([changed.statusCode, changed.headers.etag]).toEqual([200, '"2"']);
  expect(changed.json()).toMatchObject({ spec: { paused: true }, nextAt: [] });
  expect((await api.app.inject(URL)).json()).toEqual(changed.json());
  expect(api.triggerJobs.checked).toHaveLength(2);
});

test('a trigger shows its next five slots, in order', async () => {
  const api = await start();
  const { nextAt } = (await put(api)).json() as { nextAt: number[] };
  expect(nextAt).toHaveLength(5);
  expect(nextAt).toEqual([...nextAt].sort((a, b) => a - b));
  for (const at of nextAt)
    expect(new Date(at).toLocaleTimeString('de', { timeZone: 'Europe/Berlin' })).toBe(
      '3:15:00'.padStart(8, '0'),
    );
});

test('If-Match holds for PUT and DELETE where it is sent', async () => {
  const api = await start();
  expect((await put(api, NIGHTLY, { 'if-match': '"0"' })).statusCode).toBe(201);
  expect(
    (await put(api, { ...NIGHTLY, paused: true }, { 'if-match': '"0"' })).json(),
  ).toMatchObject({
    status: 412,
    code: 'PRECONDITION_FAILED',
    detail: 'Cannot put the trigger nightly: If-Match is "0", expected its ETag "1"',
  });
  expect((await put(api, NIGHTLY, { 'if-match': 'abc' })).json().detail).toBe(
    'Cannot put the trigger: If-Match is abc, expected the ETag of a GET such as "3"',
  );
  expect((await remove(api, { 'if-match': '"7"' })).statusCode).toBe(412);
  expect((await remove(api, { 'if-match': '"1"' })).statusCode).toBe(204);
});

test('DELETE removes it; a second one finds none; its slots stay, and a trigger put again starts anew', async () => {
  const api = await start();
  await put(api);
  await fire(api, 'k');
  const gone = await remove(api);
  expect([gone.statusCode, gone.body]).toEqual([204, '']);
  expect((await remove(api)).json()).toMatchObject({
    status: 404,
    detail: 'Cannot find the trigger nightly: there is none so far',
  });
  expect((await api.app.inject('/v1/triggers')).json()).toEqual({
    triggers: [],
    unreadable: [],
  });
  expect((await fire(api)).statusCode).toBe(404);
  const again = await put(api);
  expect([again.statusCode, again.headers.etag]).toEqual([201, '"3"']);
  expect(again.json().firings).toHaveLength(1);
});

test('POST fire answers the slot and its job; the same key gives it again, overlap skips', async () => {
  const api = await start();
  await put(api, { ...NIGHTLY, paused: true });
  const first = await fire(api, 'k-1');
  expect(first.statusCode).toBe(202);
  expect(first.json()).toMatchObject({ kind: 'fired', entry: 1, state: 'queued', after: null });
  expect(first.json().slot).toMatch(/^\d{8}T\d{6}Z-call-[0-9a-f]{12}$/);
  const job = first.json().job as JobId;
  expect(first.headers.location).toBe(`/v1/jobs/${job}`);
  const again = await fire(api, '"k-1"');
  expect(again.headers['idempotency-replayed']).toBe('true');
  expect(again.json()).toEqual(first.json());
  const other = await fire(api);
  expect(other.json()).toMatchObject({
    kind: 'skipped',
    after: job,
    reason: `job ${job} of an earlier slot has not ended, and overlap is "skip"`,
  });
  const error = { code: 'INPUT_EMPTY', message: 'Cannot read it' } as const;
  await api.triggerJobs.end(job, 'failed', error);
  expect((await fire(api)).json().kind).toBe('fired');
  const { firings } = (await api.app.inject(URL)).json();
  expect(firings.map(({ kind }: { kind: string }) => kind).sort()).toEqual([
    'fired',
    'fired',
    'skipped',
  ]);
  const failed = firings.find((one: { job?: string }) => one.job === job);
  expect(failed).toMatchObject({ state: 'failed', error });
});

test('GET /v1/triggers lists them by name, each with its last slot', async () => {
  const api = await start();
  for (const name of ['b', 'a'])
    await api.app.inject({
      method: 'PUT',
      url: `/v1/triggers/${name}`,
      headers: { 'content-type': 'application/json' },
      payload: JSON.stringify(NIGHTLY),
    });
  await fire(api, 'k', '/v1/triggers/b/fire');
  await fire(api, 'l', '/v1/triggers/b/fire');
  const { triggers } = (await api.app.inject('/v1/triggers')).json();
  expect(
    triggers.map(({ name, firings }: { name: string; firings: [] }) => [name, firings.length]),
  ).toEqual([
    ['a', 0],
    ['b', 1],
  ]);
  expect((await api.app.inject('/v1/triggers/c')).json().detail).toBe(
    'Cannot find the trigger c: expected one of a, b',
  );
});

test.each<[string, unknown, object]>([
  ['a body that is no JSON', '{"cron": }', { code: 'BAD_JSON' }],
  [
    'a misspelt field',
    { ...NIGHTLY, on: { ...ON, timezone: 'UTC' } },
    {
      status: 422,
      errors: [
        { pointer: '/on/timezone', detail: 'is not a field of "cron"; did you mean "timeZone"?' },
      ],
    },
  ],
  [
    "a field of the job at the trigger's level",
    { ...NIGHTLY, dataset: 'x' },
    { errors: [{ pointer: '/dataset', detail: 'is not a field here, it belongs in "job"' }] },
  ],
  [
    'a misspelt field of the job',
    { ...NIGHTLY, job: { ...JOB, lable: 'x' } },
    {
      errors: [{ pointer: '/job/lable', detail: expect.stringContaining('did you mean "label"?') }],
    },
  ],
  [
    'what no schema can say of the job, and a wrong zone, at once',
    { on: { ...ON, timeZone: 'Europe/Berlim' }, job: { ...JOB, label: 'x' } },
    {
      code: 'SPEC_INVALID',
      detail: expect.stringMatching(
        /^Cannot accept the trigger: \/on\/timeZone is "Europe\/Berlim", expected an IANA name such as "UTC" or "Europe\/Berlin" \(and 2 more: see "errors"\)$/,
      ),
      errors: [
        { pointer: '/on/timeZone', detail: expect.anything() },
        { pointer: '/job/split', detail: expect.anything() },
        { pointer: '/job/features', detail: expect.anything() },
      ],
    },
  ],
  [
    'seconds',
    { ...NIGHTLY, on: { cron: '0 15 3 * * *' } },
    {
      errors: [
        {
          pointer: '/on/cron',
          detail:
            'is "0 15 3 * * *": seconds are not offered, expected five fields: minute hour day-of-month month day-of-week, as in "15 3 * * 1-5", or a nickname such as "@daily"',
        },
      ],
    },
  ],
  [
    'the form of before, with the one of now',
    { ...ON, job: JOB },
    {
      code: 'SPEC_INVALID',
      errors: [
        {
          pointer: '/cron',
          detail:
            'stands beside the job, where older versions had it, expected "on": {"cron":"15 3 * * *","timeZone":"Europe/Berlin"}',
        },
      ],
    },
  ],
  [
    'what it cannot follow',
    { on: { weather: 'fair' }, job: JOB },
    { errors: [{ pointer: '/on/weather', detail: 'is not a known field, expected "cron"' }] },
  ],
  [
    'no job',
    { on: { cron: '* * * * *' } },
    { errors: [{ pointer: '/job', detail: expect.stringContaining('is missing') }] },
  ],
])('PUT refuses %s', async (_what, body, expected) => {
  const api = await start();
  const answer = await put(api, body);
  expect(answer.json()).toMatchObject(expected);
  expect(answer.statusCode).toBe(answer.json().status);
  expect((await api.app.inject('/v1/triggers')).json().triggers).toEqual([]);
});

test('PUT refuses a job that a submit would refuse, and points below /job', async () => {
  const api = await start();
  const errors = [{ pointer: '/dataset', detail: 'no object' }];
  api.triggerJobs.refusal = new GristmillError('INPUT_EMPTY', 'Cannot find', { errors });
  expect((await put(api)).json()).toMatchObject({
    status: 422,
    code: 'INPUT_EMPTY',
    errors: [{ pointer: '/job/dataset', detail: 'no object' }],
  });
  api.triggerJobs.refusal = new GristmillError('CHILD_LOST', 'Cannot parse: the child ended');
  const lost = await put(api);
  expect([lost.statusCode, lost.headers['retry-after']]).toEqual([503, '1']);
});

test('names are names', async () => {
  const api = await start();
  expect((await api.app.inject('/v1/triggers/..%2fjobs')).json().code).toBe('BAD_NAME');
  expect((await fire(api, 'x'.repeat(256))).json().code).toBe('REQUEST_INVALID');
});

test('answers are of the schemas that OpenAPI shows, and its example is taken', async () => {
  const api = await start();
  const openapi = (await api.app.inject('/openapi.json')).json();
  const ajv = new Ajv2020({ strict: false });
  ajv.addSchema(openapi, 'api');
  const check = (path: string, method: string, code: number, answer: unknown): void => {
    const step = path.replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D');
    const $ref = `api#/paths/${step}/${method}/responses/${code}/content/application~1json/schema`;
    const validate = ajv.compile({ $ref });
    expect(validate(answer), `${path}: ${JSON.stringify(validate.errors)}`).toBe(true);
  };
  for (const example of openapi.components.schemas.Trigger.examples)
    check('/v1/triggers/{name}', 'put', 201, (await put(api, example)).json());
  check('/v1/triggers/{name}/fire', 'post', 202, (await fire(api)).json());
  check('/v1/triggers/{name}/fire', 'post', 202, (await fire(api)).json());
  check('/v1/triggers/{name}', 'get', 200, (await api.app.inject(URL)).json());
  check('/v1/triggers', 'get', 200, (await api.app.inject('/v1/triggers')).json());
  expect(openapi.paths['/v1/triggers/{name}'].delete.responses['204'].content).toBeUndefined();
});

test('GET /schemas/trigger.v1.json validates what PUT takes', async () => {
  const schema = (await (await start()).app.inject('/schemas/trigger.v1.json')).json();
  const validate = new Ajv2020({ strict: false }).compile(schema);
  expect(validate(NIGHTLY)).toBe(true);
  expect(validate({ ...NIGHTLY, on: { cron: 3 } })).toBe(false);
});

test('triggerSamples() gives one line a kind', () => {
  expect(triggerSamples(new Map([['fired', 3]]))).toMatchObject([
    {
      name: 'gristmill_trigger_firings_total',
      type: 'counter',
      labels: { kind: 'fired' },
      value: 3,
    },
  ]);
});
