// Worker processes of a test. In: what they shall do. Out: handles; all of them gone in the end.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export type WorkerSetup = {
  readonly nats: string;
  readonly store: string;
  readonly numerics: string;
  readonly slots: number;
  readonly taskMs: number;
  readonly blob: boolean;
  readonly ackWaitMs: number;
  readonly crash?: string;
};

export type WorkerProcess = AsyncDisposable & {
  readonly pid: number;
  /** Resolves with the signal or exit code that ended it. */
  readonly ended: Promise<string | number>;
  send(signal: NodeJS.Signals): void;
};

export async function startWorkerProcess(
  setup: WorkerSetup,
  env: Readonly<Record<string, string>> = {},
): Promise<WorkerProcess> {
  const script = fileURLToPath(new URL('./worker-process.ts', import.meta.url));
  const child: ChildProcess = spawn(process.execPath, [script, JSON.stringify(setup)], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', process.env.SHOW_LOGS ? 'inherit' : 'ignore'],
  });
  const ended = once(child, 'exit').then(([code, signal]) => (signal ?? code) as string | number);
  await Promise.race([
    once(child.stdout!, 'data'),
    ended.then((how) => {
      throw new Error(`the worker process ended at its start: ${how}`);
    }),
  ]);
  return {
    pid: child.pid!,
    ended,
    send: (signal) => child.kill(signal),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}
