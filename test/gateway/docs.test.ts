import { expect, test } from 'vitest';
import { systemClock } from '../../common/clock.ts';
import { CODES } from '../../common/errors.ts';
import { silentLog } from '../../common/log.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import { Metrics } from '../../gateway/metrics.ts';
import { makeServer } from '../../gateway/server.ts';

test('GET /docs of the gateway shows every path and every code, and runs no script', async () => {
  const app = await makeServer({ isDraining: false, metrics: new Metrics() } as Gateway, {
    clock: systemClock,
    log: silentLog,
  });
  const page = await app.inject('/docs');
  const { paths, tags } = (await app.inject('/openapi.json')).json();
  expect(Object.keys(paths).length).toBeGreaterThan(5);
  for (const path of Object.keys(paths)) expect(page.body).toContain(path);
  for (const operation of Object.values<Record<string, { tags: string[] }>>(paths).flatMap(
    Object.values,
  )) {
    expect(tags.map(({ name }: { name: string }) => name)).toEqual(
      expect.arrayContaining(operation.tags),
    );
  }
  for (const code of Object.keys(CODES)) expect(page.body).toContain(code);
  expect(page.body).not.toMatch(/<script|https?:\/\/(?!127)/);
  expect(page.headers['content-security-policy']).toContain("default-src 'none'");
  expect((await app.inject('/')).headers.location).toBe('/docs');
});
