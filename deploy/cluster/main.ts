// A cluster on this machine: `gristmill up` and `down`, and `npm start`.
// In: words of options.ts, the shell's folder, signals. Out: addresses and what to type next; an exit code.
// Why one folder: all state is objects, so a cluster started anew carries on where the one before it was.
//
//   options ── taken ports, a cluster that runs already: an error ──► binaries ──► start, or take over what lives ──► keep:
//     whoever dies is started again, until Ctrl-C, SIGTERM or `down`. --detach starts a supervisor that does this, and leaves
import { mkdir } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { systemClock } from '../../common/clock.ts';
import { CODES, GristmillError } from '../../common/errors.ts';
import { untilAborted } from '../../common/lifecycle.ts';
import { getMinio, getNatsServer } from '../binaries.mjs';
import { isCheckout, SetupError, shellFolder } from '../bootstrap.mjs';
import { type Cluster, type ClusterOptions, startCluster } from './cluster.ts';
import { startSupervisor } from './detach.ts';
import { HELP, readOptions, type UpOptions } from './options.ts';
import { documentOf, newsLine, welcome } from './said.ts';
import { untilSignal } from './signals.ts';
import {
  CLUSTER,
  clearNoted,
  isSupervised,
  LAKE,
  type LastRun,
  livingOf,
  type Noted,
  readLast,
  readNoted,
  stopRunning,
  workersOf,
  writeNoted,
} from './state.ts';
import { checkTakeover, portsFor } from './takeover.ts';

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
  const noted = await readNoted(at);
  if (noted && isSupervised(noted)) throw secondOn(at, noted);
  const former = noted && livingOf(noted).length > 0 ? noted : undefined;
  if (former) checkTakeover(former, options, program);
  if (options.isDetached) return leave(at, options);
  return keep(await planOf(options, { at, last, former }), options);
}

/** `up --detach`: another process keeps the cluster. */
async function leave(at: string, options: UpOptions): Promise<number> {
  const words = process.argv.slice(2).filter((word) => word !== '--detach');
  const tell = (text: string): void => void process.stderr.write(text);
  const started = await startSupervisor({ at, words, interrupt, tell });
  return 'exitCode' in started ? started.exitCode : announce(started, options);
}

type Plan = Omit<ClusterOptions, 'onNews'> & { readonly isMinio: boolean };

async function planOf(
  options: UpOptions,
  { at, last, former }: { at: string; last?: LastRun | undefined; former?: Noted | undefined },
): Promise<Plan> {
  const ports = await portsFor(options.ports, former);
  const isMinio = former?.isMinio ?? (options.store === 'minio' || last?.store === 'minio');
  const natsServer = await getNatsServer();
  const minio = isMinio ? { minio: await getMinio() } : {};
  await mkdir(at, { recursive: true });
  const hasOwnLake = !last && !isMinio;
  if (hasOwnLake) await mkdir(LAKE, { recursive: true });
  const lake = options.lake ?? (hasOwnLake ? pathToFileURL(LAKE).href : undefined);
  const named = {
    ...(lake === undefined ? {} : { lake }),
    ...(typeof options.store === 'object' ? { store: options.store.uri } : {}),
  };
  return {
    folder: at,
    natsServer,
    ...minio,
    ...(former ? { former, lake: former.lakeUri, store: former.storeUri } : named),
    storeEnv: options.storeEnv,
    workers: former ? workersOf(former) : (options.workers ?? 1),
    ports,
    isMinio,
    isKept: true,
    signal: interrupt.signal,
    onStep: (what) => note(`starting ${what} …`),
  };
}

/** Until Ctrl-C, SIGTERM or `down`. */
async function keep(plan: Plan, options: UpOptions): Promise<number> {
  const { folder: at, former, isMinio } = plan;
  if (former) note(`taking over ${listed(livingOf(former))}, which a former run has left`);
  const how = { isKept: options.isSupervisor, isSupervised: true, isMinio };
  let written: Promise<void> = Promise.resolve();
  const write = (): Promise<void> => {
    written = written.then(() => writeNoted(at, cluster, how));
    return written;
  };
  const cluster: Cluster = await startCluster({
    ...plan,
    onNews: (name, news) => {
      note(newsLine(name, news, systemClock.now()));
      write().catch((error: Error) => note(`Cannot note what runs: ${error.message}`));
    },
  });
  try {
    await write();
    if (options.isSupervisor) await cluster.unguard();
    else await announce(await notedAt(at), options);
    await untilAborted(interrupt.signal);
  } finally {
    await cluster.stop();
    await written.catch(() => {});
    await clearNoted(at);
  }
  note('Stopped.');
  return 0;
}

async function notedAt(at: string): Promise<Noted> {
  const noted = await readNoted(at);
  if (noted) return noted;
  throw new SetupError(`Cannot read ${at}/running.json, expected what was noted there just now`);
}

const listed = (processes: readonly { readonly name: string }[]): string =>
  processes.map(({ name }) => name).join(', ');

async function down(isJson: boolean): Promise<number> {
  const stopped = await stopRunning();
  if (isJson) return say(`${JSON.stringify({ stopped })}\n`);
  if (stopped.length > 0) return say(`Stopped: ${stopped.join(', ')}.\n`);
  const noted = await readNoted(CLUSTER);
  if (!noted) return say(`Nothing was left running here (${CLUSTER}).\n`);
  throw new GristmillError(
    'USAGE',
    `Cannot end the cluster at ${noted.coordinatorUrl}: it was started without --detach, expected Ctrl-C where it runs`,
  );
}

function secondOn(at: string, noted: Noted): GristmillError {
  const how = noted.isKept ? `"${program} down"` : 'Ctrl-C where it runs';
  return new GristmillError(
    'USAGE',
    `Cannot start a second cluster on ${at}: one runs at ${noted.coordinatorUrl}, expected none (${how} ends it)`,
  );
}

async function announce(cluster: Noted, options: UpOptions): Promise<number> {
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
