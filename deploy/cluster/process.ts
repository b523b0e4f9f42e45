// One process of a cluster: started in a group of its own, its output in a file, ended with all that it forked.
// In: a command. Out: a handle that stops it, kills it, and tells how it ended.
// Why groups: a worker forks children; SIGKILL to the group reaches those, too.
// One that an earlier run has left can be adopted: the same handle on a process that is no child of ours.
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Identity, isAlive } from '../../common/identity.ts';

export type Env = Readonly<Record<string, string | undefined>>;
export type ProcessOptions = {
  /** In words: "coordinator", "worker 2". */
  readonly name: string;
  readonly command: readonly string[];
  readonly env: Env;
  readonly logPath: string;
  readonly cwd: string;
  readonly guard?: Guard;
};
export type Running = {
  readonly name: string;
  readonly pid: number;
  readonly logPath: string;
  /** Resolves when it has ended, however: "exit code 3", "SIGKILL". */
  readonly ended: Promise<string>;
  readonly isAlive: boolean;
  /** SIGTERM, and SIGKILL to its whole group when it is not gone after `graceMs`. */
  stop(graceMs?: number): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** SIGKILL to the whole group. */
  kill(): Promise<void>;
  /** This process may end before that one. */
  release(): void;
  /** The last lines of its output. */
  tail(lines?: number): string;
};

const GRACE_MS = 15_000; // a worker may finish or hand back its tasks

export function startProcess(options: ProcessOptions): Running {
  const { name, logPath, guard } = options;
  mkdirSync(dirname(logPath), { recursive: true });
  const log = openSync(logPath, 'a');
  const [command, ...args] = options.command;
  const child = spawn(command!, args, {
    cwd: options.cwd,
    env: options.env as NodeJS.ProcessEnv,
    stdio: ['ignore', log, log],
    detached: true,
  });
  closeSync(log);
  const pid = child.pid;
  if (pid !== undefined) guard?.watch(pid);
  const ended = untilEnded(child).then((how) => {
    if (pid !== undefined) killGroup(pid); // what it forked and left behind
    if (pid !== undefined) guard?.forget(pid);
    return how;
  });
  const isRunning = (): boolean =>
    child.exitCode === null && child.signalCode === null && pid !== undefined;
  const kill = async (): Promise<void> => {
    if (pid !== undefined) killGroup(pid);
    await ended;
  };
  return {
    name,
    pid: pid ?? -1,
    logPath,
    ended,
    get isAlive() {
      return isRunning();
    },
    async stop(graceMs = GRACE_MS) {
      if (!isRunning()) return;
      child.kill('SIGTERM');
      const timer = setTimeout(() => pid !== undefined && killGroup(pid), graceMs);
      await ended;
      clearTimeout(timer);
    },
    signal: (signal) => {
      child.kill(signal);
    },
    kill,
    release: () => child.unref(),
    tail: (lines = 5) => readTail(logPath, lines),
  };
}

const LOOK_MS = 500;

/** A process that somebody else has started and left, as one of ours; how it ends is not told to us, only that. */
export function adoptProcess(
  noted: Identity & { readonly name: string },
  { logPath, guard }: Pick<ProcessOptions, 'logPath' | 'guard'>,
): Running {
  const { name, pid } = noted;
  guard?.watch(pid);
  const released = new AbortController();
  const ended = untilGone(noted, released.signal).then(() => {
    killGroup(pid);
    guard?.forget(pid);
    return 'it was started by an earlier "up", so how it ended is not known';
  });
  const kill = async (): Promise<void> => {
    killGroup(pid);
    await ended;
  };
  return {
    name,
    pid,
    logPath,
    ended,
    get isAlive() {
      return isAlive(noted);
    },
    async stop(graceMs = GRACE_MS) {
      if (!isAlive(noted)) return;
      signalTo(pid, 'SIGTERM');
      const timer = setTimeout(() => killGroup(pid), graceMs);
      await ended;
      clearTimeout(timer);
    },
    signal: (signal) => signalTo(pid, signal),
    kill,
    release: () => released.abort(),
    tail: (lines = 5) => readTail(logPath, lines),
  };
}

async function untilGone(noted: Identity, released: AbortSignal): Promise<void> {
  while (isAlive(noted)) {
    await delay(LOOK_MS, undefined, { signal: released }).catch(() => {});
    if (released.aborted) return new Promise(() => {}); // nobody asks any more
  }
}

function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // gone already
  }
}

/** Kills process groups when this process is gone: see guard.mjs. */
export type Guard = {
  watch(pid: number): void;
  forget(pid: number): void;
  /** Lets what runs go on after this process. */
  release(): Promise<void>;
  close(): Promise<void>;
};

export function startGuard(): Guard {
  const child = spawn(process.execPath, [fileURLToPath(new URL('./guard.mjs', import.meta.url))], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  child.unref();
  child.stdin.on('error', () => {}); // a guard that is gone guards nothing: what it would end is ended here, too
  const write = (line: string): void => {
    child.stdin.write(`${line}\n`);
  };
  const close = async (): Promise<void> => {
    if (child.exitCode !== null) return;
    child.ref(); // from here on it is waited for
    const gone = untilEnded(child);
    child.stdin.end();
    await gone;
  };
  return {
    watch: (pid) => write(`+${pid}`),
    forget: (pid) => write(`-${pid}`),
    release: async () => {
      write('release');
      await close();
    },
    close,
  };
}

/** Ends a process group and waits for its leader; for those that another process has started. */
export function killGroup(pid: number, signal: NodeJS.Signals = 'SIGKILL'): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false; // nobody left in it
  }
}

function untilEnded(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
}

function readTail(path: string, lines: number): string {
  try {
    return readFileSync(path, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  } catch {
    return '';
  }
}
