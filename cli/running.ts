// The cluster that `gristmill up` runs here, found from the folder in which a command is typed.
// In: that folder. Out: where coordinator and gateway answer, and which file says so; nothing where none of it lives.
// Why a file and no fixed port: `up --port 0` takes a free one, and no shell needs to be told. Why each process is held
// against its command and beginning: its id may be a stranger's by now.
import { readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { type Identity, isAlive } from '../common/identity.ts';

export type RunningCluster = {
  readonly coordinator: string;
  readonly gateway: string;
  /** The file that says so, as a person in `folder` would write it. */
  readonly path: string;
};

/** In `folder`, then in each above it, then where this program itself lies: a checkout keeps it there. */
export function findRunning(
  folder: string,
  ownFolder = join(import.meta.dirname, '..'),
): RunningCluster | undefined {
  for (const at of [...upwards(resolve(folder)), ownFolder]) {
    const path = join(at, '.gristmill', 'running.json');
    const found = readRunning(path);
    if (found) return { ...found, path: shortest(folder, path) };
  }
  return undefined;
}

function* upwards(folder: string): Generator<string> {
  for (let at = folder; ; at = dirname(at)) {
    yield at;
    if (dirname(at) === at) return;
  }
}

/** A file that a cluster which was killed has left says nothing. */
function readRunning(path: string): Pick<RunningCluster, 'coordinator' | 'gateway'> | undefined {
  try {
    const value = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    const { coordinatorUrl, gatewayUrl, processes } = value;
    const isOurs = [coordinatorUrl, gatewayUrl].every((url) => typeof url === 'string');
    if (!isOurs || !Array.isArray(processes)) return undefined;
    if (!(processes as readonly Identity[]).some(isAlive)) return undefined;
    return { coordinator: String(coordinatorUrl), gateway: String(gatewayUrl) };
  } catch {
    return undefined; // not there, or not ours
  }
}

function shortest(folder: string, path: string): string {
  const near = relative(folder, path);
  return near.length < path.length ? near : path;
}
