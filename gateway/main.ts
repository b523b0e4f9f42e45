// The gateway process: serves the aliases of one environment until SIGTERM.
// In: GRISTMILL_* settings. Out: HTTP; exit 0 after a drain, 1 with one clear error where it cannot start.
// Why it waits for nobody at its start: what scratch holds is served while the store is still away.
import { startChild } from '../common/child/host.ts';
import { systemClock } from '../common/clock.ts';
import { describeSettings, maskSettings } from '../common/config.ts';
import { listen } from '../common/http/listen.ts';
import { runProgram, untilAborted } from '../common/lifecycle.ts';
import { LIMITS } from '../common/limits.ts';
import { makeLog } from '../common/log.ts';
import type { Bus } from '../common/queue/bus.ts';
import { openJetStream } from '../common/queue/jetstream.ts';
import { refusedSamples } from '../common/queue/refused.ts';
import { readConfig, SETTINGS } from '../common/settings.ts';
import { storeLater } from '../common/store/later.ts';
import { openStore } from '../common/store/open.ts';

import { Files } from './files.ts';
import { Gateway } from './gateway.ts';
import { followHints } from './hints.ts';
import { Metrics } from './metrics.ts';
import { makeServer } from './server.ts';

const clock = systemClock;
const log = makeLog('gateway', clock);

async function run(stop: AbortSignal): Promise<void> {
  const config = readConfig('gateway', process.env);
  log.info('starting', maskSettings(SETTINGS.gateway, config));
  const { environment, nats } = config;
  const child = {
    thread: new URL('./thread.ts', import.meta.url),
    threads: 1,
    memoryBytes: config.memoryMiB * 2 ** 20,
    clock,
    log,
  };
  const store = storeLater(config.store, () => openStore(config.store, process.env));
  const metrics = new Metrics();
  const gateway = new Gateway({
    environment,
    store,
    files: await Files.open(config.scratch, environment),
    seats: config.threads,
    startChild: () => startChild(child),
    clock,
    log,
    metrics,
  });
  const app = await makeServer(gateway, { clock, log });
  log.info('listening', { address: await listen(app, config) });
  await gateway.start();
  if (nats !== '') {
    let bus: Pick<Bus, 'refused'> | undefined;
    metrics.service.read(() => refusedSamples(bus?.refused() ?? new Map()));
    const at = { servers: nats, source: 'GRISTMILL_NATS' };
    const open = async () => {
      const queue = await openJetStream({ ...at, name: 'gristmill-gateway', log });
      bus = queue;
      return queue;
    };
    const onMoved = (model: string, alias: string): void => gateway.hint(model, alias);
    void followHints({ environment, open, clock, log, onMoved }, stop);
  }

  await untilAborted(stop);
  gateway.drain(); // readiness says 503 first, so that nobody new is sent here
  await clock.sleep(LIMITS.drainNoticeMs);
  await app.close(); // waits for the requests that have come in
  await gateway.close();
  await store.close();
  log.info('stopped');
}

const help = `The gateway serves the aliases of one environment.\n\n${describeSettings(SETTINGS.gateway)}`;
await runProgram({ help, log, run });
