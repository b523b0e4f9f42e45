// The worker process: does tasks and takes part in training until SIGTERM.
// In: GRISTMILL_* settings. Out: objects in the store; exit 0 after a drain, with one clear error otherwise.
// Why it waits for store, lake and queue: whatever starts first, all of a cluster is up once the last of it is.
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
import { readConfig, SETTINGS } from '../common/settings.ts';
import { seekPlaces } from '../common/sought.ts';
import { watchStore } from '../common/store/health.ts';

import { makeExecute } from './execute.ts';
import { Fetcher } from './fetch.ts';
import { openProbes, watchChild } from './health.ts';
import { makeScratch } from './scratch.ts';
import { startWorker, whyTooSmall } from './supervisor.ts';
import { startTrainingHost } from './train/host.ts';

const clock = systemClock;
const log = makeLog('worker', clock);

async function run(stop: AbortSignal): Promise<void> {
  const config = readConfig('worker', process.env);
  armCrash(config.crash);
  const worker = newWorkerId();
  const numerics = readNumerics();
  log.info('starting', { worker, numerics, ...maskSettings(SETTINGS.worker, config) });
  const memoryBytes = config.memoryMiB * 1024 * 1024;
  const tooSmall = whyTooSmall(memoryBytes);
  if (tooSmall !== undefined)
    log.warn('pulls no tasks: too small for those that are planned', { tooSmall });
  const { host, port } = config;
  const probes = port === null ? undefined : await openProbes({ host, port }, { clock, log });
  if (probes) log.info('listening', { address: probes.address });
  const storeHealth = watchStore(clock);
  const sought = seekPlaces({
    ...{ at: config, name: worker, create: false, health: storeHealth, env: process.env },
    ...{ clock, log, signal: stop, source: sourceOf('GRISTMILL_NATS', process.env) },
  });
  probes?.wait(sought.why);
  await Promise.race([sought.found, untilAborted(stop)]);
  if (stop.aborted) return void (await probes?.close());
  const [store, lake, queue] = await sought.found;
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
  probes?.show({ worker: running, queue, child: watched, tooSmall });
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
