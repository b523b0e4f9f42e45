// The image as it would run: every step of the Dockerfile into an empty folder, then a cluster from nothing but that folder.
// In: NATS, MinIO where there is one, the settings of compose.yaml. Out: a job, a prediction, health checks, exit codes.
// Why another user and a read-only tree: a container is both, and what must be written is found out here.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, createWriteStream, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { root } from '../../deploy/bootstrap.mjs';
import { expand } from '../../deploy/image/dockerfile.ts';
import { buildImage, type Image, readBuild, startOf } from '../../deploy/image/steps.ts';
import { answer, copyLake, lakeOf, tripsJob, untilAnswers } from '../support/line.ts';
import { type Minio, startMinio } from '../support/minio.ts';
import { findNats, type Nats, startNats } from '../support/nats.ts';
import { freePort } from '../support/ports.ts';

type Env = Readonly<Record<string, string>>;
type Container = {
  readonly role: string;
  readonly port: number;
  readonly process: ChildProcess;
  readonly env: Env;
  readonly ended: Promise<number | string>;
};

/** Processes of root run as somebody else, who owns nothing of the tree; those of others get a read-only one. */
const SOMEBODY = 1000;
const isRoot = process.getuid?.() === 0;
const user = isRoot ? { uid: SOMEBODY, gid: SOMEBODY } : {};

const compose = parse(readFileSync(join(root, 'deploy/compose.yaml'), 'utf8'), { merge: true }) as {
  services: Record<string, { command: string[]; environment: Env; deploy?: { replicas: number } }>;
};

describe.skipIf(!findNats() || process.platform === 'win32')('the image', () => {
  // readable by whoever the processes run as
  const folder = mkdtempSync(join(tmpdir(), 'gristmill-image-'));
  const started: Container[] = [];
  let image: Image;
  let nats: Nats;
  let minio: Minio | undefined;

  beforeAll(async () => {
    chmodSync(folder, 0o777);
    image = await buildImage({
      ...readBuild(root),
      folder: join(folder, 'stages'),
      env: process.env,
    });
    await rm(join(folder, 'stages/build'), { recursive: true }); // nothing of it may be needed
    await rm(join(folder, 'stages/deps'), { recursive: true });
    if (!isRoot) setWritable(join(image.root, 'app'), false);
    nats = await startNats();
    minio = await startMinio();
  }, 240_000); // two installs and one emission: 30 s alone, more beside others

  afterAll(async () => {
    for (const { process } of started) process.kill('SIGKILL');
    await Promise.all(started.map(({ ended }) => ended));
    await nats?.[Symbol.asyncDispose]();
    await minio?.[Symbol.asyncDispose]();
    if (image && !isRoot) setWritable(join(image.root, 'app'), true);
    await rm(folder, { recursive: true, force: true });
  });

  /** What compose.yaml says of a role, at the addresses of this test. */
  function settingsOf(role: string, port: number): Env {
    const said = Object.entries(compose.services[role]!.environment).map(([name, value]) => [
      name,
      expand(`${value}`, {}),
    ]);
    const all: Record<string, string> = {
      ...Object.fromEntries(said),
      ...minio?.env,
      GRISTMILL_NATS: nats.url,
      GRISTMILL_PORT: String(port),
    };
    if (!minio) {
      all.GRISTMILL_STORE = pathToFileURL(join(folder, 'store')).href;
      if (all.GRISTMILL_LAKE) all.GRISTMILL_LAKE = pathToFileURL(join(folder, 'lake')).href;
    }
    if (role === 'worker') Object.assign(all, { GRISTMILL_THREADS: '1', GRISTMILL_MEMORY: '2048' });
    return all;
  }

  /** As a container runtime does: the image's entrypoint and environment, nothing of this shell's. */
  function run(words: readonly string[], settings: Env, log: string): ChildProcess {
    const { command, env, cwd } = startOf(image, words, settings);
    const path = [dirname(process.execPath), '/usr/bin', '/bin'].join(delimiter);
    const child = spawn(command[0]!, command.slice(1), {
      cwd,
      env: { PATH: path, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      ...user,
    });
    const file = createWriteStream(join(folder, `${log}.log`), { flags: 'a' });
    child.stdout!.pipe(file, { end: false });
    child.stderr!.pipe(file, { end: false });
    return child;
  }

  async function start(role: string): Promise<Container> {
    const port = await freePort();
    const env = settingsOf(role, port);
    const child = run(compose.services[role]!.command, env, `${role}-${started.length}`);
    const ended = once(child, 'exit').then(([code, signal]) => (signal ?? code) as number | string);
    const container = { role, port, process: child, env, ended };
    started.push(container);
    await Promise.race([
      untilAnswers(`http://127.0.0.1:${port}/healthz`),
      ended.then((how) => {
        throw new Error(`${role} ended at its start (${how}):\n${logs()}`);
      }),
    ]);
    return container;
  }

  async function healthOf({ env }: Container): Promise<number> {
    const child = run(image.healthcheck!.slice(2), env, 'health');
    const [code] = (await once(child, 'exit')) as [number];
    return code;
  }

  const logs = (): string =>
    readdirSync(folder)
      .filter((name) => name.endsWith('.log'))
      .map((name) => `${name}: ${readFileSync(join(folder, name), 'utf8').slice(-2000)}`)
      .join('\n');

  const filesOf = (part: string): string[] =>
    readdirSync(join(image.root, part), { recursive: true }).map(String).sort();

  test('runs a job to a prediction, is healthy while it does, and ends with 0 on SIGTERM', async () => {
    expect(image.healthcheck!.slice(0, 2)).toEqual(image.entrypoint);
    const before = filesOf('app');
    const lake = await lakeOf(6, 6_000);
    if (!minio) {
      for (const place of ['store', 'lake']) await makeOpen(join(folder, place));
      await copyLake(lake, pathToFileURL(join(folder, 'lake')).href, {});
    } else await copyLake(lake, settingsOf('worker', 0).GRISTMILL_LAKE!, minio.env);

    const coordinator = await start('coordinator');
    const gateway = await start('gateway');
    const { replicas } = compose.services.worker!.deploy!;
    await Promise.all(Array.from({ length: replicas }, () => start('worker')));

    const at = `http://127.0.0.1:${coordinator.port}/v1/jobs`;
    const { id } = await answer<{ id: string }>(at, {
      ...tripsJob,
      train: { ...tripsJob.train, epochs: 2 },
    });
    const state = async (): Promise<unknown> => {
      const view = await answer<{ state: string; error?: unknown }>(`${at}/${id}`);
      return view.error ?? view.state;
    };
    await expect
      .poll(state, { timeout: 90_000, interval: 200 })
      .toSatisfy((seen) => seen === 'succeeded' || typeof seen === 'object');
    expect(await state(), logs()).toBe('succeeded');

    const served = `http://127.0.0.1:${gateway.port}/v1/models/trips:predict`;
    const row = { departed: '2030-02-03T08:15:00Z', minutes: 12, stop: 'mill' };
    const predict = () =>
      answer<{ predictions: unknown[] }>(served, { instances: [row] }).catch(() => undefined);
    await expect.poll(predict, { timeout: 20_000 }).toMatchObject({ predictions: [{}] });

    expect(await Promise.all(started.map(healthOf))).toEqual(started.map(() => 0));
    for (const { process } of started) process.kill('SIGTERM');
    const ends = started.map(async ({ role, ended }) => [role, await ended]);
    expect(await Promise.all(ends), logs()).toEqual(started.map(({ role }) => [role, 0]));
    expect(await Promise.all(started.map(healthOf))).toEqual(started.map(() => 1));
    expect(filesOf('app')).toEqual(before);
  });

  test('without words prints what it can do, and refuses a setting that it does not know', async () => {
    const say = async (words: readonly string[], env: Env): Promise<[string, number]> => {
      const child = run(words, env, 'words');
      let said = '';
      for (const stream of [child.stdout!, child.stderr!]) {
        stream.on('data', (bytes: Buffer) => {
          said += bytes.toString();
        });
      }
      const [code] = (await once(child, 'close')) as [number];
      return [said, code];
    };
    const [help] = await say([], {});
    expect(help).toMatch(/Usage: gristmill[\s\S]*coordinator[\s\S]*worker[\s\S]*gateway/);
    const [said, code] = await say(['worker'], { GRISTMILL_TREADS: '1' });
    expect(said).toContain('expected GRISTMILL_THREADS');
    expect(code).not.toBe(0);
  });
});

async function makeOpen(folder: string): Promise<void> {
  await mkdir(folder);
  await chmod(folder, 0o777);
}

function setWritable(folder: string, isWritable: boolean): void {
  chmodSync(folder, isWritable ? 0o755 : 0o555);
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) setWritable(join(folder, entry.name), isWritable);
  }
}
