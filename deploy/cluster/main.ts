// A cluster on this machine: `gristmill up` and `down`, and `npm start`.
// In: words of options.ts, the shell's folder, signals. Out: addresses and what to type next; an exit code.
// Why one folder: all state is objects, so a cluster started anew carries on where the one before it was.
//
//   options ── taken ports, a cluster that runs already: an error ──► binaries ──► start ──┬─ --detach: noted, left running
//                                                                                          └─ until Ctrl-C, or one of them dies
import { mkdir } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { CODES, GristmillError } from '../../common/errors.ts';
import { getMinio, getNatsServer } from '../binaries.mjs';
import { isCheckout, SetupError, shellFolder } from '../bootstrap.mjs';
import { type Cluster, startCluster } from './cluster.ts';
import { HELP, readOptions, type UpOptions } from './options.ts';
import { claimPorts } from './ports.ts';
import { documentOf, welcome } from './said.ts';
import { untilSignal } from './signals.ts';
import { CLUSTER, LAKE, readLast, readRunning, stopRunning, writeRunning } from './state.ts';

/** How the command line is called here. */
const program = isCheckout
  ? 'npm run gristmill --'
  : process.env.npm_command === 'exec'
    ? 'npx gristmill'
    : 'gristmill';
const interrupt = untilSignal();
const folder = shellFolder();

async function main(): Promise<number> {
  const asked = await readOptions(process.argv.slice(2), { folder, env: process.env });
  if (asked.kind === 'help') return say(HELP);
  if (asked.kind === 'down') return down(asked.isJson);
  return up(asked);
}

async function up(options: UpOptions): Promise<number> {
  const last = options.isLast ? await readLast() : undefined;
  const at = last?.folder ?? CLUSTER;
  await refuseSecond(at);
  const [coordinator, gateway] = await claimPorts([
    { name: 'coordinator', flag: '--port', port: options.ports.coordinator },
    { name: 'gateway', flag: '--gateway-port', port: options.ports.gateway },
  ]);
  const isMinio = options.store === 'minio' || last?.store === 'minio';
  const natsServer = await getNatsServer();
  const minio = isMinio ? { minio: await getMinio() } : {};
  await mkdir(at, { recursive: true });
  if (!last && !isMinio) await mkdir(LAKE, { recursive: true });
  const lake = options.lake ?? (last || isMinio ? undefined : pathToFileURL(LAKE).href);
  const cluster = await startCluster({
    folder: at,
    natsServer,
    ...minio,
    ...(lake === undefined ? {} : { lake }),
    ...(typeof options.store === 'object' ? { store: options.store.uri } : {}),
    storeEnv: options.storeEnv,
    workers: options.workers,
    ports: { coordinator: coordinator!, gateway: gateway! },
    signal: interrupt.signal,
    onStep: (what) => note(`starting ${what} …`),
  });
  return options.isDetached ? leave(at, cluster, options) : keep(at, cluster, options);
}

async function leave(at: string, cluster: Cluster, options: UpOptions): Promise<number> {
  await writeRunning(at, { ...cluster, isKept: true });
  await cluster.release();
  return announce(cluster, options);
}

async function keep(at: string, cluster: Cluster, options: UpOptions): Promise<number> {
  const { signal } = interrupt;
  try {
    await writeRunning(at, { ...cluster, isKept: false });
    await announce(cluster, options);
    const stopped = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve());
    });
    await Promise.race([cluster.broken, stopped]);
  } finally {
    await cluster.stop();
  }
  note('Stopped.');
  return 0;
}

async function down(isJson: boolean): Promise<number> {
  const stopped = await stopRunning();
  if (isJson) return say(`${JSON.stringify({ stopped })}\n`);
  if (stopped.length > 0) return say(`Stopped: ${stopped.join(', ')}.\n`);
  const running = await readRunning(CLUSTER);
  if (!running) return say(`Nothing was left running here (${CLUSTER}).\n`);
  throw new GristmillError(
    'USAGE',
    `Cannot end the cluster at ${running.coordinatorUrl}: it was started without --detach, expected Ctrl-C where it runs`,
  );
}

async function refuseSecond(at: string): Promise<void> {
  const running = await readRunning(at);
  if (!running) return;
  const how = running.isKept ? `"${program} down"` : 'Ctrl-C where it runs';
  throw new GristmillError(
    'USAGE',
    `Cannot start a second cluster on ${at}: one runs at ${running.coordinatorUrl}, expected none (${how} ends it)`,
  );
}

async function announce(cluster: Cluster, options: UpOptions): Promise<number> {
  if (options.isJson) return say(`${JSON.stringify(documentOf(cluster))}\n`);
  return say(await welcome(cluster, { program, folder, isDetached: options.isDetached }));
}

function say(text: string): 0 {
  process.stdout.write(text);
  return 0;
}

function note(line: string): void {
  process.stderr.write(`${line}\n`);
}

function explain(error: unknown): string {
  if (error instanceof GristmillError) {
    return `error ${error.code}  ${error.message}\n  → ${CODES[error.code].remedy}`;
  }
  if (error instanceof SetupError) return `error: ${error.message}`;
  return `error: ${(error as Error).message}`;
}

const exitOf = (error: unknown): number =>
  error instanceof GristmillError && ['USAGE', 'CONFIG_INVALID'].includes(error.code) ? 2 : 1;

try {
  process.exitCode = await main();
} catch (error) {
  process.exitCode = interrupt.exitCode ?? exitOf(error);
  note(interrupt.exitCode ? 'Stopped.' : explain(error));
}
interrupt.close();
