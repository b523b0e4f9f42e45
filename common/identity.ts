// Who a process is: its id alone does not tell, since ids are used again.
// In: a process id. Out: its command and when it began, or nothing where it has ended, a zombie included.
// Why the beginning too: every worker of every cluster here has the same command.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export type Identity = {
  readonly pid: number;
  readonly command: string;
  /** Ticks since the machine began on Linux, a date elsewhere: to be compared, not read. */
  readonly since: string;
};

export function identify(pid: number): Identity | undefined {
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  return process.platform === 'linux' ? fromProc(pid) : fromPs(pid);
}

/** Whether the process that was noted lives still. */
export function isAlive(noted: Identity): boolean {
  const found = identify(noted.pid);
  return found?.command === noted.command && found.since === noted.since;
}

function fromProc(pid: number): Identity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' '); // a name may hold spaces and brackets
    const [state = 'X'] = fields;
    if ('ZXx'.includes(state)) return undefined;
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean);
    return { pid, command: words.join(' '), since: fields[19] ?? '' };
  } catch {
    return undefined;
  }
}

const DATE_LENGTH = 'Wed Nov 25 02:16:51 2026'.length;

function fromPs(pid: number): Identity | undefined {
  const env = { LC_ALL: 'C', TZ: 'UTC' }; // a date is read alike in whatever shell
  const words = ['-o', 'stat=,lstart=,command=', '-p', String(pid)];
  const { status, stdout } = spawnSync('/bin/ps', words, { encoding: 'utf8', env });
  const found = /^(\S+)\s+(.*)$/.exec(status === 0 ? stdout.trim() : '');
  if (!found || found[1]!.startsWith('Z')) return undefined;
  const text = found[2]!;
  return {
    pid,
    command: text.slice(DATE_LENGTH).trim(),
    since: text.slice(0, DATE_LENGTH),
  };
}
