// The expendable child, seen from its host: work goes in, answers or one error come out, whatever happens inside.
// In: a thread file and its limits. Out: calls with deadlines; a child that hangs, crashes or bloats is
// killed and replaced, and its calls end with DEADLINE, CHILD_LOST or MEMORY.
// Why: DuckDB and ONNX Runtime can hang, crash and outgrow any setting of theirs; SIGKILL always works.
//
//   host (leases, health, NATS, store)  ── fork, IPC ──  child: resident + piscina ── threads (engines)
import { type ChildProcess, fork } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../clock.ts';
import { type Code, fromWireError, GristmillError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { ChildAnswer, ChildRequest } from './protocol.ts';

export type ChildOptions = {
  /** Module whose default export is the pool's function: `(call: {method, args}) => answer`. */
  readonly thread: URL;
  /** Optional module for the child's main thread: `export function startResident(context): void`. */
  readonly resident?: URL;
  readonly threads: number;
  /** Resident set size of the child above which it is killed; bytes. */
  readonly memoryBytes: number;
  readonly clock: Clock;
  readonly log: Log;
};

export type Child = {
  /** Runs `method` in a thread. Past `deadlineMs` the whole child is killed: nothing less stops native code. */
  call<T>(
    method: string,
    args: unknown,
    options: { deadlineMs: number; signal?: AbortSignal },
  ): Promise<T>;
  /** A message to the child's resident module; false while there is no child. */
  post(message: unknown): boolean;
  onPost(handler: (message: unknown) => void): void;
  /** Called when a child has ended for whatever reason, after its calls have been failed. */
  onLost(handler: (error: GristmillError) => void): void;
  kill(code: Code, why: string): void;
  readonly pid: number | undefined;
  close(): Promise<void>;
};

type Pending = {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
};

export function startChild(options: ChildOptions): Child {
  const pending = new Map<number, Pending>();
  const postHandlers: ((message: unknown) => void)[] = [];
  const lostHandlers: ((error: GristmillError) => void)[] = [];
  let nextId = 1;
  let closed = false;
  let process: ChildProcess | undefined;
  /** Why the current child is being killed: its calls end with this. */
  let verdict: GristmillError | undefined;

  function ensure(): ChildProcess {
    if (process) return process;
    const started = fork(fileURLToPath(new URL('./child.ts', import.meta.url)), [], {
      serialization: 'advanced', // typed arrays cross as they are
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: {
        ...globalThis.process.env,
        GRISTMILL_CHILD: JSON.stringify({
          thread: options.thread.href,
          resident: options.resident?.href,
          threads: options.threads,
        }),
      },
    });
    process = started;
    verdict = undefined;
    started.on('message', (message) => onMessage(message as ChildAnswer));
    started.on('error', () => {}); // spawn failures and broken pipes also end in 'exit' or 'close'
    started.once('close', (exitCode, signal) =>
      onGone(started, `${signal ?? `exit code ${exitCode}`}`),
    );
    return started;
  }

  function onMessage(message: ChildAnswer): void {
    if (message.kind === 'post') {
      for (const handler of postHandlers) handler(message.message);
      return;
    }
    const call = pending.get(message.id);
    pending.delete(message.id);
    if (message.kind === 'value') call?.resolve(message.value);
    else call?.reject(fromWireError(message.error));
  }

  function onGone(gone: ChildProcess, how: string): void {
    if (process !== gone) return;
    process = undefined;
    const error =
      verdict ??
      new GristmillError('CHILD_LOST', `The process that ran the work ended by itself (${how})`);
    if (!closed) options.log.warn('child lost', { code: error.code, how });
    const calls = [...pending.values()];
    pending.clear();
    for (const call of calls) call.reject(error);
    for (const handler of lostHandlers) handler(error);
  }

  function kill(code: Code, why: string): void {
    if (!process || verdict) return;
    verdict = new GristmillError(code, why);
    process.kill('SIGKILL');
  }

  const watch = setInterval(async () => {
    const pid = process?.pid;
    if (pid === undefined) return;
    const bytes = await residentBytes(pid);
    if (bytes > options.memoryBytes && process?.pid === pid) {
      kill(
        'MEMORY',
        `The process that ran the work held ${bytes} bytes, expected at most ${options.memoryBytes}`,
      );
    }
  }, 250);
  watch.unref();

  return {
    call<T>(
      method: string,
      args: unknown,
      call: { deadlineMs: number; signal?: AbortSignal },
    ): Promise<T> {
      const child = ensure();
      const id = nextId++;
      return new Promise<T>((resolve, reject) => {
        const timer = setTimeout(() => {
          kill('DEADLINE', `${method} ran past its deadline of ${call.deadlineMs} ms`);
        }, call.deadlineMs);
        const onAbort = (): void => kill('CANCELLED', `${method} was cancelled`);
        call.signal?.addEventListener('abort', onAbort, { once: true });
        const settle = (): void => {
          clearTimeout(timer);
          call.signal?.removeEventListener('abort', onAbort);
        };
        pending.set(id, {
          resolve: (value) => {
            settle();
            resolve(value as T);
          },
          reject: (error) => {
            settle();
            reject(error);
          },
        });
        child.send({ kind: 'call', id, method, args } satisfies ChildRequest);
      });
    },
    post(message) {
      if (!process) ensure();
      return process?.send({ kind: 'post', message } satisfies ChildRequest) ?? false;
    },
    onPost: (handler) => {
      postHandlers.push(handler);
    },
    onLost: (handler) => {
      lostHandlers.push(handler);
    },
    kill,
    get pid() {
      return process?.pid;
    },
    async close() {
      closed = true;
      clearInterval(watch);
      const current = process;
      if (!current) return;
      await new Promise<void>((resolve) => {
        current.once('close', () => resolve());
        current.kill('SIGKILL');
      });
    },
  };
}

/** RSS of a process in bytes; 0 where the system does not tell (then only deadlines bound it). */
async function residentBytes(pid: number): Promise<number> {
  try {
    const statm = await readFile(`/proc/${pid}/statm`, 'utf8');
    return Number(statm.split(' ')[1]) * 4096;
  } catch {
    return residentBytesByPs(pid);
  }
}

async function residentBytesByPs(pid: number): Promise<number> {
  const { execFile } = await import('node:child_process');
  return new Promise((resolve) => {
    execFile('ps', ['-o', 'rss=', '-p', String(pid)], (error, out) =>
      resolve(error ? 0 : Number(out.trim()) * 1024),
    );
  });
}
