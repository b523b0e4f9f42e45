// The worker process: does tasks and takes part in training until SIGTERM.
// In: GRISTMILL_* settings. Out: objects in the store; exit 0 after a drain, 1 with one clear error.
import '../common/io-threads.ts';
import { rm } from 'node:fs/promises';
import { startChild } from '../common/child/host.ts';
import { systemClock } from '../common/clock.ts';
import { describeSettings, maskSettings, sourceOf } from '../common/config.ts';
import { armCrash } from '../common/crash.ts';
import { readNumerics } from '../common/engine/numerics.ts';
import { newWorkerId } from '../common/ids.ts';
import { runProgram, untilAborted } from '../common/lifecycle.ts';
import { makeLog } from '../common/log.ts';
import { openJetStream } from '../common/queue/jetstream.ts';
import { readConfig, SETTINGS } from '../common/settings.ts';
import { watchStore } from '../common/store/health.ts';
import { openStore } from '../common/store/open.ts';
import { selfTest } from '../common/store/store.ts';

import { makeExecute } from './execute.ts';
import { Fetcher } from './fetch.ts';
import { openProbes, watchChild } from './health.ts';
import { makeScratch } from './scratch.ts';
import { startWorker } from './supervisor.ts';
import { startTrainingHost } from './train/host.ts';

const clock = systemClock;
const log = makeLog('worker', clock);

async function run(stop: AbortSignal): Promise<void> {
  const config = readConfig('worker', process.env);
  armCrash(config.crash);
  const worker = newWorkerId();
  const numerics = readNumerics();
  log.info('starting', { worker, numerics, ...maskSettings(SETTINGS.worker, config) });
  const { host, port } = config;
  const probes = port === null ? undefined : await openProbes({ host, port }, { clock, log });
  if (probes) log.info('listening', { address: probes.address });
  const memoryBytes = config.memoryMiB * 1024 * 1024;
  const storeHealth = watchStore(clock);
  const store = await openStore(config.store, process.env, { health: storeHealth });
  await selfTest(store, worker);
  const lake = await openStore(config.lake, process.env);
  const queue = await openJetStream({
    servers: config.nats,
    source: sourceOf('GRISTMILL_NATS', process.env),
    name: `gristmill-${worker}`,
    log,
  });
  const scratch = await makeScratch(config.scratch, worker);
  const child = startChild({
    thread: new URL('./thread.ts', import.meta.url),
    resident: new URL('./train/resident.ts', import.meta.url),
    threads: config.threads,
    memoryBytes,
    clock,
    log,
  });
  const watched = watchChild(child);
  const running = startWorker({
    worker,
    numerics,
    threads: config.threads,
    memoryBytes,
    queue,
    store,
    storeHealth,
    clock,
    log,
    training: startTrainingHost({ worker, queue, store, child, clock, scratch, log, numerics }),
    execute: watched.watching(makeExecute(child, new Fetcher({ store, lake, scratch }), clock)),
  });
  probes?.show({ worker: running, queue, child: watched });
  log.info('working', { worker });

  await untilAborted(stop);
  await running.stop();
  await probes?.close();
  await child.close();
  await queue.close();
  await Promise.all([store.close(), lake.close()]);
  await rm(scratch, { recursive: true, force: true });
  log.info('stopped', { worker });
}

const help = `Does tasks and takes part in training.\n\nSettings:\n${describeSettings(SETTINGS.worker)}`;
await runProgram({ help, log, run });
