// The coordinator's HTTP side: what is answered, and how every kind of bad request is refused.
import { connect } from 'node:net';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterAll, expect, test, vi } from 'vitest';
import { CODES, GristmillError } from '../../../common/errors.ts';
import { listen } from '../../../common/http/listen.ts';
import { sha256Hex } from '../../../common/ids.ts';
import { LIMITS } from '../../../common/limits.ts';
import type { ApiDeps } from '../../../coordinator/api/deps.ts';
import { moveAlias } from '../../../coordinator/registry/alias.ts';
import { publishVersion } from '../../../coordinator/registry/version.ts';
import { makeApi, type TestApi } from '../../support/api.ts';
import { createTestClock } from '../../support/clock.ts';
import { makeDraft, makeEvidence } from '../../support/registry.ts';

const JOB = { specVersion: 1, name: 'clean-flights', dataset: 'flights/**/*.parquet' };
const apis: TestApi[] = [];
afterAll(() => Promise.all(apis.map(({ app }) => app.close())));

async function start(...change: Parameters<typeof makeApi>): Promise<TestApi> {
  const api = await makeApi(...change);
  apis.push(api);
  return api;
}

async function withVersions(count: number, change: Partial<ApiDeps> = {}): Promise<TestApi> {
  const api = await start(change);
  for (let n = 1; n <= count; n++) {
    await publishVersion(
      api.store,
      await makeDraft(api.store, { trainDigest: sha256Hex(`train ${n}`) }),
    );
  }
  return api;
}

const json = { 'content-type': 'application/json' };
const submit = (api: TestApi, body: unknown = JOB, headers: Record<string, string> = {}) =>
  api.app.inject({
    method: 'POST',
    url: '/v1/jobs',
    headers: { ...json, ...headers },
    payload: typeof body === 'string' ? body : JSON.stringify(body),
  });

test('POST /v1/jobs answers 202 with a Location that can be read', async () => {
  const api = await start();
  const answer = await submit(api);
  expect(answer.statusCode).toBe(202);
  const location = String(answer.headers.location);
  expect(location).toBe(`/v1/jobs/${answer.json().id}`);
  const seen = await api.app.inject(location);
  expect(seen.json()).toEqual(answer.json());
});

test('POST /v1/jobs with one Idempotency-Key is one job, quoted or not; another body is refused', async () => {
  const api = await start();
  const first = await submit(api, JOB, { 'idempotency-key': 'k-1' });
  const again = await submit(api, JOB, { 'idempotency-key': '"k-1"' });
  expect(again.headers.location).toBe(first.headers.location);
  expect(again.headers['idempotency-replayed']).toBe('true');
  const other = await submit(api, { ...JOB, seed: 1 }, { 'idempotency-key': 'k-1' });
  expect(other.json()).toMatchObject({ status: 422, code: 'IDEMPOTENCY_MISMATCH' });
});

test('GET /v1/jobs pages newest first', async () => {
  const api = await start();
  for (const name of ['a', 'b', 'c']) await submit(api, { ...JOB, name });
  const first = (await api.app.inject('/v1/jobs?limit=2')).json();
  expect(first.jobs.map(({ name }: { name: string }) => name)).toEqual(['c', 'b']);
  const last = (await api.app.inject(`/v1/jobs?limit=2&before=${first.next}`)).json();
  expect(last.jobs.map(({ name }: { name: string }) => name)).toEqual(['a']);
  expect(last.next).toBeNull();
});

test('POST /v1/jobs/{id}/cancel takes no body, and refuses a job that has ended', async () => {
  const api = await start();
  const { id } = (await submit(api)).json();
  const cancelled = await api.app.inject({ method: 'POST', url: `/v1/jobs/${id}/cancel` });
  expect([cancelled.statusCode, cancelled.json().state]).toEqual([202, 'cancelling']);
  api.jobs.push(id, { kind: 'state', state: 'succeeded' }, { state: 'succeeded' });
  const late = await api.app.inject({ method: 'POST', url: `/v1/jobs/${id}/cancel` });
  expect(late.json()).toMatchObject({ status: 409, code: 'CONFLICT' });
});

test.each<[string, () => Promise<{ statusCode: number; json(): unknown }>, object]>([
  [
    'an unknown job',
    async () => (await start()).app.inject('/v1/jobs/j-0'),
    { status: 404, code: 'NOT_FOUND' },
  ],
  [
    'an unknown path',
    async () => (await start()).app.inject('/v1/job'),
    {
      status: 404,
      code: 'PATH_UNKNOWN',
      detail: 'Cannot GET /v1/job: there is no such path; did you mean "/v1/jobs"?',
    },
  ],
  [
    'a wrong method',
    async () => (await start()).app.inject({ method: 'DELETE', url: '/v1/jobs' }),
    {
      status: 405,
      code: 'METHOD_UNKNOWN',
      detail: 'Cannot DELETE /v1/jobs: expected POST, GET, HEAD or OPTIONS',
    },
  ],
  [
    'a body that is no JSON',
    async () => submit(await start(), '{"name": }'),
    {
      status: 400,
      code: 'BAD_JSON',
      detail: 'Cannot read the job at line 1, column 10: found "}", expected a value',
    },
  ],
  ['no body', async () => submit(await start(), ''), { status: 400, code: 'BAD_JSON' }],
  [
    'a body of another type',
    async () => submit(await start(), 'x', { 'content-type': 'text/plain' }),
    {
      status: 415,
      code: 'UNSUPPORTED_MEDIA',
    },
  ],
  [
    'a content-type with a trick',
    async () => submit(await start(), '{}', { 'content-type': 'application/json\ta' }),
    {
      status: 415,
    },
  ],
  [
    'a body above 1 MB',
    async () => submit(await start(), ' '.repeat(1_000_001)),
    {
      status: 413,
      code: 'BODY_TOO_LARGE',
    },
  ],
  [
    'a misspelt field',
    async () => submit(await start(), { ...JOB, lable: 'x' }),
    {
      status: 422,
      code: 'SPEC_INVALID',
      errors: [{ pointer: '/lable', detail: 'is not a known field; did you mean "label"?' }],
    },
  ],
  [
    'a misspelt parameter',
    async () => (await start()).app.inject('/v1/jobs?limt=3'),
    {
      status: 422,
      code: 'REQUEST_INVALID',
      detail: 'Cannot use the request: limt is not a known field; did you mean "limit"?',
    },
  ],
  [
    'a page too large',
    async () => (await start()).app.inject('/v1/jobs?limit=5000'),
    {
      status: 422,
      detail: 'Cannot list 5000 jobs a page, expected 1 to 200',
    },
  ],
  [
    'a path that climbs',
    async () => (await start()).app.inject('/v1/models/..%2f..%2fetc'),
    {
      status: 400,
      code: 'BAD_NAME',
    },
  ],
  [
    'a NUL in a name',
    async () => (await start()).app.inject('/v1/models/a%00b'),
    { code: 'BAD_NAME' },
  ],
  [
    'a broken escape',
    async () => (await start()).app.inject('/v1/models/%zz'),
    { code: 'REQUEST_INVALID' },
  ],
  [
    'an Idempotency-Key too long',
    async () => submit(await start(), JOB, { 'idempotency-key': 'x'.repeat(256) }),
    {
      code: 'REQUEST_INVALID',
      errors: [{ pointer: '/idempotency-key', detail: 'has 256 characters, expected at most 255' }],
    },
  ],
])('refuses %s', async (_what, ask, expected) => {
  const answer = await ask();
  const problem = answer.json() as { status: number; code: keyof typeof CODES; remedy: string };
  expect(problem).toMatchObject(expected);
  expect(answer.statusCode).toBe(problem.status);
  expect(problem.remedy).toBe(CODES[problem.code].remedy);
});

test('an error of ours inside is logged, and tells nothing but where to look', async () => {
  const api = await start({
    jobs: { list: () => Promise.reject(new Error('secret of the inside')) } as never,
  });
  const answer = await api.app.inject('/v1/jobs');
  expect(answer.statusCode).toBe(500);
  expect(answer.body).not.toContain('secret');
  expect(answer.json().requestId).toBe(answer.headers['x-request-id']);
  expect(answer.headers['content-type']).toContain('application/problem+json');
});

test('a store that is away is a 503 with Retry-After', async () => {
  const api = await start();
  const broken = await start({
    registry: {
      store: { ...api.store, uri: 's3://b', head: () => Promise.reject(new Error('refused')) },
    } as never,
  });
  const answer = await broken.app.inject('/readyz');
  expect(answer.statusCode).toBe(503);
  expect(answer.headers['retry-after']).toBe('1');
  expect(answer.json().detail).toBe('Cannot work: the store at s3://b does not answer: refused');
  expect((await broken.app.inject('/healthz')).statusCode).toBe(200);
  const deaf = await start({ queue: { isConnected: () => false, uri: 'nats://x' } });
  expect((await deaf.app.inject('/readyz')).json().code).toBe('QUEUE_UNAVAILABLE');
  expect((await api.app.inject('/readyz')).json()).toEqual({
    status: 'ready',
    detail: 'Takes jobs; no worker is alive',
  });
});

const ALIAS = '/v1/models/flight-delay/environments/dev/aliases/champion';
const put = (api: TestApi, url: string, body: unknown, ifMatch?: string) =>
  api.app.inject({
    method: 'PUT',
    url,
    headers: { ...json, ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }) },
    payload: JSON.stringify(body),
  });

test('models and versions are listed and read; unknown ones say what there is', async () => {
  const api = await withVersions(2);
  await put(api, ALIAS, { version: 1 }, '"0"');
  expect((await api.app.inject('/v1/models')).json()).toEqual({
    models: [{ name: 'flight-delay', latest: 2, environments: { dev: { champion: 1 } } }],
    next: null,
  });
  const older = (await api.app.inject('/v1/models/flight-delay?limit=1')).json();
  expect([older.versions[0].version, older.next]).toEqual([2, 2]);
  const last = (await api.app.inject('/v1/models/flight-delay?limit=1&before=2')).json();
  expect([last.versions[0].version, last.next]).toEqual([1, null]);
  expect((await api.app.inject('/v1/models?after=flight-delay')).json()).toEqual({
    models: [],
    next: null,
  });
  const model = (await api.app.inject('/v1/models/flight-delay')).json();
  expect(model.versions.map(({ version }: { version: number }) => version)).toEqual([2, 1]);
  const manifest = (await api.app.inject('/v1/models/flight-delay/versions/2')).json();
  expect(manifest).toMatchObject({ version: 2, lineage: { job: 'j-1' } });
  for (const [url, detail] of [
    ['/v1/models/flight-dealy', 'Cannot find the model flight-dealy: expected one of flight-delay'],
    [
      '/v1/models/flight-delay/versions/7',
      'Cannot find version 7 of flight-delay: it has versions 1 to 2',
    ],
    ['/v1/models/flight-delay/versions/x', 'Cannot find version "x": expected a number from 1'],
    [
      ALIAS.replace('champion', 'best'),
      'Cannot find the alias best of flight-delay in dev: it has champion in dev',
    ],
  ] as const) {
    expect((await api.app.inject(url)).json()).toMatchObject({ status: 404, detail });
  }
});

test('PUT alias goes through the gate, back without it, and past it with a reason', async () => {
  const api = await withVersions(3);
  const moved = await put(api, ALIAS, { version: 1 }, '"0"');
  expect(moved.json()).toMatchObject({
    version: 1,
    kind: 'moved',
    evidence: { verdict: 'accepted' },
  });
  expect(moved.headers.etag).toBe('"1"');
  await put(api, ALIAS, { version: 2 }, '"1"');

  api.verdict = 'refused';
  const refused = await put(api, ALIAS, { version: 3 }, '"2"');
  expect(refused.json()).toMatchObject({
    status: 409,
    code: 'GATE_REFUSED',
    evidence: { verdict: 'refused' },
  });
  expect(refused.headers.etag).toBe('"3"');

  const back = await put(api, ALIAS, { version: 1, reason: 'complaints' }, '"3"');
  expect(back.json()).toMatchObject({ kind: 'returned', version: 1, evidence: null });
  const forced = await put(api, ALIAS, { version: 3, override: { reason: 'new route' } }, '"4"');
  expect(forced.json()).toMatchObject({
    kind: 'overridden',
    version: 3,
    by: { reason: 'new route' },
  });
  const same = await put(api, ALIAS, { version: 3 }, '"5"');
  expect(same.json()).toEqual(forced.json());

  const seen = await api.app.inject(ALIAS);
  expect([seen.headers.etag, seen.json().version]).toEqual(['"5"', 3]);
  const { entries } = (await api.app.inject(`${ALIAS}/history`)).json();
  expect(entries.map(({ kind }: { kind: string }) => kind)).toEqual([
    'overridden',
    'returned',
    'refused',
    'moved',
    'moved',
  ]);
  expect(api.hints).toHaveLength(4);
});

test('PUT alias asks for If-Match, and refuses a stale one', async () => {
  const api = await withVersions(1);
  expect((await put(api, ALIAS, { version: 1 })).json()).toMatchObject({
    status: 428,
    code: 'PRECONDITION_REQUIRED',
  });
  expect((await put(api, ALIAS, { version: 1 }, '"4"')).json()).toMatchObject({
    status: 412,
    detail: 'Cannot move champion of flight-delay in dev: If-Match is "4", expected its ETag "0"',
  });
  expect((await put(api, ALIAS, { version: 9 }, '"0"')).json().status).toBe(404);
  expect(
    (await put(api, ALIAS, { version: 1, override: { reason: ' ' } }, '"0"')).json(),
  ).toMatchObject({
    code: 'REQUEST_INVALID',
  });
  expect((await put(api, ALIAS, { version: 1, override: {} }, '"0"')).json().errors).toEqual([
    { pointer: '/override/reason', detail: 'is missing' },
  ]);
});

type Verdict = 'accepted' | 'refused';

/** An API whose hearings end when the test says so. */
async function withSlowGate() {
  const clock = createTestClock();
  const hearings: { end(verdict: Verdict): void; fail(error: Error): void }[] = [];
  const api = await withVersions(2, {
    clock,
    async promote({ version, expected, ...place }) {
      const verdict = await new Promise<Verdict>((end, fail) => hearings.push({ end, fail }));
      return moveAlias({ store: api.store, clock, hint: () => {} }, place, {
        candidate: version,
        expected,
        evidence: makeEvidence(version, null, verdict),
      });
    },
  });
  /** Asked for, and time goes on until there is an answer. */
  const begin = async (version: number) => {
    let isAnswered = false;
    const answer = put(api, ALIAS, { version }, '"0"').finally(() => {
      isAnswered = true;
    });
    while (!isAnswered) await clock.advance(LIMITS.promotionAnswerMs);
    return answer;
  };
  const look = async (url: unknown) => (await api.app.inject(String(url))).json();
  return { api, hearings, begin, look };
}

test('PUT alias is answered with a place to look at once the gate takes longer than two seconds', async () => {
  const { hearings, begin, look } = await withSlowGate();
  const begun = await begin(1);
  const location = String(begun.headers.location);
  expect(location).toMatch(
    /^\/v1\/models\/flight-delay\/environments\/dev\/aliases\/champion\/promotions\/p-[0-9a-f]{20}$/,
  );
  const deciding = { state: 'deciding', version: 1, seen: 0, entry: null, problem: null };
  expect([begun.statusCode, begun.json()]).toMatchObject([202, deciding]);
  const again = await begin(1);
  expect([again.headers.location, hearings.length]).toEqual([location, 1]);

  hearings[0]!.end('accepted');
  await vi.waitFor(async () => {
    const entry = { alias: 'champion', entry: 1, version: 1, kind: 'moved' };
    expect(await look(location)).toMatchObject({ state: 'moved', entry, problem: null });
  });
  expect(await look(location.replace('champion', 'best'))).toMatchObject({ status: 404 });
  expect((await look(location.slice(0, -1))).detail).toMatch(
    /^Cannot find the promotion "p-[0-9a-f]{19}" of champion of flight-delay in dev: .*champion\/history$/,
  );
});

test('a promotion that is refused or fails says so as the answer at once would have', async () => {
  const { api, hearings, begin, look } = await withSlowGate();
  const { location } = (await begin(1)).headers;
  hearings[0]!.fail(new GristmillError('WORKERS_NONE', 'no worker is alive'));
  const failed = { state: 'failed', entry: null, problem: { code: 'WORKERS_NONE', status: 503 } };
  await vi.waitFor(async () => expect(await look(location)).toMatchObject(failed));

  expect((await begin(1)).headers.location).toBe(location); // what failed is begun anew
  expect(await look(location)).toMatchObject({ state: 'deciding' });
  hearings[1]!.fail(new TypeError('secret'));
  await vi.waitFor(async () => {
    const { problem } = await look(location);
    expect(problem.detail).toMatch(/^Cannot decide: an internal error, logged as p-/);
  });

  await begin(1);
  hearings[2]!.end('refused');
  const problem = { code: 'GATE_REFUSED', status: 409, evidence: { verdict: 'refused' } };
  await vi.waitFor(async () =>
    expect(await look(location)).toMatchObject({ state: 'refused', entry: { entry: 1 }, problem }),
  );
  expect((await put(api, ALIAS, { version: 1 }, '"0"')).json()).toMatchObject({
    code: 'PRECONDITION_FAILED',
  });
});

test('the gate is the default until it is set, which may come before the model', async () => {
  const api = await start();
  const url = '/v1/models/flight-delay/environments/dev/gate';
  expect((await api.app.inject(url)).json().detail).toBe(
    'Cannot find the model flight-delay: none is published yet',
  );
  const policy = { min: { auc: 0.65 }, change: { metric: 'auc', min: -0.002, confidence: 0.95 } };
  expect((await put(api, url, policy)).json()).toMatchObject({ policy, isDefault: false });
  expect((await api.app.inject(url)).json()).toMatchObject({ policy, isDefault: false });
  expect((await put(api, url, { min: { logloss: 1 } })).json().errors).toEqual([
    { pointer: '/min/logloss', detail: 'is no known metric ("logloss"); did you mean "logLoss"?' },
  ]);
  const other = await withVersions(1);
  expect((await other.app.inject(url)).json()).toMatchObject({
    policy: { change: { metric: 'auc', min: -0.002 } },
    isDefault: true,
  });
});

test('GET /metrics is Prometheus text with bounded labels', async () => {
  const api = await start();
  await api.app.inject('/v1/jobs/j-1');
  await api.app.inject('/v1/jobs/j-2');
  const page = (await api.app.inject('/metrics')).body;
  expect(page).toContain(
    'gristmill_http_requests_total{method="GET",route="/v1/jobs/{id}",code="404"} 2',
  );
  expect(page).toContain('gristmill_http_request_duration_seconds_count{route="/v1/jobs/{id}"} 2');
  expect(page).toContain('\ngristmill_workers 0\n');
  for (const line of page.split('\n').filter(Boolean)) {
    expect(line).toMatch(/^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{.*\})? [0-9.e+-]+)$/);
  }
});

test('every answer is of the schema that OpenAPI shows for it', async () => {
  const { api, hearings, begin } = await withSlowGate();
  const { id } = (await submit(api)).json();
  const { location } = (await begin(1)).headers;
  hearings[0]!.end('refused');
  await vi.waitFor(async () => expect((await api.app.inject(ALIAS)).statusCode).toBe(200));
  await put(api, '/v1/triggers/nightly', { on: { cron: '15 3 * * *' }, job: JOB });
  const openapi = (await api.app.inject('/openapi.json')).json();
  expect(openapi.openapi).toBe('3.1.0');
  const ajv = new Ajv2020({ strict: false });
  ajv.addSchema(openapi, 'api');
  const urls = {
    '/v1/jobs': '/v1/jobs',
    '/v1/jobs/{id}': `/v1/jobs/${id}`,
    '/v1/schema': '/v1/schema?uri=trips/*.parquet&label=x',
    '/v1/triggers': '/v1/triggers',
    '/v1/triggers/{name}': '/v1/triggers/nightly',
    '/v1/models': '/v1/models',
    '/v1/models/{name}': '/v1/models/flight-delay',
    '/v1/models/{name}/versions/{n}': '/v1/models/flight-delay/versions/1',
    '/v1/models/{name}/environments/{env}/gate': '/v1/models/flight-delay/environments/dev/gate',
    '/v1/models/{name}/environments/{env}/aliases/{alias}': ALIAS,
    '/v1/models/{name}/environments/{env}/aliases/{alias}/history': `${ALIAS}/history`,
    '/v1/models/{name}/environments/{env}/aliases/{alias}/promotions/{id}': String(location),
    '/v1/workers': '/v1/workers',
    '/healthz': '/healthz',
    '/readyz': '/readyz',
  };
  for (const [path, url] of Object.entries(urls)) {
    const step = path.replaceAll('/', '~1').replaceAll('{', '%7B').replaceAll('}', '%7D');
    const $ref = `api#/paths/${step}/get/responses/200/content/application~1json/schema`;
    const validate = ajv.compile({ $ref });
    const answer = (await api.app.inject(url)).json();
    expect(validate(answer), `${path}: ${JSON.stringify(validate.errors)}`).toBe(true);
  }
  const problem = ajv.compile({ $ref: 'api#/components/schemas/Problem' });
  expect(problem((await api.app.inject('/v1/jobs/j-0')).json())).toBe(true);
  const documented = Object.keys(openapi.paths).filter((path) => openapi.paths[path].get);
  expect(documented.sort()).toEqual(
    [
      ...Object.keys(urls),
      '/metrics',
      '/schemas/job.v1.json',
      '/schemas/trigger.v1.json',
      '/v1/jobs/{id}/events',
    ].sort(),
  );
});

test('the examples that the documentation shows are taken', async () => {
  const openapi = (await (await start()).app.inject('/openapi.json')).json();
  const examplesOf = (name: string): unknown[] => openapi.components.schemas[name].examples;
  for (const job of examplesOf('Job'))
    expect((await submit(await start(), job)).statusCode).toBe(202);
  for (const gate of examplesOf('GatePolicy')) {
    const url = '/v1/models/flight-delay/environments/dev/gate';
    expect((await put(await start(), url, gate)).statusCode).toBe(200);
  }
  for (const move of examplesOf('AliasMove')) {
    expect((await put(await withVersions(2), ALIAS, move, '"0"')).statusCode).toBe(200);
  }
});

test('GET /schemas/job.v1.json validates what POST /v1/jobs takes', async () => {
  const schema = (await (await start()).app.inject('/schemas/job.v1.json')).json();
  const validate = new Ajv2020({ strict: false }).compile(schema);
  expect(validate(JOB)).toBe(true);
  expect(validate({ ...JOB, lable: 1 })).toBe(false);
});

test('GET /docs is one page with every path and every code, and runs no script', async () => {
  const { app } = await start();
  const page = await app.inject('/docs');
  for (const code of Object.keys(CODES)) expect(page.body).toContain(code);
  for (const path of Object.keys((await app.inject('/openapi.json')).json().paths)) {
    expect(page.body).toContain(path);
  }
  expect(page.body).not.toMatch(/<script|https?:\/\/(?!127)/);
  expect(page.headers['content-security-policy']).toContain("default-src 'none'");
});

test('GET /v1/jobs/{id}/events streams facts and views over a real socket, and ends with the job', async () => {
  const api = await start();
  const address = await listen(api.app, { host: '127.0.0.1', port: 0 });
  const { id } = (await submit(api)).json();
  const text = fetch(`${address}/v1/jobs/${id}/events`).then((answer) => answer.text());
  while (api.jobs.listeners === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  api.jobs.push(id, { kind: 'state', state: 'running' }, { state: 'running' });
  await new Promise((resolve) => setTimeout(resolve, 20));
  api.jobs.push(id, { kind: 'state', state: 'succeeded' }, { state: 'succeeded' });
  const facts = (await text).split('\n\n').filter((block) => block.includes('event: fact'));
  expect(facts.map((block) => block.split('\n')[0])).toEqual(['id: 1', 'id: 2', 'id: 3']);
  const rest = await fetch(`${address}/v1/jobs/${id}/events`, {
    headers: { 'last-event-id': '2' },
  });
  expect(rest.headers.get('content-type')).toContain('text/event-stream');
  expect((await rest.text()).match(/^id: .*$/gm)).toEqual(['id: 3']);
  const missing = await fetch(`${address}/v1/jobs/j-0/events`);
  expect(missing.headers.get('content-type')).toContain('application/problem+json');
});

test('a client that leaves a stream frees it, and closing the server ends the others', async () => {
  const api = await start();
  const address = await listen(api.app, { host: '127.0.0.1', port: 0 });
  const { id } = (await submit(api)).json();
  const stop = new AbortController();
  const left = await fetch(`${address}/v1/jobs/${id}/events`, { signal: stop.signal });
  const stays = await fetch(`${address}/v1/jobs/${id}/events`);
  await left.body?.getReader().read();
  expect(api.jobs.listeners).toBe(2);
  stop.abort();
  while (api.jobs.listeners > 1) await new Promise((resolve) => setTimeout(resolve, 5));
  await api.app.close();
  expect(await stays.text()).toContain('event: fact');
  expect(api.jobs.listeners).toBe(0);
});

test('bytes that are no HTTP get an answer and a closed socket', async () => {
  const api = await start();
  const { port } = new URL(await listen(api.app, { host: '127.0.0.1', port: 0 }));
  const answer = await new Promise<string>((resolve) => {
    let text = '';
    const socket = connect(Number(port), '127.0.0.1', () => socket.write('nonsense\r\n\r\n'));
    socket.on('data', (bytes) => {
      text += bytes;
    });
    socket.on('close', () => resolve(text));
  });
  expect(answer).toMatch(/^HTTP\/1.1 400/);
  expect(JSON.parse(answer.split('\r\n\r\n')[1]!)).toMatchObject({
    status: 400,
    detail: 'Cannot read the request: it is no HTTP/1.1 request',
  });
});

test('listen() says which port is taken', async () => {
  const [one, two] = [await start(), await start()];
  const { port } = new URL(await listen(one.app, { host: '127.0.0.1', port: 0 }));
  await expect(listen(two.app, { host: '127.0.0.1', port: Number(port) })).rejects.toMatchObject({
    code: 'PORT_TAKEN',
    message: `Cannot listen on 127.0.0.1:${port}: the port is taken, expected a free one (GRISTMILL_PORT)`,
  });
});
