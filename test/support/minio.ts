// A real MinIO for tests, on a free loopback port, with a folder of its own.
// In: the binary from $MINIO, .gristmill/bin or PATH. Out: its address and variables, or undefined.
// Why a line when skipped: a suite that silently tests less is believed too much; CI fails.
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from './ports.ts';

export type Minio = AsyncDisposable & {
  readonly url: string;
  /** What a process needs to use it. */
  readonly env: Readonly<Record<string, string>>;
  /** Stops the process as power loss would, and starts it again on the same port and folder. */
  kill(): Promise<void>;
  restart(): Promise<void>;
};

const CREDENTIALS = { user: 'gristmill-test', password: 'gristmill-test-secret' };

/** Starts MinIO; undefined, with a line that says so, where there is no binary. */
export async function startMinio(): Promise<Minio | undefined> {
  const binary = findMinio();
  if (binary === undefined) {
    reportMissing();
    return undefined;
  }
  const folder = await mkdtemp(join(tmpdir(), 'gristmill-minio-'));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let child = await launch(binary, folder, port);
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((done) => child.once('exit', done));
    child.kill('SIGKILL');
    await gone;
  };
  return {
    url,
    env: {
      AWS_ENDPOINT_URL: url,
      AWS_ACCESS_KEY_ID: CREDENTIALS.user,
      AWS_SECRET_ACCESS_KEY: CREDENTIALS.password,
      AWS_REGION: 'us-east-1',
    },
    kill,
    restart: async () => {
      await kill();
      child = await launch(binary, folder, port);
    },
    [Symbol.asyncDispose]: async () => {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export function findMinio(): string | undefined {
  const inPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'minio'));
  const own = resolve(import.meta.dirname, '../../.gristmill/bin/minio');
  const given = process.env.MINIO ? [process.env.MINIO] : [];
  return [...given, own, ...inPath].find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function reportMissing(): void {
  const text =
    'MinIO was not found in $MINIO, .gristmill/bin or PATH; get it by ' +
    '"GOBIN=$PWD/.gristmill/bin go install github.com/minio/minio@latest"';
  if (process.env.CI === 'true') throw new Error(`Cannot test against S3: ${text}`);
  process.stderr.write(`SKIPPED: tests against S3. ${text}\n`);
}

async function launch(binary: string, folder: string, port: number): Promise<ChildProcess> {
  const child = spawn(binary, ['server', '--quiet', '--address', `127.0.0.1:${port}`, folder], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: folder,
      MINIO_ROOT_USER: CREDENTIALS.user,
      MINIO_ROOT_PASSWORD: CREDENTIALS.password,
      MINIO_BROWSER: 'off',
      MINIO_CI_CD: 'on',
      GOMAXPROCS: '2',
    },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-4000);
    });
  }
  process.once('exit', () => child.kill('SIGKILL'));
  for (let tries = 0; tries < 300; tries++) {
    if (child.exitCode !== null) throw new Error(`MinIO ended with ${child.exitCode}: ${output}`);
    if (await isReady(port)) return child;
    await delay(100);
  }
  child.kill('SIGKILL');
  throw new Error(`MinIO did not become ready on port ${port}: ${output}`);
}

const isReady = async (port: number): Promise<boolean> => {
  const answer = await fetch(`http://127.0.0.1:${port}/minio/health/cluster`).catch(
    () => undefined,
  );
  await answer?.body?.cancel();
  return answer?.ok === true;
};
