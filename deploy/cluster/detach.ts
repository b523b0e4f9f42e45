// `up --detach`: a supervisor of its own keeps the cluster, and this process comes back once everything answers.
// In: the words it was started with. Out: what the supervisor has noted, or its exit code where it could not.
// Why not just leave the processes: nobody would start again the one that dies.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Interrupt } from './signals.ts';
import { type Noted, readNoted } from './state.ts';

const LOOK_MS = 100;

/** `at`: the cluster's folder. `tell` gets what the supervisor says until then; the rest goes to logs/up.log. */
export async function startSupervisor({
  at,
  words,
  interrupt,
  tell,
}: {
  readonly at: string;
  readonly words: readonly string[];
  readonly interrupt: Interrupt;
  readonly tell: (text: string) => void;
}): Promise<Noted | { readonly exitCode: number }> {
  const logPath = join(at, 'logs', 'up.log');
  mkdirSync(join(at, 'logs'), { recursive: true });
  const log = openSync(logPath, 'a');
  const child = spawn(process.execPath, [process.argv[1]!, ...words, '--supervise'], {
    stdio: ['ignore', log, log],
    detached: true, // a terminal that closes, or Ctrl-C in it, is not meant for it
  });
  closeSync(log);
  const stop = (): void => void child.kill('SIGTERM');
  interrupt.signal.addEventListener('abort', stop);
  const ended = new Promise<number>((resolve) => {
    child.once('error', () => resolve(1));
    child.once('exit', (code) => resolve(code ?? 1));
  });
  let exitCode: number | undefined;
  void ended.then((code) => {
    exitCode = code;
  });
  await using said = await tailOf(logPath);
  for (;;) {
    const code = exitCode;
    const noted = await readNoted(at);
    tell(await said.next());
    if (noted?.supervisor?.pid === child.pid) {
      interrupt.signal.removeEventListener('abort', stop);
      child.unref();
      return noted!;
    }
    if (code !== undefined) return { exitCode: code };
    await delay(LOOK_MS);
  }
}

/** What is appended to a file from now on. */
async function tailOf(path: string): Promise<AsyncDisposable & { next(): Promise<string> }> {
  const file = await open(path);
  let position = (await file.stat()).size;
  return {
    async next() {
      const { size } = await file.stat();
      const buffer = Buffer.alloc(size - position);
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      position += bytesRead;
      return buffer.toString('utf8', 0, bytesRead);
    },
    [Symbol.asyncDispose]: () => file.close(),
  };
}
