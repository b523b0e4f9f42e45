// `npm start`: the cluster, kept running until Ctrl-C, on the objects of the last quickstart or on an empty store.
// In: `--stop`, `--store minio`, signals. Out: addresses; everything stopped at the end.
// Why on the last quickstart's folder: all state is objects, so a cluster started anew carries on where that one was.
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { getMinio, getNatsServer } from '../binaries.mjs';
import { home } from '../bootstrap.mjs';
import { startCluster } from './cluster.ts';
import { untilSignal } from './signals.ts';
import { readLast, readRunning, stopRunning, writeLast, writeRunning } from './state.ts';

const HELP = `npm start -- [options]

Runs NATS, coordinator, worker and gateway on the objects of the last quickstart, or on an empty
store below .gristmill/, until Ctrl-C.

  --workers N     that many workers (1)
  --store minio   begin with an empty store in a MinIO server, where no quickstart has run
  --stop          end what "npm run quickstart -- --keep" left running
  --help          this
`;
const PORTS = { coordinator: 8080, gateway: 8090 };

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      workers: { type: 'string' },
      store: { type: 'string' },
      stop: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help) return say(HELP);
  if (values.stop) return say(`${await stopRunning()} processes stopped.\n`);
  const last = (await readLast()) ?? {
    folder: join(home, 'cluster'),
    store: values.store === 'minio' ? ('minio' as const) : ('file' as const),
  };
  const running = await readRunning(last.folder);
  if (running) {
    throw new Error(
      `Cannot start a second cluster on ${last.folder}: one runs at ${running.coordinatorUrl}${running.isKept ? '; "npm start -- --stop" ends it' : ''}`,
    );
  }
  return keepRunning(last, Number(values.workers ?? 1));
}

async function keepRunning(
  last: { folder: string; store: 'file' | 'minio' },
  workers: number,
): Promise<number> {
  if (!Number.isInteger(workers) || workers < 1 || workers > 64) {
    throw new Error(`Cannot start ${workers} workers: expected a whole number from 1 to 64`);
  }
  const natsServer = await getNatsServer();
  const minio = last.store === 'minio' ? { minio: await getMinio() } : {};
  await mkdir(last.folder, { recursive: true });
  const { folder } = last;
  const ports = await freeOf(PORTS);
  const { signal } = interrupt;
  const cluster = await startCluster({ folder, natsServer, ...minio, workers, ports, signal });
  try {
    await writeLast(last);
    await writeRunning(folder, { ...cluster, isKept: false });
    say(
      [
        `jobs         ${cluster.coordinatorUrl}/v1/jobs (documentation: ${cluster.coordinatorUrl}/docs)`,
        `predictions  ${cluster.gatewayUrl}/v1/models`,
        `lake         ${cluster.lakeUri}`,
        `objects      ${cluster.storeUri}`,
        `logs         ${cluster.logs}`,
        'Running until Ctrl-C …\n',
      ].join('\n'),
    );
    await Promise.race([
      cluster.broken,
      new Promise<void>((stop) => signal.addEventListener('abort', () => stop())),
    ]);
  } finally {
    await cluster.stop();
  }
  return say('Stopped.\n');
}

/** The usual ports where they are free; left out, and so any free one, where they are not. */
async function freeOf(ports: Readonly<Record<string, number>>): Promise<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const [name, port] of Object.entries(ports)) if (await isFree(port)) found[name] = port;
  return found;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

function say(text: string): 0 {
  process.stdout.write(text);
  return 0;
}

const interrupt = untilSignal();
try {
  process.exitCode = await main();
} catch (error) {
  process.exitCode = interrupt.exitCode ?? 1;
  process.stderr.write(interrupt.exitCode ? 'Stopped.\n' : `error: ${(error as Error).message}\n`);
}
interrupt.close();
