// Which clusters of this checkout or folder run, and which one was the last: small files below .gristmill.
// In: folders of clusters. Out: what runs there, how to take it over, and how to end it.
// Why each process is noted with its command and beginning: ids are used again, and nobody else's may be ended.
//
//   .gristmill/running.json             where the command line finds coordinator and gateway: the cluster started last
//   .gristmill/cluster/running.json     all that is known of one cluster, written anew at each change
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type Identity, identify, isAlive } from '../../common/identity.ts';
import { home } from '../bootstrap.mjs';
import { type Cluster, isServer } from './cluster.ts';
import { killGroup } from './process.ts';

export type Ports = Readonly<
  Record<'coordinator' | 'gateway' | 'nats' | 'monitor' | 'minio', number>
>;

/** What is noted of a cluster. No secret is: variables come from the shell that starts or takes over. */
export type Noted = {
  readonly formatVersion: 1;
  readonly coordinatorUrl: string;
  readonly gatewayUrl: string;
  readonly storeUri: string;
  readonly lakeUri: string;
  readonly logs: string;
  readonly ports: Ports;
  readonly isMinio: boolean;
  /** It shall go on when whoever started it is done. */
  readonly isKept: boolean;
  /** Who restarts what dies; null where nobody does. */
  readonly supervisor: Identity | null;
  readonly processes: readonly (Identity & {
    readonly name: string;
    /** How often it was started again. */
    readonly restarts: number;
  })[];
  /** Places whose process has died, and where the next one is waited with. */
  readonly down: readonly string[];
};
export type LastRun = { readonly folder: string; readonly store: 'file' | 'minio' };

/** The cluster that stays: `gristmill up` runs it, and `npm start` where there was no quickstart. */
export const CLUSTER = join(home, 'cluster');
/** Where its datasets lie, unless told otherwise. */
export const LAKE = join(home, 'lake');

const runs = join(home, 'runs');
const lastPath = join(home, 'last.json');
const pointerPath = join(home, 'running.json');
const STOP_MS = 15_000;
/** It waits itself for its workers, then for its servers. */
const SUPERVISOR_STOP_MS = 25_000;

/** A new folder for a cluster. Folders of clusters that no longer run are removed but for the last run's. */
export async function makeRunFolder(): Promise<string> {
  await mkdir(runs, { recursive: true });
  const keep = (await readLast())?.folder;
  for (const name of await readdir(runs)) {
    const folder = join(runs, name);
    if (folder === keep || isOwned(name) || (await isRunning(folder))) continue;
    await rm(folder, { recursive: true, force: true });
  }
  return mkdtemp(join(runs, `${process.pid}-`));
}

/** The folder's maker is at work in it still. */
function isOwned(name: string): boolean {
  const pid = Number(name.split('-')[0]);
  return identify(pid)?.command.includes('quickstart/main.') === true;
}

export async function readLast(): Promise<LastRun | undefined> {
  return readJson<LastRun>(lastPath);
}

export async function writeLast(last: LastRun): Promise<void> {
  await writeFile(lastPath, JSON.stringify(last));
}

/** Notes what runs in a cluster's folder, for whoever comes later. */
export async function writeNoted(
  folder: string,
  cluster: Cluster,
  how: Pick<Noted, 'isKept' | 'isMinio'> & { readonly isSupervised: boolean },
): Promise<void> {
  const { coordinatorUrl, gatewayUrl, storeUri, lakeUri, logs, ports } = cluster;
  const processes = cluster.processes.flatMap(({ name, pid, restarts }) => {
    const found = identify(pid);
    return found ? [{ name, ...found, restarts }] : [];
  });
  const down = cluster.processes.filter(({ name }) => !processes.some((p) => p.name === name));
  const noted: Noted = {
    formatVersion: 1,
    ...{ coordinatorUrl, gatewayUrl, storeUri, lakeUri, logs, ports },
    isMinio: how.isMinio,
    isKept: how.isKept,
    supervisor: (how.isSupervised && identify(process.pid)) || null,
    processes,
    down: down.map(({ name }) => name),
  };
  await writeJson(join(folder, 'running.json'), noted);
  const whose = [...(noted.supervisor ? [noted.supervisor] : []), ...processes].map(
    ({ pid, command, since }): Identity => ({ pid, command, since }),
  );
  const pointer = { formatVersion: 2, coordinatorUrl, gatewayUrl, folder, processes: whose };
  await writeJson(pointerPath, pointer);
}

/** Nothing runs there any more. */
export async function clearNoted(folder: string): Promise<void> {
  await rm(join(folder, 'running.json'), { force: true });
  const pointer = await readJson<{ folder: string }>(pointerPath);
  if (pointer?.folder === folder) await rm(pointerPath, { force: true });
}

/** What was noted, whether or not it runs still. */
export async function readNoted(folder: string): Promise<Noted | undefined> {
  const noted = await readJson<Noted>(join(folder, 'running.json'));
  return noted?.formatVersion === 1 ? noted : undefined;
}

export const isSupervised = ({ supervisor }: Noted): boolean =>
  supervisor !== null && isAlive(supervisor);

/** How many workers it has, dead ones included. */
export const workersOf = ({ processes, down }: Noted): number =>
  [...processes.map(({ name }) => name), ...down].filter((name) => name.startsWith('worker '))
    .length;

/** Those of its processes that live. */
export const livingOf = ({ processes }: Noted): Noted['processes'] => processes.filter(isAlive);

async function isRunning(folder: string): Promise<boolean> {
  const noted = await readNoted(folder);
  return noted !== undefined && (isSupervised(noted) || livingOf(noted).length > 0);
}

/** Ends the clusters that were left running, and what a supervisor that died has left; tells whose processes these were. */
export async function stopRunning(): Promise<readonly string[]> {
  const names = await readdir(runs).catch(() => []);
  const folders = [CLUSTER, ...names.map((name) => join(runs, name))];
  return (await Promise.all(folders.map(stopCluster))).flat();
}

async function stopCluster(folder: string): Promise<readonly string[]> {
  const noted = await readNoted(folder);
  if (!noted || (!noted.isKept && isSupervised(noted))) return [];
  const found = livingOf(noted).map(({ name }) => name);
  if (noted.supervisor && isSupervised(noted)) await stopSupervisor(noted.supervisor);
  const left = livingOf((await readNoted(folder)) ?? { ...noted, processes: [] });
  const roles = left.filter(({ name }) => !isServer(name));
  await endAll(roles);
  await endAll(left);
  for (const { pid } of left) killGroup(pid);
  await clearNoted(folder);
  return found;
}

/** First, or it would start again what is ended here. It ends all that it keeps. */
async function stopSupervisor(supervisor: Identity): Promise<void> {
  signalTo(supervisor, 'SIGTERM');
  await untilGone([supervisor], SUPERVISOR_STOP_MS);
  signalTo(supervisor, 'SIGKILL');
}

async function endAll(processes: readonly Identity[]): Promise<void> {
  for (const each of processes) signalTo(each, 'SIGTERM');
  await untilGone(processes, STOP_MS);
}

function signalTo(noted: Identity, signal: NodeJS.Signals): void {
  try {
    if (isAlive(noted)) process.kill(noted.pid, signal);
  } catch {
    // gone already
  }
}

async function untilGone(processes: readonly Identity[], patienceMs: number): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (performance.now() < deadline && processes.some(isAlive)) await delay(100);
}

/** Renamed into place: whoever reads sees the old one or the new one. */
async function writeJson(path: string, value: unknown): Promise<void> {
  const temp = `${path}.${process.pid}.tmp`;
  await writeFile(temp, JSON.stringify(value));
  await rename(temp, path);
}

async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch {
    return undefined;
  }
}
