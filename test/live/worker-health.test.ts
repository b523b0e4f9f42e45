// The probes of worker/main.ts as a real process, while its broker goes away and comes back.
// In: nats-server, a folder as store and lake. Out: what /healthz, /readyz and /metrics answer.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, onTestFinished, test } from 'vitest';
import { findNats, startNats } from '../support/nats.ts';
import { freePort } from '../support/ports.ts';
import { tempFolder } from '../support/runner.ts';

const script = fileURLToPath(new URL('../../worker/main.ts', import.meta.url));

describe.skipIf(!findNats())('with nats-server', () => {
  test('worker/main.ts answers probes: ready, not without its broker, ready again, gone after SIGTERM', async () => {
    await using nats = await startNats();
    const folder = tempFolder();
    const uri = (name: string): string => {
      mkdirSync(join(folder, name));
      return pathToFileURL(join(folder, name)).href;
    };
    const port = await freePort();
    const worker = spawn(process.execPath, [script], {
      stdio: 'ignore',
      env: {
        PATH: process.env.PATH,
        GRISTMILL_NATS: nats.url,
        GRISTMILL_STORE: uri('store'),
        GRISTMILL_LAKE: uri('lake'),
        GRISTMILL_SCRATCH: join(folder, 'scratch'),
        GRISTMILL_THREADS: '1',
        GRISTMILL_PORT: String(port),
      },
    });
    onTestFinished(() => void worker.kill('SIGKILL'));
    const ended = once(worker, 'exit');
    const ask = (path: string): Promise<number> =>
      fetch(`http://127.0.0.1:${port}${path}`).then(
        ({ status }) => status,
        () => 0,
      );
    const becomes = (path: string, status: number): Promise<void> =>
      expect.poll(() => ask(path), { timeout: 20_000 }).toBe(status);

    await becomes('/readyz', 200);
    expect(await ask('/healthz')).toBe(200);
    const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(page).toContain('gristmill_worker_threads 1\n');
    await nats.kill();
    await becomes('/readyz', 503);
    expect(await ask('/healthz')).toBe(200);
    await nats.start();
    await becomes('/readyz', 200);
    worker.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
    expect(await ask('/healthz')).toBe(0);
  });
});
