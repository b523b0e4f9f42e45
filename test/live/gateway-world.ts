// A gateway process on a store in a folder, with models made by hand.
// In: a slope. Out: published versions (prediction = slope · x), aliases that move, and a process to ask.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { openFileStore } from '../../common/store/file.ts';
import type { Store } from '../../common/store/store.ts';
import { row } from '../support/slope.ts';

export type Answered = { readonly status: number; readonly body: Record<string, unknown> };

export class GatewayProcess {
  readonly process: ChildProcess;
  readonly exited: Promise<number | null>;
  address = '';
  log = '';

  constructor(env: Readonly<Record<string, string>>) {
    const main = fileURLToPath(new URL('../../gateway/main.ts', import.meta.url));
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith('GRISTMILL_'));
    this.process = spawn(process.execPath, [main], {
      env: { ...Object.fromEntries(own), GRISTMILL_PORT: '0', ...env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    this.process.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.log += text;
    });
    this.exited = new Promise((resolve) => this.process.once('close', (code) => resolve(code)));
  }

  /** Until it listens. */
  async listening(): Promise<this> {
    await until('the gateway listens', () => {
      if (this.process.exitCode !== null) throw new Error(`the gateway ended: ${this.log}`);
      this.address = /"address":"(http:[^"]+)"/.exec(this.log)?.[1] ?? '';
      return this.address !== '';
    });
    return this;
  }

  async get(path: string): Promise<Answered> {
    const response = await fetch(`${this.address}${path}`);
    return { status: response.status, body: (await response.json()) as Answered['body'] };
  }

  async text(path: string): Promise<string> {
    return (await fetch(`${this.address}${path}`)).text();
  }

  async predict(
    instances: readonly unknown[],
    path = '/v1/models/slope:predict',
  ): Promise<Answered> {
    return this.post(path, JSON.stringify({ instances }));
  }

  async post(path: string, body: string, type = 'application/json'): Promise<Answered> {
    const headers = { 'content-type': type };
    const response = await fetch(`${this.address}${path}`, { method: 'POST', headers, body });
    return { status: response.status, body: (await response.json()) as Answered['body'] };
  }

  async children(): Promise<number[]> {
    return (await this.get('/v1/models')).body.children as number[];
  }

  /** Until the champion of `slope` is this version. */
  async serves(version: number): Promise<void> {
    await until(`version ${version} is served`, async () => {
      const { body } = await this.predict([row(1)]);
      return body.version === version;
    }).catch((error: unknown) => {
      throw new Error(`${(error as Error).message}\n${this.log}`);
    });
  }

  async stop(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.exited;
  }
}

/** A store and scratch in a fresh folder. */
export class World implements AsyncDisposable {
  readonly folder: string;
  readonly store: Store;
  readonly #gateways: GatewayProcess[] = [];

  private constructor(folder: string, store: Store) {
    this.folder = folder;
    this.store = store;
  }

  static async open(): Promise<World> {
    const folder = await mkdtemp(join(tmpdir(), 'gristmill-gateway-'));
    return new World(folder, await openFileStore(join(folder, 'store'), { create: true }));
  }

  get storeFolder(): string {
    return join(this.folder, 'store');
  }

  get settings(): Record<string, string> {
    return {
      GRISTMILL_STORE: pathToFileURL(this.storeFolder).href,
      GRISTMILL_SCRATCH: join(this.folder, 'scratch'),
    };
  }

  /** A process that has not said yet where it listens, if it ever will. */
  spawn(env: Readonly<Record<string, string>> = {}): GatewayProcess {
    const gateway = new GatewayProcess({ ...this.settings, ...env });
    this.#gateways.push(gateway);
    return gateway;
  }

  start(env: Readonly<Record<string, string>> = {}): Promise<GatewayProcess> {
    return this.spawn(env).listening();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#gateways.map((gateway) => gateway.stop()));
    await this.store.close();
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Polls until `holds`, at most half a minute: what it waits for takes a second on an idle machine. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (await holds()) return;
    await sleep(50);
  }
  throw new Error(`Waited half a minute, but not: ${what}`);
}
