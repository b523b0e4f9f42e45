// The gateway process: serves the aliases of one environment until SIGTERM.
// In: GRISTMILL_* settings. Out: HTTP; exit 0 after a drain, 1 with one clear error where it cannot start.
// Why it never waits for anybody at its start: what scratch holds is served while the store is still away.
import { startChild } from '../common/child/host.ts';
import { systemClock } from '../common/clock.ts';
import { CODES, toWireError } from '../common/errors.ts';
import { LIMITS } from '../common/limits.ts';
import { makeLog } from '../common/log.ts';
import { openJetStream } from '../common/queue/jetstream.ts';
import { openStore } from '../common/store/open.ts';
import { readConfig, SETTINGS } from './config.ts';
import { Files } from './files.ts';
import { Gateway } from './gateway.ts';
import { followHints } from './hints.ts';
import { Metrics } from './metrics.ts';
import { listen, makeServer } from './server.ts';
import { openLater } from './store.ts';

const clock = systemClock;
const log = makeLog('gateway', clock);

async function main(): Promise<void> {
  const config = readConfig(process.env);
  log.info('starting', { ...config, nats: config.nats.replace(/\/\/[^@/]*@/, '//***@') });
  const child = {
    thread: new URL('./thread.ts', import.meta.url),
    threads: 1,
    memoryBytes: Math.floor(config.memoryBytes / config.threads),
    clock,
    log,
  };
  const store = openLater(config.store, () => openStore(config.store, process.env));
  const gateway = new Gateway({
    environment: config.environment,
    store,
    files: await Files.open(config.scratch, config.environment),
    seats: config.threads,
    startChild: () => startChild(child),
    clock,
    log,
    metrics: new Metrics(),
  });
  const app = await makeServer(gateway, log);
  const address = await listen(app, config);
  log.info('listening', { address });
  const stop = new AbortController();
  await gateway.start();
  if (config.nats !== '') void followHints(hintOptions(config, gateway), stop.signal);

  await signalled();
  log.info('draining', { noticeMs: LIMITS.drainNoticeMs });
  gateway.drain(); // readiness says 503 first, so that nobody new is sent here
  await clock.sleep(LIMITS.drainNoticeMs);
  await app.close(); // waits for the requests that have come in
  stop.abort();
  await gateway.close();
  await store.close();
  log.info('stopped');
}

function hintOptions(
  { nats, environment }: { nats: string; environment: string },
  gateway: Gateway,
): Parameters<typeof followHints>[0] {
  const source = 'GRISTMILL_NATS';
  const open = () => openJetStream({ servers: nats, source, name: 'gristmill-gateway', log });
  const onMoved = (model: string, alias: string): void => gateway.hint(model, alias);
  return { environment, open, clock, log, onMoved };
}

const signalled = (): Promise<void> =>
  new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
  });

if (process.argv.includes('--help')) {
  for (const [name, setting] of Object.entries(SETTINGS)) {
    const standard = 'default' in setting && setting.default ? ` (${setting.default})` : '';
    process.stdout.write(`${name.padEnd(24)}${setting.help}${standard}\n`);
  }
} else {
  await main().then(
    () => process.exit(0),
    (error: unknown) => {
      const { code, message } = toWireError(error);
      log.error('cannot run', { code, error: message, remedy: CODES[code].remedy });
      process.exit(1);
    },
  );
}
