// Files that are made from others, held to what they are made from. In: both services. Out: the file as it should be.
// Why a snapshot: `vitest --update` writes what has changed, and a review sees it.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../../common/clock.ts';
import { silentLog } from '../../common/log.ts';
import { type OpenApi, typesOf } from '../../deploy/openapi/types.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import { Metrics } from '../../gateway/metrics.ts';
import { makeServer } from '../../gateway/server.ts';
import { makeApi } from '../support/api.ts';
import { root } from './tree.ts';

const HEADER = `// Generated from both services' /openapi.json by deploy/openapi/types.ts; test/house/generated.test.ts holds it current.
// In: nothing. Out: every call of both services: its types, and where it goes. Do not edit: change the schemas, then run
// "npx vitest run test/house/generated.test.ts --update".`;

test("cli/api.ts is what the services' OpenAPI says", async () => {
  const { app } = await makeApi();
  const gateway = await makeServer({ isDraining: false, metrics: new Metrics() } as Gateway, {
    clock: systemClock,
    log: silentLog,
  });
  const text = typesOf(HEADER, [
    { name: 'coordinator', api: await openApiOf(app) },
    { name: 'gateway', api: await openApiOf(gateway) },
  ]);
  await Promise.all([app.close(), gateway.close()]);
  await expect(formatted(text)).toMatchFileSnapshot(join(root, 'cli/api.ts'));
});

async function openApiOf(app: {
  inject(url: string): Promise<{ json(): unknown }>;
}): Promise<OpenApi> {
  return (await app.inject('/openapi.json')).json() as OpenApi;
}

function formatted(text: string): string {
  const biome = join(root, 'node_modules/.bin/biome');
  const args = ['format', '--stdin-file-path=cli/api.ts'];
  const { stdout, stderr, status } = spawnSync(biome, args, {
    cwd: root,
    input: text,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`biome cannot format cli/api.ts: ${stderr}`);
  return stdout;
}
