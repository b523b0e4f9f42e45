// What a container's health check makes of an answer, of silence and of settings.
// In: an HTTP server in this process. Out: exit codes and lines.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { run, urlOf } from '../../cli/commands/health.ts';
import type { Context } from '../../cli/context.ts';

async function check(env: Readonly<Record<string, string>>) {
  const lines: string[] = [];
  const out = { line: (text = '') => lines.push(text), note: (text: string) => lines.push(text) };
  const { signal } = new AbortController();
  const exit = await run({ env, out, signal } as unknown as Context, [], {});
  return { exit, said: lines.join('\n') };
}

async function serve(status: number): Promise<string> {
  const server = createServer((request, response) => {
    response.writeHead(request.url === '/healthz' ? status : 404).end('{"status":"x"}');
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  onTestFinished(() => void server.close());
  return String((server.address() as AddressInfo).port);
}

test('health is 0 for 200 and 1 for anything else, also where nobody listens', async () => {
  const GRISTMILL_PORT = await serve(200);
  expect(await check({ GRISTMILL_PORT })).toEqual({
    exit: 0,
    said: `alive: http://127.0.0.1:${GRISTMILL_PORT}/healthz`,
  });
  expect(await check({ GRISTMILL_PORT: await serve(503) })).toMatchObject({
    exit: 1,
    said: expect.stringContaining('answered 503 {"status":"x"}'),
  });
  expect(await check({ GRISTMILL_PORT: '1' })).toMatchObject({
    exit: 1,
    said: expect.stringContaining('ECONNREFUSED'),
  });
});

test.each(['', '0', '-1', '8080x', '123456'])(
  'health is 1 where GRISTMILL_PORT is %o, since Docker reserves 2',
  async (port) => {
    expect(await check({ GRISTMILL_PORT: port })).toMatchObject({
      exit: 1,
      said: expect.stringContaining('GRISTMILL_PORT'),
    });
  },
);

test('urlOf() asks the loopback address of who listens everywhere, else the address it listens on', () => {
  const at = (host: string) => urlOf({ GRISTMILL_HOST: host, GRISTMILL_PORT: '8080' });
  expect(at('0.0.0.0')).toBe('http://127.0.0.1:8080/healthz');
  expect(at('::')).toBe('http://[::1]:8080/healthz');
  expect(at('10.1.2.3')).toBe('http://10.1.2.3:8080/healthz');
  expect(at('fd00::1')).toBe('http://[fd00::1]:8080/healthz');
});
