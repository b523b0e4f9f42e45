// One service over real sockets and inject(): what every service of ours refuses, times out, counts and closes.
// In: a few routes made up. Out: what a client sees.
import { connect } from 'node:net';
import Type from 'typebox';
import { expect, onTestFinished, test } from 'vitest';
import { systemClock } from '../../../common/clock.ts';
import { apiPage } from '../../../common/docs/api.ts';
import { GristmillError } from '../../../common/errors.ts';
import { listen } from '../../../common/http/listen.ts';
import { Metrics } from '../../../common/http/metrics.ts';
import { nothing, pathOf, type Route, text } from '../../../common/http/route.ts';
import { makeService, type ServiceOptions } from '../../../common/http/service.ts';
import { silentLog } from '../../../common/log.ts';

const base = { method: 'GET', tag: 'things', answers: { 200: Type.Object({}) } } as const;
const ROUTES: readonly Route[] = [
  {
    ...base,
    name: 'thing',
    path: '/v1/things/{name}',
    summary: 'See a thing',
    params: pathOf({ name: 'the thing' }),
    query: Type.Object({ limit: Type.Optional(Type.String()) }, { additionalProperties: false }),
    handle: (request) => ({ params: request.params }),
  },
  {
    ...base,
    name: 'putThing',
    method: 'POST',
    path: '/v1/things/{name}:grind',
    summary: 'Grind a thing',
    body: Type.Object({ by: Type.Integer({ minimum: 1 }) }, { additionalProperties: false }),
    handle: (request) => ({ params: request.params, body: request.body }),
  },
  {
    ...base,
    name: 'removeThing',
    method: 'DELETE',
    path: '/v1/things/{name}',
    summary: 'Remove a thing',
    answers: { 204: nothing('removed') },
    handle: (_request, reply) => reply.code(204).send(),
  },
  {
    ...base,
    name: 'breakThing',
    path: '/v1/break',
    summary: 'Fails',
    handle: () => Promise.reject(new Error('secret of the inside')),
  },
  {
    ...base,
    name: 'wait',
    path: '/v1/wait',
    summary: 'Answers when it is told that somebody left',
    answers: { 200: text('text/plain', 'why') },
    isEndless: true,
    handle: (_request, reply, left) =>
      new Promise((resolve) => {
        const signal = left();
        waits.push(signal);
        signal.addEventListener('abort', () =>
          resolve(reply.type('text/plain').send((signal.reason as Error).message)),
        );
      }),
  },
];
const waits: AbortSignal[] = [];

async function start(change: Partial<ServiceOptions> = {}) {
  const app = await makeService({
    routes: ROUTES,
    probes: { ready: () => 'Takes things' },
    metrics: new Metrics('test'),
    bodies: 'json',
    connectionsMax: 10,
    clock: systemClock,
    log: silentLog,
    docs: {
      about: { title: 't', description: 'd', tags: [{ name: 'things', description: '' }] },
      pages: { '/docs': (api) => apiPage(api, { address: 'A', pages: [] }) },
    },
    ...change,
  });
  onTestFinished(() => app.close());
  return app;
}

type Ask = { method?: 'GET' | 'HEAD' | 'OPTIONS' | 'POST' | 'DELETE'; url: string };
const grind = (payload: string, headers: Record<string, string> = {}) => ({
  method: 'POST' as const,
  url: '/v1/things/x:grind',
  headers: { 'content-type': 'application/json', ...headers },
  payload,
});

test.each<[string, Ask, object]>([
  [
    'an unknown path, with the nearest as the documentation writes it',
    { url: '/v1/thing/left-shoe' },
    {
      status: 404,
      code: 'PATH_UNKNOWN',
      detail:
        'Cannot GET /v1/thing/left-shoe: there is no such path; did you mean "/v1/things/{name}"?',
    },
  ],
  [
    'an unknown path like none',
    { url: '/wp-login.php' },
    {
      status: 404,
      detail:
        'Cannot GET /wp-login.php: there is no such path; expected one of those that /docs lists',
    },
  ],
  [
    'a path that ends in another verb',
    { method: 'POST', url: '/v1/things/x:grin' },
    { status: 404, detail: expect.stringContaining('did you mean "/v1/things/{name}:grind"?') },
  ],
  [
    'another method',
    { method: 'POST', url: '/v1/things/x' },
    {
      status: 405,
      detail: 'Cannot POST /v1/things/x: expected GET, HEAD, DELETE or OPTIONS',
    },
  ],
  [
    'a misspelt parameter',
    { url: '/v1/things/x?limt=1' },
    {
      status: 422,
      detail: 'Cannot use the request: limt is not a known field; did you mean "limit"?',
    },
  ],
  [
    'a broken escape',
    { url: '/v1/things/%zz' },
    { status: 422, detail: 'Cannot read the path: a "%" in it begins no escape' },
  ],
  ['a name without end', { url: `/v1/things/${'x'.repeat(101)}` }, { code: 'BAD_NAME' }],
])('refuses %s', async (_what, ask, expected) => {
  const answer = await (await start()).inject(ask);
  expect(answer.json()).toMatchObject(expected);
  expect(answer.statusCode).toBe(answer.json().status);
  expect(answer.headers['content-type']).toBe('application/problem+json; charset=utf-8');
});

test('a service of few paths names them all', async () => {
  const app = await start({ routes: [], docs: undefined as never });
  expect((await app.inject('/nothing/like/it')).json().detail).toBe(
    'Cannot GET /nothing/like/it: there is no such path; expected /healthz, /readyz or /metrics',
  );
});

test('HEAD is answered where GET is, but for streams; OPTIONS and 405 tell what is allowed', async () => {
  const app = await start();
  const head = await app.inject({ method: 'HEAD', url: '/v1/things/x' });
  expect([head.statusCode, head.body]).toEqual([200, '']);
  expect(Number(head.headers['content-length'])).toBeGreaterThan(2);
  const stream = await app.inject({ method: 'HEAD', url: '/v1/wait' });
  expect([stream.statusCode, stream.headers.allow]).toEqual([405, 'GET, OPTIONS']);
  const options = await app.inject({ method: 'OPTIONS', url: '/v1/things/x/' });
  expect([options.statusCode, options.headers.allow]).toEqual([204, 'GET, HEAD, DELETE, OPTIONS']);
  expect((await app.inject({ method: 'OPTIONS', url: '/v1/other' })).statusCode).toBe(404);
});

test.each<[string, ReturnType<typeof grind>, object]>([
  [
    'a wrong field',
    grind('{"by": 0}'),
    { status: 422, errors: [{ pointer: '/by', detail: 'is 0, expected at least 1' }] },
  ],
  [
    'a field too many',
    grind('{"by": 1, "bye": 2}'),
    { detail: 'Cannot use the request: bye is not a known field; did you mean "by"?' },
  ],
  [
    'an array for an object',
    grind('[1]'),
    {
      detail: 'Cannot use the request: the body is an array of 1, expected an object',
    },
  ],
  [
    'JSON that breaks, with where',
    grind('{"by": }'),
    {
      status: 400,
      code: 'BAD_JSON',
      detail: 'Cannot read the body at line 1, column 8: found "}", expected a value',
    },
  ],
  ['an empty body', grind(''), { status: 400, code: 'BAD_JSON' }],
  ['a prototype', grind('{"__proto__": {}}'), { status: 400, code: 'BAD_JSON' }],
  [
    'another type',
    grind('by=1', { 'content-type': 'application/x-www-form-urlencoded' }),
    { status: 415 },
  ],
  ['text', grind('{"by": 1}', { 'content-type': 'text/plain' }), { status: 415 }],
  [
    'a compressed body',
    grind('\u001f\u008b', { 'content-encoding': 'gzip' }),
    {
      status: 415,
      code: 'UNSUPPORTED_MEDIA',
      detail: 'Cannot read the body: its content-encoding is gzip, expected none',
    },
  ],
  ['a body above 1 MB', grind(' '.repeat(1_000_001)), { status: 413, code: 'BODY_TOO_LARGE' }],
])('a body is refused for %s', async (_what, ask, expected) => {
  const answer = await (await start()).inject(ask);
  expect(answer.json()).toMatchObject(expected);
  expect(answer.statusCode).toBe(answer.json().status);
});

test('a body that fits arrives parsed, with what the path names', async () => {
  const answer = await (await start()).inject(grind('{"by": 2}'));
  expect(answer.json()).toEqual({ params: { name: 'x' }, body: { by: 2 } });
});

test('an error inside is logged under the id of its request, and hidden', async () => {
  const logged: unknown[] = [];
  const log = { ...silentLog, error: (...line: unknown[]) => void logged.push(line) };
  const answer = await (await start({ log })).inject('/v1/break');
  expect(answer.body).not.toContain('secret');
  expect(answer.json()).toMatchObject({ status: 500, code: 'INTERNAL' });
  expect(answer.json().requestId).toBe(answer.headers['x-request-id']);
  expect(logged).toMatchObject([['request failed', { request: answer.headers['x-request-id'] }]]);
});

test('probes: alive, ready, and 503 with the reason whatever its own status is', async () => {
  const app = await start();
  expect((await app.inject('/healthz')).json()).toEqual({ status: 'ok', detail: 'Alive' });
  expect((await app.inject('/readyz')).json()).toEqual({ status: 'ready', detail: 'Takes things' });
  const fail = (): never => {
    throw new GristmillError('STORE_DENIED', 'Cannot read the store: access denied');
  };
  const broken = await start({ probes: { ready: fail, alive: fail } });
  const unready = await broken.inject('/readyz');
  expect(unready.statusCode).toBe(503);
  expect(unready.json()).toMatchObject({ status: 503, code: 'STORE_DENIED' });
  expect((await broken.inject('/healthz')).json().code).toBe('STORE_DENIED');
});

test('documentation: every path, no script; what has no JSON is not called JSON', async () => {
  const app = await start();
  const page = await app.inject('/docs');
  for (const { path } of ROUTES) expect(page.body).toContain(path);
  expect(page.headers['content-security-policy']).toContain("default-src 'none'");
  expect(page.body).toContain('204 → no body: removed');
  expect(page.body).toContain('200 → text/plain: why');
  expect(page.body).not.toMatch(/→ any JSON/);
  expect((await app.inject('/')).headers.location).toBe('/docs');
  const { paths } = (await app.inject('/openapi.json')).json();
  expect(paths['/v1/things/{name}:grind'].post.operationId).toBe('putThing');
  expect(Object.keys(paths['/v1/things/{name}'].get.responses['4XX'].content)).toEqual([
    'application/problem+json',
  ]);
});

test('figures: requests by path as documented, unknown ones under one name', async () => {
  const app = await start();
  await app.inject('/v1/things/a');
  await app.inject('/v1/things/b');
  await app.inject('/v1/nothing');
  const page = (await app.inject('/metrics')).body;
  expect(page).toContain(
    'gristmill_http_requests_total{method="GET",route="/v1/things/{name}",code="200"} 2',
  );
  expect(page).toContain(
    'gristmill_http_requests_total{method="GET",route="unknown",code="404"} 1',
  );
  expect(page).toContain('gristmill_build_info{role="test"');
});

test('a service that drains asks its clients to connect anew', async () => {
  const app = await start({ isDraining: () => true });
  expect((await app.inject('/healthz')).headers.connection).toBe('close');
});

const socketTo = async (address: string, text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    let heard = '';
    const socket = connect(Number(new URL(address).port), '127.0.0.1', () => socket.write(text));
    socket.on('data', (bytes) => {
      heard += bytes;
    });
    socket.on('close', () => resolve(heard));
    socket.on('error', reject);
  });

test('close() answers what has come in, tells streams why, and closes idle sockets', async () => {
  const app = await start();
  const address = await listen(app, { host: '127.0.0.1', port: 0 });
  const idle = socketTo(address, '');
  const before = waits.length;
  const waiting = fetch(`${address}/v1/wait`).then((answer) => answer.text());
  while (waits.length === before) await systemClock.sleep(5);
  await app.close();
  expect(await waiting).toBe('Cannot go on: the service stops');
  expect(await idle).toBe('');
});

test('who hangs up is told of by the signal', async () => {
  const app = await start();
  const address = await listen(app, { host: '127.0.0.1', port: 0 });
  const stop = new AbortController();
  const before = waits.length;
  const left = fetch(`${address}/v1/wait`, { signal: stop.signal }).catch(() => 'left');
  while (waits.length === before) await systemClock.sleep(5);
  stop.abort();
  expect(await left).toBe('left');
  const signal = waits.at(-1)!;
  while (!signal.aborted) await systemClock.sleep(5);
  expect((signal.reason as Error).message).toBe('Cannot go on: the client has hung up');
});

test('sockets beyond connectionsMax are closed at once', async () => {
  const app = await start({ connectionsMax: 1 });
  const address = await listen(app, { host: '127.0.0.1', port: 0 });
  const first = connect(Number(new URL(address).port), '127.0.0.1');
  onTestFinished(() => void first.destroy());
  await new Promise((resolve) => first.once('connect', resolve));
  const second = await socketTo(address, 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n').catch(
    () => '',
  );
  expect(second).toBe('');
});

test('bytes that are no HTTP, and headers too large, get a problem and a closed socket', async () => {
  const address = await listen(await start(), { host: '127.0.0.1', port: 0 });
  const nonsense = await socketTo(address, 'nonsense\r\n\r\n');
  expect(nonsense).toMatch(/^HTTP\/1.1 400/);
  expect(JSON.parse(nonsense.split('\r\n\r\n')[1]!).detail).toBe(
    'Cannot read the request: it is no HTTP/1.1 request',
  );
  const large = await socketTo(address, `GET / HTTP/1.1\r\nx: ${'y'.repeat(20_000)}\r\n\r\n`);
  expect(large).toMatch(/^HTTP\/1.1 431/);
});

test('listen() says which port is taken, and which address is not ours', async () => {
  const address = await listen(await start(), { host: '127.0.0.1', port: 0 });
  const { port } = new URL(address);
  await expect(
    listen(await start(), { host: '127.0.0.1', port: Number(port) }),
  ).rejects.toMatchObject({
    code: 'PORT_TAKEN',
    message: `Cannot listen on 127.0.0.1:${port}: the port is taken, expected a free one (GRISTMILL_PORT)`,
  });
  await expect(listen(await start(), { host: '192.0.2.1', port: 0 })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
  });
});
