// Coordinator and worker that start before their queue or their store: they say what they wait for, and work once it is there.
// In: the line as real processes; NATS, or MinIO, started after them. Out: probes in words, 503 meanwhile, a job that succeeds.
import { describe, expect, test } from 'vitest';
import { type Line, startLine } from '../support/line.ts';
import { findMinio, startMinio } from '../support/minio.ts';
import { findNats } from '../support/nats.ts';
import { freePort } from '../support/ports.ts';

type Answer = {
  readonly status: number;
  readonly text: string;
  readonly retryAfter: string | null;
};

async function ask(url: string, init: RequestInit = {}): Promise<Answer> {
  try {
    const response = await fetch(url, init);
    const retryAfter = response.headers.get('retry-after');
    return { status: response.status, text: await response.text(), retryAfter };
  } catch {
    return { status: 0, text: '', retryAfter: null };
  }
}

/** Kills coordinator and worker, takes `away` what they need, and starts them again; tells where each is asked. */
async function startWithout(line: Line, away: () => Promise<void>): Promise<readonly string[]> {
  await Promise.all([line.kill('coordinator'), line.kill('worker1')]);
  await away();
  const port = String(await freePort());
  line.start('coordinator', 'coordinator');
  line.start('worker1', 'worker', { GRISTMILL_PORT: port });
  return [line.coordinatorUrl, `http://127.0.0.1:${port}`];
}

async function untilWaiting(urls: readonly string[], what: RegExp): Promise<void> {
  const waits = { status: 503, text: expect.stringMatching(what), retryAfter: expect.any(String) };
  for (const url of urls) {
    await expect
      .poll(() => ask(`${url}/healthz`), { timeout: 30_000 })
      .toMatchObject({ status: 200 });
    await expect.poll(() => ask(`${url}/readyz`), { timeout: 60_000 }).toMatchObject(waits);
  }
}

async function untilWorking(line: Line, urls: readonly string[]): Promise<void> {
  for (const url of urls) {
    await expect
      .poll(() => ask(`${url}/readyz`), { timeout: 60_000 })
      .toMatchObject({ status: 200 });
  }
  const job = await line.submit();
  expect((await line.finish(job)).state).toBe('succeeded');
}

const small = { months: 3 };

describe.skipIf(!findNats())('with nats-server', () => {
  test('without NATS they are alive, wait for it by name, and take it up once it is there', async () => {
    await using line = await startLine(small);
    const urls = await startWithout(line, () => line.nats.kill());
    await untilWaiting(urls, /queue at nats:\/\/127\.0\.0\.1/);
    expect(await ask(`${line.coordinatorUrl}/v1/jobs`)).toMatchObject({ status: 200 });
    await line.nats.start();
    await untilWorking(line, urls);
  });

  test('one that waits leaves at once on SIGTERM', async () => {
    await using line = await startLine(small);
    const urls = await startWithout(line, () => line.nats.kill());
    await untilWaiting(urls, /queue at/);
    for (const name of ['coordinator', 'worker1']) {
      const running = line.process(name);
      const ended = new Promise((resolve) => running.once('exit', resolve));
      running.kill('SIGTERM');
      expect(await ended).toBe(0);
    }
  });
});

describe.skipIf(!findNats() || !findMinio())('with nats-server and MinIO', () => {
  test('without the store they are alive and wait for it; a job is refused for now, and taken once it is there', async () => {
    await using minio = (await startMinio())!;
    await using line = await startLine({
      ...small,
      storeUri: 's3://late/store',
      lakeUri: 's3://late/lake',
      env: minio.env,
    });
    const urls = await startWithout(line, () => minio.kill());
    await untilWaiting(urls, /store at s3:\/\/late\/store/);
    const refused = await ask(`${line.coordinatorUrl}/v1/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"specVersion": 1, "name": "early", "dataset": "trips/*.parquet"}',
    });
    expect(refused).toMatchObject({
      status: 503,
      retryAfter: expect.any(String),
      text: expect.stringMatching(/STORE_UNAVAILABLE|NOT_WORKING/),
    });
    await minio.restart();
    await untilWorking(line, urls);
  });
});
