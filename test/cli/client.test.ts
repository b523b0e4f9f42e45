// The client against the real API over fake jobs: typed answers, one error, a job followed through broken streams.
// In: a server on a free port. Out: what a command would get. Why a socket: fetch, streams and refusals are the point.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ClientError, createClient, type JobNews } from '../../cli/client.ts';
import { exitOf } from '../../cli/failure.ts';
import type { JobId } from '../../common/ids.ts';
import { makeApi, type TestApi } from '../support/api.ts';
import { freePort } from '../support/ports.ts';

let api: TestApi;
let url: string;
beforeAll(async () => {
  api = await makeApi();
  url = await api.app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(() => api.app.close());

const at = (address: string) => ({ url: address, from: '--coordinator' });
const clientOf = (address: string, more: object = {}) =>
  createClient({ coordinator: at(address), gateway: at(address), retryMs: 5, ...more });
const bytes = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));
const job = { specVersion: 1, name: 'trips', dataset: 'trips/*.parquet' };
const caught = (promise: Promise<unknown>): Promise<ClientError> =>
  promise.then(
    () => Promise.reject(new Error('it did not fail')),
    (error: ClientError) => error,
  );

async function serve(
  answer: Parameters<typeof createServer>[1],
): Promise<Server & { url: string }> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return Object.assign(server, {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  });
}

test('createClient() takes addresses as text, as URL, or none for the defaults', async () => {
  expect(await createClient(url).models()).toEqual([]);
  expect(await createClient(new URL(url)).models()).toEqual([]);
  const client = createClient({ coordinator: `${url}/`, gateway: new URL(url) });
  expect(client.schemaUrl).toBe(`${url}/schemas/job.v1.json`);
  const lost = await caught(client.predict('trips', [{ x: 1 }]));
  expect(lost).toMatchObject({ code: 'PATH_UNKNOWN', status: 404 }); // a coordinator predicts nothing
  expect(createClient().schemaUrl).toBe('http://127.0.0.1:8080/schemas/job.v1.json');
  expect(() => createClient('127.0.0.1:8080')).toThrow(
    'Cannot use "127.0.0.1:8080" as coordinator: expected http://host:port',
  );
});

test('submitJob() takes a job or its bytes', async () => {
  const { job: made } = await createClient(url).submitJob({
    ...job,
    specVersion: 1,
    name: 'as-object',
  });
  expect(made.name).toBe('as-object');
});

test('names from outside stay in their place of the path', async () => {
  const error = await caught(clientOf(url).job('../models'));
  expect(error.message).toContain('../models');
  expect(error.code).toBe('NOT_FOUND');
});

test('submitJob() sends the bytes, and says when a key was used before', async () => {
  const client = clientOf(url);
  const first = await client.submitJob(bytes(job), { idempotencyKey: 'k1' });
  const again = await client.submitJob(bytes(job), { idempotencyKey: 'k1' });
  expect(first.isReplayed).toBe(false);
  expect(again).toMatchObject({ isReplayed: true, job: { id: first.job.id } });
  const { jobs } = await client.listJobs({ limit: 10 });
  expect(jobs.map(({ id }) => id)).toContain(first.job.id);
});

test('a refused job is one ClientError with its fields, and exit code 2', async () => {
  const error = await caught(clientOf(url).submitJob(bytes({ ...job, nmae: 'x' })));
  expect(error).toBeInstanceOf(ClientError);
  expect(error).toMatchObject({ code: 'SPEC_INVALID', status: 422 });
  expect(error.errors[0]).toMatchObject({ pointer: '/nmae' });
  expect(error.remedy).toContain('errors');
  expect(exitOf(error)).toBe(2);
});

test('what is not there is 2, what cannot be done now is 1', async () => {
  const client = clientOf(url);
  expect(exitOf(await caught(client.job('j-none')))).toBe(2);
  const { job: made } = await client.submitJob(bytes(job));
  api.jobs.push(made.id as JobId, { kind: 'state', state: 'succeeded' }, { state: 'succeeded' });
  const error = await caught(client.cancelJob(made.id));
  expect(error.code).toBe('CONFLICT');
  expect(exitOf(error)).toBe(1);
});

test('a server that is not there is named with the flag that names it, and what to type', async () => {
  const nobody = `http://127.0.0.1:${await freePort()}`;
  const error = await caught(clientOf(nobody).workers());
  expect(error.message).toBe(
    `Cannot reach the coordinator at ${nobody} (--coordinator): nobody listens there`,
  );
  expect(error.remedy).toContain('gristmill up');
  expect(exitOf(error)).toBe(1);
});

test('a server that is another one is told apart', async () => {
  const page = await serve((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<html>');
  });
  const error = await caught(clientOf(page.url).models());
  expect(error.message).toContain('what answers there is no gristmill coordinator');
  const lost = await caught(clientOf(`${url}/elsewhere`).models());
  expect(lost.code).toBe('PATH_UNKNOWN');
  page.close();
});

test('an aborted signal ends a call, as an interrupt', async () => {
  const stop = new AbortController();
  const silent = await serve(() => {});
  const call = caught(clientOf(silent.url, { signal: stop.signal }).workers());
  setTimeout(() => stop.abort(), 20);
  expect(exitOf(await call)).toBe(130);
  silent.closeAllConnections();
  silent.close();
});

test('followJob() tells each fact once and ends with the last view', async () => {
  const client = clientOf(url);
  const { job: made } = await client.submitJob(bytes(job));
  const id = made.id as JobId;
  const news: JobNews[] = [];
  for await (const one of client.followJob(id)) {
    news.push(one);
    if (news.length === 2) api.jobs.push(id, { kind: 'state', state: 'running' });
    if (one.kind === 'fact' && one.n === 2) {
      api.jobs.push(id, { kind: 'state', state: 'succeeded' }, { state: 'succeeded' });
    }
  }
  expect(news.flatMap((one) => (one.kind === 'fact' ? [one.n] : []))).toEqual([1, 2, 3]);
  expect(news.at(-1)).toMatchObject({ kind: 'view', view: { state: 'succeeded' } });
});

test('followJob() goes on behind the last fact when streams break and servers are away', async () => {
  const asked: (string | undefined)[] = [];
  const fact = (n: number) =>
    `id: ${n}\nevent: fact\ndata: {"formatVersion":1,"at":1,"kind":"state","state":"running"}\n\n`;
  const server = await serve((request, response) => {
    if (!request.url?.endsWith('/events')) {
      const state = asked.length < 4 ? 'running' : 'succeeded';
      response.end(JSON.stringify({ id: 'j-1', state }));
      return;
    }
    asked.push(request.headers['last-event-id'] as string | undefined);
    response.writeHead(asked.length === 2 ? 503 : 200, { 'content-type': 'text/event-stream' });
    switch (asked.length) {
      case 1:
        response.write(`retry: 1000\n\n${fact(1)}`);
        response.write(fact(2).slice(0, 20));
        setTimeout(() => response.destroy(), 10);
        return;
      case 2:
        return void response.end(JSON.stringify({ code: 'STORE_UNAVAILABLE', detail: 'away' }));
      case 3:
        return void response.end(fact(1) + fact(2));
      default:
        return void response.end(': still here\n\n');
    }
  });
  const news: JobNews[] = [];
  for await (const one of clientOf(server.url).followJob('j-1')) news.push(one);
  expect(asked).toEqual([undefined, '1', '1', '2']);
  expect(news.map(({ kind }) => kind)).toEqual(['fact', 'away', 'away', 'fact', 'view']);
  server.closeAllConnections();
  server.close();
});

test('followJob() gives up on a server that stays away, and at once on a job that is not there', async () => {
  const all = async (client: ReturnType<typeof clientOf>) => {
    for await (const one of client.followJob('j-none')) expect(one.kind).toBe('away');
  };
  expect((await caught(all(clientOf(url)))).code).toBe('NOT_FOUND');
  const away = clientOf(`http://127.0.0.1:${await freePort()}`, { awayMsMax: 20 });
  expect((await caught(all(away))).code).toBe('SERVER_UNREACHABLE');
});

test('moveAlias() waits for a promotion until it is decided, through a coordinator that is away', async () => {
  const place = { name: 'trips', environment: 'dev', alias: 'champion' };
  const begun = { id: 'p-1', model: 'trips', environment: 'dev', alias: 'champion', version: 2 };
  const view = { ...begun, seen: 1, startedAt: 1, state: 'deciding', entry: null, problem: null };
  const entry = { ...begun, entry: 2, kind: 'moved', candidate: 2, evidence: null, by: {}, at: 2 };
  const problem = { code: 'GATE_REFUSED', status: 409, detail: 'the gate refused it', remedy: 'r' };
  const ends = [
    { ...view, state: 'moved', entry },
    { ...view, state: 'refused', entry: { ...entry, kind: 'refused' }, problem },
  ];
  for (const end of ends) {
    const looks = [view, null, view, end];
    const asked: string[] = [];
    const server = await serve((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      const answer = request.method === 'PUT' ? view : looks.shift();
      if (answer === null) return void response.destroy();
      const status = request.method === 'PUT' ? 202 : 200;
      response.writeHead(status, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer));
    });
    const moved = clientOf(server.url).moveAlias(place, { version: 2, seen: 1 });
    if (end.state === 'moved') expect(await moved).toEqual(entry);
    else expect(await caught(moved)).toMatchObject({ code: 'GATE_REFUSED', status: 409 });
    const at = '/v1/models/trips/environments/dev/aliases/champion';
    expect(asked).toEqual([`PUT ${at}`, ...Array(4).fill(`GET ${at}/promotions/p-1`)]);
    server.close();
  }
});
