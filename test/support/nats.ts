// A real nats-server for live tests: own port, own folder, to be stopped, killed, paused, wiped and started again.
// In: nothing. Out: its URL and the levers. The binary: $NATS_SERVER, .gristmill/bin, PATH.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from './ports.ts';

export type Nats = AsyncDisposable & {
  readonly url: string;
  readonly port: number;
  /** Of the server that runs now. */
  pid(): number | undefined;
  /** SIGKILL: nothing is flushed. */
  kill(): Promise<void>;
  /** On the same port and folder; with `wipe`, on an empty one. */
  start(options?: { wipe?: boolean }): Promise<void>;
  pause(): void;
  resume(): void;
};

export function findNats(): string | undefined {
  const local = fileURLToPath(new URL('../../.gristmill/bin/nats-server', import.meta.url));
  const onPath = (process.env.PATH ?? '').split(delimiter).map((dir) => join(dir, 'nats-server'));
  const candidates = [process.env.NATS_SERVER, local, ...onPath];
  return candidates.find((path) => path !== undefined && path !== '' && existsSync(path));
}

export async function startNats(): Promise<Nats> {
  const binary = findNats();
  if (!binary)
    throw new Error('No nats-server, expected one in .gristmill/bin, $NATS_SERVER or PATH');
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), 'gristmill-nats-'));
  let server: ChildProcess | undefined;

  async function start(options: { wipe?: boolean } = {}): Promise<void> {
    if (options.wipe) await rm(folder, { recursive: true, force: true });
    server = spawn(binary!, ['-a', '127.0.0.1', '-p', String(port), '-js', '-sd', folder], {
      stdio: 'ignore',
    });
    await untilListening(port);
  }

  async function kill(): Promise<void> {
    const running = server;
    server = undefined;
    if (!running || running.exitCode !== null || running.signalCode !== null) return;
    const gone = new Promise((resolve) => running.once('exit', resolve));
    running.kill('SIGKILL');
    await gone;
  }

  await start();
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    pid: () => server?.pid,
    kill,
    start,
    pause: () => server?.kill('SIGSTOP'),
    resume: () => server?.kill('SIGCONT'),
    async [Symbol.asyncDispose]() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function untilListening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    if (await answers(port)) return;
    await delay(25);
  }
  throw new Error(`nats-server does not listen on port ${port}`);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', () => {
      socket.destroy();
      resolve(true); // its INFO line
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}
