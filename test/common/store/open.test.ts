import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { systemClock } from '../../../common/clock.ts';
import { openStore } from '../../../common/store/open.ts';
import { bytesOf } from './contract.ts';

const quick = { ...systemClock, sleep: async () => {} };

test('openStore() opens memory: and file:', async () => {
  expect((await openStore('memory:', {})).uri).toBe('memory:');
  const folder = await mkdtemp(join(tmpdir(), 'gristmill open #%-'));
  const uri = pathToFileURL(folder).href;
  const store = await openStore(uri, {});
  expect(store.uri).toBe(uri);
  expect(await store.create('k', bytesOf('x'))).toBe('created');
  await rm(folder, { recursive: true });
});

test.each([
  ['/plain/path', {}, 'CONFIG_INVALID'],
  ['http://bucket/x', {}, 'CONFIG_INVALID'],
  ['file://host/x', {}, 'CONFIG_INVALID'],
  ['file:///no/such/folder', {}, 'STORE_UNAVAILABLE'],
  ['s3://', {}, 'CONFIG_INVALID'],
  ['s3://UPPER/x', {}, 'CONFIG_INVALID'],
  ['s3://bucket/../x', {}, 'INPUT_OUTSIDE'],
  ['s3://key:secret@bucket/x', {}, 'CONFIG_INVALID'],
  ['s3://bucket', { AWS_ENDPOINT_URL: 'localhost:9000' }, 'CONFIG_INVALID'],
  ['s3://bucket', { AWS_ENDPOINT_URL: 'http://host/path' }, 'CONFIG_INVALID'],
  ['s3://bucket', { AWS_ACCESS_KEY_ID: 'k' }, 'CONFIG_INVALID'],
])('openStore() refuses %s with %o as %s', async (uri, env, code) => {
  const error = await openStore(uri, env).catch((error: Error) => error);
  expect(error).toMatchObject({ code });
  expect(String(error)).not.toContain('secret@');
});

test('openStore() names the address that does not answer and where it was found', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((done) => server.once('listening', done));
  const { port } = server.address() as { port: number };
  await new Promise((done) => server.close(done));
  const env = {
    AWS_ENDPOINT_URL: 'http://unused',
    AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}`,
  };
  await expect(openStore('s3://lake/x', env, { clock: quick })).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message:
      `Cannot open s3://lake/x: http://127.0.0.1:${port} (from AWS_ENDPOINT_URL_S3) says ` +
      `connect ECONNREFUSED 127.0.0.1:${port}, expected an S3 store that answers`,
  });
});
