// worker/main.ts as it is started: with plain node, real NATS, a folder as store and lake, engines in its child.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../common/clock.ts';
import { readNumerics } from '../../common/engine/numerics.ts';
import { digestOf, sha256Hex } from '../../common/ids.ts';
import { silentLog } from '../../common/log.ts';
import { openJetStream } from '../../common/queue/jetstream.ts';
import type { Program } from '../../common/stage/stages.ts';
import { openStore } from '../../common/store/open.ts';
import { createJson } from '../../common/store/store.ts';
import { programKey } from '../../common/wire/task.ts';
import { runTasks } from '../../coordinator/dispatch/offer.ts';
import { watchWorkers } from '../../coordinator/dispatch/workers.ts';
import { findNats, startNats } from '../support/nats.ts';
import { makeTask } from '../support/tasks.ts';

const script = fileURLToPath(new URL('../../worker/main.ts', import.meta.url));

test('worker/main.ts refuses a misspelt setting with the nearest one', async () => {
  const { output, code } = await runWorker({ GRISTMILL_TREADS: '2' }).ended;
  expect(code).toBe(2);
  expect(output).toContain('GRISTMILL_THREADS');
});

test('worker/main.ts without a store to work for ends as a wrong setting does', async () => {
  const { output, code } = await runWorker({}).ended;
  expect(code).toBe(2);
  expect(output).toContain('Cannot start without GRISTMILL_STORE');
});

test('worker/main.ts --help lists every setting', async () => {
  const { output, code } = await runWorker({}, ['--help']).ended;
  expect(code).toBe(0);
  expect(output).toMatch(/GRISTMILL_NATS.*GRISTMILL_MEMORY/s);
});

describe.skipIf(!findNats())('with nats-server', () => {
  test('worker/main.ts beats, runs tasks in its child, and leaves on SIGTERM', async () => {
    await using nats = await startNats();
    const folder = await mkdtemp(join(tmpdir(), 'gristmill-worker-'));
    for (const name of ['store', 'lake']) await mkdir(join(folder, name));
    const uri = (name: string): string => pathToFileURL(join(folder, name)).href;
    const queue = await openJetStream({
      servers: nats.url,
      source: 'the test',
      name: 'test',
      log: silentLog,
    });
    const store = await openStore(uri('store'), {});
    const workers = watchWorkers(queue, systemClock);
    const running = runWorker({
      GRISTMILL_NATS: nats.url,
      GRISTMILL_STORE: uri('store'),
      GRISTMILL_LAKE: uri('lake'),
      GRISTMILL_SCRATCH: join(folder, 'scratch'),
      GRISTMILL_THREADS: '2',
    });
    await expect.poll(() => workers.live().length, { timeout: 30_000 }).toBe(1);
    expect(workers.live()[0]).toMatchObject({
      numerics: readNumerics(),
      threads: 2,
      draining: false,
    });

    const model = new TextEncoder().encode('no model');
    const sha256 = sha256Hex(model);
    await store.create('blob', model);
    const program: Program = {
      formatVersion: 1,
      kind: 'score',
      model: { key: 'blob', sha256, bytes: model.length },
      signature: { inputs: [], label: 'binary', codes: [], numbers: [] },
      where: { after: null, upTo: null },
      slices: [],
    };
    const digest = digestOf(program);
    await createJson(store, programKey(digest), program);
    const over = { stage: 'evaluate', program: digest, numerics: readNumerics() } as const;
    const task = makeTask('x', over);
    const signal = new AbortController().signal;
    await expect(
      runTasks({
        tasks: [task],
        queue,
        store,
        workers,
        signal,
        clock: systemClock,
        log: silentLog,
      }),
    ).rejects.toMatchObject({ message: expect.stringContaining(task.task.slice(0, 12)) });
    expect(await store.listNames(`failures/${task.task}/`)).toEqual(['1.json']);

    running.stop();
    expect((await running.ended).code).toBe(0);
    expect(await readdir(join(folder, 'scratch', 'worker'))).toEqual([]);
    await queue.close();
    await rm(folder, { recursive: true, force: true });
  });
});

function runWorker(env: Record<string, string>, args: readonly string[] = []) {
  const child = spawn(process.execPath, [script, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, ...env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const ended = once(child, 'close').then(([code]) => ({ code: code as number, output }));
  return { ended, stop: () => child.kill('SIGTERM') };
}
