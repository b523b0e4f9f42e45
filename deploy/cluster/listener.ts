// Who listens on a loopback port. In: its number. Out: process and command, where the system tells it to this user.
// Why: "the port is taken" sends a person looking; this is what they would look for.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type Identity, identify } from '../../common/identity.ts';

export const listenerOf = (port: number): Identity | undefined =>
  process.platform === 'linux' ? fromProc(port) : fromLsof(port);

const LISTENS = '0A';
const COMMAND_MAX = 120;

/** "process 4711 (node server.js)"; another user's has no name for us. */
export function listenerWords(found: Identity | undefined): string {
  if (!found) return 'another program listens there';
  const { pid, command } = found;
  const shown = command.length > COMMAND_MAX ? `${command.slice(0, COMMAND_MAX)}…` : command;
  return `process ${pid} (${shown}) listens there`;
}

function fromProc(port: number): Identity | undefined {
  const sockets = new Set(['tcp', 'tcp6'].flatMap((table) => socketsOn(table, port)));
  if (sockets.size === 0) return undefined;
  for (const name of namesIn('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    for (const handle of namesIn(`/proc/${name}/fd`)) {
      if (sockets.has(linkAt(`/proc/${name}/fd/${handle}`))) return identify(Number(name));
    }
  }
  return undefined;
}

/** As handles name them: "socket:[12345]". */
function socketsOn(table: string, port: number): string[] {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = textOf(`/proc/net/${table}`).split('\n').slice(1);
  return lines.flatMap((line) => {
    const fields = line.trim().split(/\s+/);
    const [, local = '', , state] = fields;
    return state === LISTENS && local.endsWith(wanted) ? [`socket:[${fields[9]}]`] : [];
  });
}

function fromLsof(port: number): Identity | undefined {
  const words = ['-nP', `-iTCP:${port}`, '-sTCP:LISTEN', '-Fp'];
  const { status, stdout } = spawnSync('/usr/sbin/lsof', words, { encoding: 'utf8' });
  const pid = status === 0 ? /^p(\d+)/m.exec(stdout)?.[1] : undefined;
  return pid === undefined ? undefined : identify(Number(pid));
}

/** Processes come and go while they are looked at, and those of others are closed to us. */
function quiet<T>(look: () => T, otherwise: T): T {
  try {
    return look();
  } catch {
    return otherwise;
  }
}

const namesIn = (folder: string): string[] => quiet(() => readdirSync(folder), []);
const linkAt = (path: string): string => quiet(() => readlinkSync(path), '');
const textOf = (path: string): string => quiet(() => readFileSync(path, 'utf8'), '');
