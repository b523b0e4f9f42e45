// The coordinator process: takes jobs over HTTP and sees them to their end, until SIGTERM.
// In: GRISTMILL_* settings. Out: HTTP; records in the store; exit 0, or with one clear error where it cannot start.
// Why it can be killed at any time: everything it knows is in the store, and it reads that when it starts. It answers
// before store, lake and queue are there, says which it waits for, and works once they are.
import '../common/io-threads.ts';
import { mkdir } from 'node:fs/promises';
import { startChild } from '../common/child/host.ts';
import { systemClock } from '../common/clock.ts';
import { describeSettings, maskSettings, sourceOf } from '../common/config.ts';
import { listen } from '../common/http/listen.ts';
import { runProgram, untilAborted } from '../common/lifecycle.ts';
import { makeLog } from '../common/log.ts';
import { withoutSecrets } from '../common/queue/jetstream/connection.ts';
import { queueLater } from '../common/queue/later.ts';
import { refusedSamples } from '../common/queue/refused.ts';
import { seek } from '../common/seek.ts';
import { readConfig, SETTINGS } from '../common/settings.ts';
import { seekPlaces } from '../common/sought.ts';
import { watchStore } from '../common/store/health.ts';
import { storeLater } from '../common/store/later.ts';
import { buildServer } from './api/server.ts';
import { triggerSamples } from './api/triggers.ts';
import { watchWorkers } from './dispatch/workers.ts';
import { promote, registryOf } from './hearing/hearing.ts';
import { jobSamples } from './job/figures.ts';
import { JobService } from './job/service.ts';
import { readFooter } from './snapshot/footer.ts';
import { cachedFooters } from './snapshot/snapshot.ts';
import type { Machinery } from './stage/context.ts';
import { makeSurveyor } from './survey/survey.ts';
import { Tally } from './tally.ts';
import { TriggerService } from './trigger/service.ts';

/** Jobs that run side by side; the rest wait their turn in order of submission. */
const JOBS_AT_ONCE = 4;
/** Threads of the child that parses: footers are read eight at a time, and parsing one takes milliseconds. */
const PARSE_THREADS = 2;

const clock = systemClock;
const log = makeLog('coordinator', clock);

async function run(stop: AbortSignal): Promise<void> {
  const config = readConfig('coordinator', process.env);
  log.info('starting', maskSettings(SETTINGS.coordinator, config));
  const tally = new Tally();
  const storeHealth = watchStore(clock, ({ code }) => tally.storeFailed(code));
  const common = { clock, log, signal: stop };
  const sought = seekPlaces({
    ...{ ...common, at: config, name: 'coordinator', create: true },
    ...{ health: storeHealth, env: process.env, source: sourceOf('GRISTMILL_NATS', process.env) },
  });
  const store = storeLater(config.store, async () => sought.store.get());
  const lake = storeLater(config.lake, async () => sought.lake.get());
  const queue = queueLater(withoutSecrets(config.nats), sought.queue);
  await mkdir(config.scratch, { recursive: true });
  const child = startChild({
    thread: new URL('./thread.ts', import.meta.url),
    threads: PARSE_THREADS,
    memoryBytes: config.memoryMiB * 1024 * 1024,
    clock,
    log,
  });
  const workers = watchWorkers(queue, clock);
  const machinery: Machinery = {
    tally,
    store,
    storeHealth,
    lake,
    queue,
    clock,
    workers,
    child,
    scratch: config.scratch,
    log,
    readFooter: cachedFooters((object) =>
      readFooter(lake, object, { child, scratch: config.scratch }),
    ),
  };
  const jobs = new JobService(machinery, { jobsAtOnce: JOBS_AT_ONCE });
  const triggers = new TriggerService({ store, jobs, clock, log });
  const app = await buildServer({
    jobs,
    triggers,
    samples: () => [
      ...tally.samples(),
      ...triggerSamples(triggers.counts),
      ...jobSamples(jobs.figures(), clock.now()),
      ...refusedSamples(queue.refused()),
    ],
    storeHealth,
    waitsFor: sought.why,
    workers,
    queue,
    clock,
    log,
    registry: registryOf(machinery),
    surveyDataset: makeSurveyor(machinery),
    promote: (promotion) => promote(machinery, promotion),
  });
  log.info('listening', { address: await listen(app, config) });

  const startJobs = async (): Promise<void> => {
    await sought.store.found;
    const open = () => jobs.start();
    await seek({ ...common, what: 'the jobs in the store', open }).found;
    triggers.start();
  };
  const works = Promise.all([startJobs(), sought.found]);
  works.then(() => log.info('working')).catch(() => {});
  await Promise.race([works.then(() => untilAborted(stop)), untilAborted(stop)]);
  await triggers.close();
  await jobs.close();
  await app.close();
  workers.close();
  await child.close();
  await queue.close();
  await Promise.all([store.close(), lake.close()]);
  log.info('stopped');
}

const help = `The coordinator takes jobs over HTTP and sees them to their end.\n\nSettings:\n${describeSettings(SETTINGS.coordinator)}`;
await runProgram({ help, log, run });
