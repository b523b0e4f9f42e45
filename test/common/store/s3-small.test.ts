// Small objects over plain HTTP: what is sent, and what answers mean. Signatures are checked by a real MinIO (test/live).
import * as http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PassingError } from '../../../common/store/s3-errors.ts';
import { type S3Small, smallObjects } from '../../../common/store/s3-small.ts';
import { createTestClock } from '../../support/clock.ts';

type Answer = { status: number; body?: string; headers?: Record<string, string> };

const agent = new http.Agent({ keepAlive: true });
let answer: Answer;
let asked: http.IncomingMessage[] = [];
let server: http.Server;
let small: S3Small;
let regions = 0;

beforeAll(async () => {
  server = http.createServer((request, response) => {
    asked.push(request);
    request.resume().on('end', () => {
      response.writeHead(answer.status, answer.headers).end(answer.body);
    });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  small = smallObjects({
    endpoint: new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}`),
    bucket: 'b',
    agent,
    timeoutMs: 200,
    clock: createTestClock(),
    region: async () => `region-${++regions}`,
    credentials: { accessKey: 'AK', secretKey: 'SK', sessionToken: 'ST' },
  });
});
afterAll(() => {
  agent.destroy();
  server.close();
});

const given = (next: Answer): void => {
  answer = next;
  asked = [];
};

test('smallObjects() signs for one region, over one connection, and gives back bytes and headers', async () => {
  given({ status: 200, body: 'content', headers: { etag: '"e"' } });
  for (let i = 0; i < 3; i++) {
    const { bytes, headers } = await small.get("a b/ü(1)'.json");
    expect([new TextDecoder().decode(bytes), headers.etag]).toEqual(['content', '"e"']);
  }
  expect(asked.map(({ url }) => url)).toEqual(Array(3).fill('/b/a%20b/%C3%BC%281%29%27.json'));
  expect(new Set(asked.map(({ socket }) => socket)).size).toBe(1);
  expect(asked[0]!.headers.authorization).toMatch(
    /^AWS4-HMAC-SHA256 Credential=AK\/\d{8}\/region-1\/s3\/aws4_request, SignedHeaders=host;.*;x-amz-security-token, Signature=[0-9a-f]{64}$/,
  );
  expect(regions).toBe(1);
});

test('create() asks for a free key, and says what its bytes are', async () => {
  given({ status: 200 });
  await small.create('k', new TextEncoder().encode('x'));
  expect(asked[0]).toMatchObject({
    method: 'PUT',
    headers: { 'if-none-match': '*', 'content-length': '1', 'content-md5': expect.any(String) },
  });
});

const xml = (code: string): string => `<Error><Code>${code}</Code><Message>why</Message></Error>`;

test.each<[Answer, object]>([
  [
    { status: 404, body: xml('NoSuchKey') },
    { code: 'NoSuchKey', message: 'why' },
  ],
  [{ status: 404, body: xml('NoSuchBucket') }, { code: 'NoSuchBucket' }],
  [{ status: 412, body: xml('PreconditionFailed') }, { code: 'PreconditionFailed' }],
  [{ status: 412 }, { code: 'PreconditionFailed' }],
  [{ status: 409 }, { code: 'ConditionalRequestConflict' }],
  [{ status: 403, body: xml('SignatureDoesNotMatch') }, { code: 'SignatureDoesNotMatch' }],
  [
    { status: 418, body: 'tea' },
    { code: '', name: 'S3Error' },
  ],
])('get() of %j throws %j', async (status, error) => {
  given(status);
  await expect(small.get('k')).rejects.toMatchObject(error);
});

test('get() calls what may pass by its name: busy, silent', async () => {
  given({ status: 503, body: xml('SlowDown') });
  await expect(small.get('k')).rejects.toThrow(PassingError);
});

test('head() has no words to go by', async () => {
  given({ status: 404 });
  await expect(small.head('k')).rejects.toMatchObject({ code: 'NotFound' });
  given({ status: 200, headers: { 'content-length': '9' } });
  expect(await small.head('k')).toMatchObject({ 'content-length': '9' });
});
