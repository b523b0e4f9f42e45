// Which clusters of this checkout or folder run, and which one was the last: small files below .gristmill.
// In: folders of clusters. Out: what runs there, and how to end it.
// Why a command is kept beside each process id: ids are used again, and nobody else's process may be ended.
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { home } from '../bootstrap.mjs';
import { killGroup } from './process.ts';

export type RunningCluster = {
  readonly coordinatorUrl: string;
  readonly gatewayUrl: string;
  /** Whoever started it has left it running. */
  readonly isKept: boolean;
  readonly processes: readonly {
    readonly name: string;
    readonly pid: number;
    readonly command: string;
  }[];
};
export type LastRun = { readonly folder: string; readonly store: 'file' | 'minio' };

/** The cluster that stays: `gristmill up` runs it, and `npm start` where there was no quickstart. */
export const CLUSTER = join(home, 'cluster');
/** Where its datasets lie, unless told otherwise. */
export const LAKE = join(home, 'lake');

const runs = join(home, 'runs');
const lastPath = join(home, 'last.json');
const STOP_MS = 15_000;

/** A new folder for a cluster. Folders of clusters that no longer run are removed but for the last run's. */
export async function makeRunFolder(): Promise<string> {
  await mkdir(runs, { recursive: true });
  const keep = (await readLast())?.folder;
  for (const name of await readdir(runs)) {
    const folder = join(runs, name);
    if (folder === keep || isOwned(name) || (await readRunning(folder))) continue;
    await rm(folder, { recursive: true, force: true });
  }
  return mkdtemp(join(runs, `${process.pid}-`));
}

/** The folder's maker is at work in it still. */
function isOwned(name: string): boolean {
  const pid = Number(name.split('-')[0]);
  return commandOf(pid)?.includes('quickstart/main.') === true;
}

export async function readLast(): Promise<LastRun | undefined> {
  return readJson<LastRun>(lastPath);
}

export async function writeLast(last: LastRun): Promise<void> {
  await writeFile(lastPath, JSON.stringify(last));
}

/** Notes what runs in a cluster's folder, for whoever comes later. */
export async function writeRunning(
  folder: string,
  cluster: Omit<RunningCluster, 'processes'> & {
    readonly processes: readonly { readonly name: string; readonly pid: number }[];
  },
): Promise<void> {
  const processes = cluster.processes.map(({ name, pid }) => ({
    name,
    pid,
    command: commandOf(pid) ?? '',
  }));
  const { coordinatorUrl, gatewayUrl, isKept } = cluster;
  await writeFile(
    join(folder, 'running.json'),
    JSON.stringify({ coordinatorUrl, gatewayUrl, isKept, processes }),
  );
}

/** What still runs of the cluster in `folder`; undefined where nothing does. */
export async function readRunning(folder: string): Promise<RunningCluster | undefined> {
  const noted = await readJson<RunningCluster>(join(folder, 'running.json'));
  const processes =
    noted?.processes.filter(({ pid, command }) => command !== '' && commandOf(pid) === command) ??
    [];
  return noted && processes.length > 0 ? { ...noted, processes } : undefined;
}

/** Ends the clusters that were left running; tells whose processes these were. */
export async function stopRunning(): Promise<readonly string[]> {
  const names = await readdir(runs).catch(() => []);
  const folders = [CLUSTER, ...names.map((name) => join(runs, name))];
  const found = await Promise.all(folders.map(readRunning));
  const processes = found.flatMap((cluster) => (cluster?.isKept ? cluster.processes : []));
  const isServer = (name: string): boolean => name === 'nats-server' || name === 'minio';
  for (const { pid, name } of processes) if (!isServer(name)) killLeader(pid);
  await untilGone(processes.filter(({ name }) => !isServer(name)));
  for (const { pid, name } of processes) if (isServer(name)) killLeader(pid);
  await untilGone(processes);
  for (const { pid } of processes) killGroup(pid);
  return processes.map(({ name }) => name);
}

function killLeader(pid: number): void {
  try {
    process.kill(pid, 'SIGTERM');
  } catch {
    // gone already
  }
}

async function untilGone(processes: RunningCluster['processes']): Promise<void> {
  const deadline = performance.now() + STOP_MS;
  while (performance.now() < deadline) {
    if (processes.every(({ pid, command }) => commandOf(pid) !== command)) return;
    await delay(100);
  }
}

function commandOf(pid: number): string | undefined {
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  const answer = spawnSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  return answer.status === 0 ? answer.stdout.trim() : undefined;
}

async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch {
    return undefined;
  }
}
