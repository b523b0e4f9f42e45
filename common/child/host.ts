// The expendable child, seen from its host: work goes in, answers or one error come out, whatever happens inside.
// In: a thread file and its limits. Out: calls with deadlines; a child that hangs, crashes or bloats is
// killed and replaced, and its calls end with DEADLINE, CHILD_LOST or MEMORY.
// Why: DuckDB and ONNX Runtime can hang, crash and outgrow any setting of theirs; SIGKILL always works.
//
//   host (leases, health, NATS, store)  ── fork, IPC ──  child: resident + piscina ── threads (engines)
import { type ChildProcess, execFile, fork } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../clock.ts';
import { makeDeferred } from '../deferred.ts';
import { entryOf } from '../entry.ts';
import { type Code, fromWireError, GristmillError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import type { Log } from '../log.ts';
import { childEnvironment } from './environment.ts';
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

export type CallOptions = {
  readonly deadlineMs: number;
  /** Aborting kills the child; the call ends with CANCELLED. */
  readonly signal?: AbortSignal;
  /** Told before the answer: CPU seconds of the call. */
  readonly onCpu?: (seconds: number) => void;
};

export type Child = {
  /**
   * Runs `method` in a thread. Past `deadlineMs` the whole child is killed: nothing less stops native
   * code. Calls that were killed along with another end with CHILD_LOST, whose cause is that other's error.
   */
  call<T>(method: string, args: unknown, options: CallOptions): Promise<T>;
  /** A message to the child's resident module; false where it was not sent. */
  post(message: unknown): boolean;
  onPost(handler: (message: unknown) => void): void;
  /** Called when a child has ended for whatever reason, after its calls have been failed. */
  onLost(handler: (error: GristmillError) => void): void;
  kill(code: Code, why: string): void;
  readonly pid: number | undefined;
  close(): Promise<void>;
};

type Pending = {
  readonly resolve: (value: unknown, cpuSeconds: number) => void;
  readonly reject: (error: Error) => void;
};

/**
 * One process and the calls in it.
 *
 *   running ── kill(), broken pipe ──► dying (verdict set, calls failed, SIGKILL sent) ── close ──► gone
 *      └──────────────── ended by itself ──────────────────────────────────────────── close ──► gone
 */
type Running = {
  readonly process: ChildProcess;
  readonly pending: Map<number, Pending>;
  readonly gone: Promise<void>;
  /** Why it is being killed. */
  verdict: GristmillError | undefined;
};

export function startChild(options: ChildOptions): Child {
  const postHandlers: ((message: unknown) => void)[] = [];
  const lostHandlers: ((error: GristmillError) => void)[] = [];
  let nextId = 1;
  let closed = false;
  let current: Running | undefined;

  function start(): Running {
    const process = fork(fileURLToPath(entryOf(new URL('./child.ts', import.meta.url))), [], {
      serialization: 'advanced', // typed arrays cross as they are
      stdio: ['ignore', 2, 2, 'ipc'], // what a library prints belongs to the log, not to our output
      execArgv: [],
      env: environmentOf(options),
    });
    const { promise: gone, resolve } = makeDeferred<void>();
    const running: Running = { process, pending: new Map(), gone, verdict: undefined };
    process.once('error', (error) => {
      if (process.pid === undefined) resolve(onGone(running, error.message)); // never started
    });
    process.once('close', (code, signal) =>
      resolve(onGone(running, signal ?? `exit code ${code}`)),
    );
    process.on('message', (message) => onMessage(running, message as ChildAnswer));
    process.on('error', () => {}); // broken pipes: `deliver` reports them
    return running;
  }

  function onMessage(running: Running, message: ChildAnswer): void {
    if (message.kind === 'post') {
      for (const handler of postHandlers) handler(message.message);
      return;
    }
    const call = running.pending.get(message.id);
    running.pending.delete(message.id);
    if (message.kind === 'value') call?.resolve(message.value, message.cpuSeconds);
    else call?.reject(fromWireError(message.error));
  }

  function onGone(gone: Running, how: string): void {
    if (current !== gone) return;
    current = undefined;
    const error = gone.verdict ?? lost(`The process that ran the work ended by itself (${how})`);
    if (!closed) options.log.warn('child lost', { code: error.code, how, why: error.message });
    failCalls(gone, error);
    for (const handler of lostHandlers) handler(error);
  }

  /** `culprit`, where given, gets the error itself; the others were in the wrong place. */
  function kill(running: Running, error: GristmillError, culprit?: Pending): void {
    if (running.verdict) return;
    running.verdict = error;
    culprit?.reject(error);
    failCalls(running, culprit ? lost('Killed along with another call', error) : error);
    running.process.kill('SIGKILL');
  }

  const watch = setInterval(async () => {
    const running = current;
    const pid = running?.process.pid;
    if (!running || pid === undefined || running.verdict) return;
    const bytes = await residentBytes(pid);
    if (bytes <= options.memoryBytes || running !== current) return;
    const found = `held ${bytes} bytes, expected at most ${options.memoryBytes}`;
    kill(running, new GristmillError('MEMORY', `The process that ran the work ${found}`));
  }, LIMITS.childWatchMs);
  watch.unref();

  /** The living child; where one is dying, its successor: two at once would double the memory. */
  async function obtain(): Promise<Running> {
    while (current?.verdict) await current.gone;
    if (closed) throw new GristmillError('CANCELLED', 'The host of the child has been closed');
    current ??= start();
    return current;
  }

  function call<T>(method: string, args: unknown, limits: CallOptions): Promise<T> {
    const { promise, resolve, reject } = makeDeferred<T>();
    const id = nextId++;
    let running: Running | undefined;
    const pending: Pending = {
      resolve(value, cpuSeconds) {
        limits.onCpu?.(cpuSeconds);
        resolve(value as T);
      },
      reject,
    };
    const end = (code: Code, why: string): void => {
      const error = new GristmillError(code, why);
      if (running?.pending.has(id)) kill(running, error, pending);
      reject(error);
    };
    const timer = setTimeout(
      () => end('DEADLINE', `${method} ran past its deadline of ${limits.deadlineMs} ms`),
      limits.deadlineMs,
    );
    const onAbort = (): void => end('CANCELLED', `${method} was cancelled`);
    limits.signal?.addEventListener('abort', onAbort, { once: true });
    if (limits.signal?.aborted) onAbort();
    let isOver = false;
    const begin = async (): Promise<void> => {
      if (limits.signal?.aborted) return;
      const obtained = await obtain();
      if (isOver) return;
      running = obtained;
      running.pending.set(id, pending);
      deliver(running, { kind: 'call', id, method, args });
    };
    begin().catch((error: unknown) => {
      running?.pending.delete(id); // not sendable: the caller's mistake, nobody else's
      reject(error);
    });
    return promise.finally(() => {
      isOver = true;
      clearTimeout(timer);
      limits.signal?.removeEventListener('abort', onAbort);
    });
  }

  function deliver(running: Running, request: ChildRequest): boolean {
    return running.process.send(request, (error) => {
      if (error) kill(running, lost(`The pipe to the process broke: ${error.message}`, error));
    });
  }

  return {
    call,
    post(message) {
      if (closed || current?.verdict) return false;
      current ??= start();
      return current.process.connected && (deliver(current, { kind: 'post', message }) || true);
    },
    onPost: (handler) => {
      postHandlers.push(handler);
    },
    onLost: (handler) => {
      lostHandlers.push(handler);
    },
    kill(code, why) {
      if (current) kill(current, new GristmillError(code, why));
    },
    get pid() {
      return current?.process.pid;
    },
    async close() {
      closed = true;
      clearInterval(watch);
      const last = current;
      if (!last) return;
      kill(last, new GristmillError('CANCELLED', 'The host of the child has been closed'));
      await last.gone;
    },
  };
}

function failCalls(running: Running, error: GristmillError): void {
  const calls = [...running.pending.values()];
  running.pending.clear();
  for (const { reject } of calls) reject(error);
}

const lost = (why: string, cause?: Error): GristmillError =>
  new GristmillError('CHILD_LOST', why, cause ? { cause } : {});

const environmentOf = ({ thread, resident, threads }: ChildOptions): NodeJS.ProcessEnv =>
  childEnvironment(process.env, {
    thread: entryOf(thread).href,
    resident: resident && entryOf(resident).href,
    threads,
  });

/** RSS of a process in bytes; 0 where the system does not tell (then only deadlines bound it). */
async function residentBytes(pid: number): Promise<number> {
  if (process.platform !== 'linux') return residentBytesByPs(pid);
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(status.match(/^VmRSS:\s*(\d+) kB/m)?.[1] ?? 0) * 1024;
}

function residentBytesByPs(pid: number): Promise<number> {
  return new Promise((resolve) => {
    execFile('ps', ['-o', 'rss=', '-p', String(pid)], (error, out) =>
      resolve(error ? 0 : Number(out.trim()) * 1024),
    );
  });
}
