// A cluster on one machine: NATS, perhaps MinIO, coordinator, workers and a gateway as real processes on free loopback ports.
// In: folders and binaries, perhaps what an earlier run has left. Out: addresses, and a handle that starts more and stops all.
// Why shared: the quickstart, `gristmill up` and `npm start` start the very same processes.
// `up` keeps them: whichever dies is started again on its port and folder, with back-off; the quickstart ends with one.
//
//   nats-server ◄── coordinator ◄── HTTP jobs
//        ▲   ▲            │
//        │   └─ workers ──┴──► store (file:// or MinIO) ◄── gateway ◄── HTTP predictions

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { systemClock } from '../../common/clock.ts';
import { isAlive } from '../../common/identity.ts';
import { SETTINGS } from '../../common/settings.ts';
import { openStore } from '../../common/store/open.ts';
import { DEFAULT_ENVIRONMENT } from '../../common/wire/environment.ts';
import { isCheckout, nodePath, root } from '../bootstrap.mjs';
import { requestJson, untilReady } from './http.ts';
import { freePorts } from './ports.ts';
import { type News, Post } from './post.ts';
import {
  adoptProcess,
  type Env,
  type Guard,
  type Running,
  startGuard,
  startProcess,
} from './process.ts';
import type { Noted, Ports } from './state.ts';

export type Role = 'coordinator' | 'worker' | 'gateway';

export type ClusterOptions = {
  /** Holds all that the cluster writes: store, lake, NATS, scratch, logs. */
  readonly folder: string;
  readonly natsServer: string;
  /** A MinIO binary: then store and lake lie in it, unless they are named. */
  readonly minio?: string;
  /** URIs of what is not to lie in `folder`. The lake is there already. */
  readonly lake?: string;
  readonly store?: string;
  /** What it takes to reach them: AWS_* variables. */
  readonly storeEnv?: Env;
  readonly workers?: number;
  readonly environment?: string;
  /** More settings by role, such as GRISTMILL_THREADS. */
  readonly settings?: Partial<Record<Role, Env>>;
  /** Ends the start. */
  readonly signal?: AbortSignal;
  /** Ports that shall stay the same from run to run; free ones otherwise. */
  readonly ports?: Partial<Ports>;
  /** What an earlier run has noted: those of its processes that live are adopted. */
  readonly former?: Noted;
  /** Once all is up, whoever dies is started again. */
  readonly isKept?: boolean;
  /** Told what is being waited for. */
  readonly onStep?: (what: string) => void;
  /** Told whenever a process has died that is kept, and when the next one is there. */
  readonly onNews?: (name: string, news: News) => void;
};

export type Cluster = {
  readonly coordinatorUrl: string;
  readonly gatewayUrl: string;
  readonly natsUrl: string;
  readonly storeUri: string;
  readonly lakeUri: string;
  /** What a process needs to reach the store: AWS_* variables for MinIO. */
  readonly storeEnv: Env;
  readonly logs: string;
  readonly ports: Ports;
  /** Each place with the process there now, or there last, and how often it was started again. */
  readonly processes: readonly {
    readonly name: string;
    readonly pid: number;
    readonly restarts: number;
  }[];
  /** Rejects as soon as a process ends that nobody stopped, and that is not kept. */
  readonly broken: Promise<never>;
  startWorker(): Promise<Running>;
  stop(): Promise<void>;
  /** Lets all processes go on after this one, which does not look after them any more. */
  release(): Promise<void>;
  /** From here on they outlive this process if it is killed: whoever comes next adopts them. */
  unguard(): Promise<void>;
};

/** A process ended that should not have, or did not come up: what it said last is in the message. */
export class ClusterError extends Error {}

const READY_MS = 60_000;
const ACCESS_KEY = 'gristmill';
const SECRET_KEY = 'gristmill-quickstart';

export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const parts = new Parts(options);
  try {
    return await parts.start();
  } catch (error) {
    await parts.stop();
    throw error;
  }
}

/**
 * The processes of one cluster. `starting` → `up` → `stopped`. One that ends while starting breaks it: its settings or its
 * port are wrong, say; one that ends while up is started again where they are kept, and breaks it otherwise.
 */
class Parts {
  readonly #options: ClusterOptions;
  readonly #logs: string;
  #guard: Guard | undefined = startGuard();
  readonly #posts: { readonly name: string; readonly post: Post }[] = [];
  readonly #broken: Promise<never>;
  #break: (error: Error) => void = () => {};
  #isUp = false;
  #isStopping = false;
  #workers = 0;
  #settings: Env = {};
  #storeEnv: Env = {};

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.#logs = join(options.folder, 'logs');
    this.#broken = new Promise((_, reject) => {
      this.#break = reject;
    });
    this.#broken.catch(() => {}); // whoever waits for it is told
  }

  async start(): Promise<Cluster> {
    const { folder } = this.#options;
    const ports = await this.#portsOf();
    const natsUrl = urlOf('nats', ports.nats);
    await this.#startNats(ports);
    const made = this.#options.minio ? await this.#startMinio(ports.minio) : fileStore(folder);
    const at = await this.#open(made);
    this.#storeEnv = at.storeEnv;
    this.#settings = {
      STORE: at.storeUri,
      LAKE: at.lakeUri,
      NATS: natsUrl,
      HOST: '127.0.0.1',
      ENVIRONMENT: this.#options.environment ?? DEFAULT_ENVIRONMENT,
    };
    const coordinatorUrl = urlOf('http', ports.coordinator);
    const gatewayUrl = urlOf('http', ports.gateway);
    await this.#startRole('coordinator', 'coordinator', ports.coordinator);
    await this.#startRole('gateway', 'gateway', ports.gateway);
    for (let i = 0; i < (this.#options.workers ?? 1); i++) await this.#startWorker();
    await this.#ready(`${coordinatorUrl}/readyz`);
    await this.#ready(`${gatewayUrl}/healthz`); // ready only once a model is served
    await this.#untilWorkers(coordinatorUrl);
    this.#isUp = true;
    const posts = this.#posts;
    return {
      ...at,
      coordinatorUrl,
      gatewayUrl,
      natsUrl,
      ports,
      logs: this.#logs,
      broken: this.#broken,
      get processes() {
        return posts.map(({ name, post }) => ({
          name,
          pid: post.running.pid,
          restarts: post.restarts,
        }));
      },
      startWorker: () => this.#startWorker(),
      stop: () => this.stop(),
      release: async () => {
        this.#isStopping = true;
        for (const { post } of posts) post.release();
        await this.#guard?.release();
      },
      unguard: async () => {
        const guard = this.#guard;
        this.#guard = undefined;
        await guard?.release();
      },
    };
  }

  /** As before where an earlier run is taken over, else as asked for, else free ones. */
  async #portsOf(): Promise<Ports> {
    const { former, ports } = this.#options;
    const [nats, monitor, minio, coordinator, gateway] = await freePorts(
      5,
      Object.values({ ...ports, ...former?.ports }),
    );
    const free: Ports = {
      nats: nats!,
      monitor: monitor!,
      minio: minio!,
      coordinator: coordinator!,
      gateway: gateway!,
    };
    return { ...free, ...ports, ...former?.ports };
  }

  /** Makes what is ours to make: a lake that was named is there, or was misspelt. */
  async #open(made: Place): Promise<Place> {
    const { lake, store, storeEnv } = this.#options;
    const at = {
      storeUri: store ?? made.storeUri,
      lakeUri: lake ?? made.lakeUri,
      storeEnv: { ...storeEnv, ...made.storeEnv },
    };
    await (await openStore(at.storeUri, at.storeEnv, { create: true })).close();
    await (await openStore(at.lakeUri, at.storeEnv, { create: lake === undefined })).close();
    return at;
  }

  /** In the reverse order of need: who uses the store and NATS goes first. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const servers = this.#posts.filter(({ name }) => isServer(name));
    const roles = this.#posts.filter(({ name }) => !isServer(name));
    await Promise.all(roles.map(({ post }) => post.stop()));
    await Promise.all(servers.map(({ post }) => post.stop(3_000)));
    await this.#guard?.close();
  }

  async #startNats({ nats, monitor }: Ports): Promise<void> {
    const dir = join(this.#options.folder, 'nats');
    const listen = ['--addr', '127.0.0.1', '--port', String(nats), '--http_port', String(monitor)];
    this.#start(
      'nats-server',
      [this.#options.natsServer, ...listen, '-js', '--store_dir', dir],
      {},
    );
    await this.#ready(`http://127.0.0.1:${monitor}/healthz?js-enabled-only=true`);
  }

  async #startMinio(port: number): Promise<Place> {
    const url = urlOf('http', port);
    const data = join(this.#options.folder, 'minio');
    await mkdir(data, { recursive: true });
    this.#start(
      'minio',
      [this.#options.minio!, 'server', '--quiet', '--address', `127.0.0.1:${port}`, data],
      {
        MINIO_ROOT_USER: ACCESS_KEY,
        MINIO_ROOT_PASSWORD: SECRET_KEY,
        MINIO_BROWSER: 'off',
      },
    );
    await this.#ready(`${url}/minio/health/cluster`);
    return {
      storeUri: 's3://gristmill/store',
      lakeUri: 's3://gristmill/lake',
      storeEnv: {
        AWS_ENDPOINT_URL: url,
        AWS_ACCESS_KEY_ID: ACCESS_KEY,
        AWS_SECRET_ACCESS_KEY: SECRET_KEY,
        AWS_REGION: 'us-east-1',
      },
    };
  }

  #startWorker(): Promise<Running> {
    this.#workers++;
    return this.#startRole(`worker ${this.#workers}`, 'worker');
  }

  async #startRole(name: string, role: Role, port?: number): Promise<Running> {
    const scratch = join(this.#options.folder, 'scratch', fileName(name));
    await mkdir(scratch, { recursive: true });
    const all: Env = { ...this.#settings, SCRATCH: scratch };
    return this.#start(name, [nodePath(), mainOf(role)], {
      ...this.#storeEnv,
      ...sharedWith(role, all),
      ...(port === undefined ? {} : { GRISTMILL_PORT: String(port) }),
      ...this.#options.settings?.[role],
    });
  }

  #start(name: string, command: readonly string[], settings: Env): Running {
    const logPath = join(this.#logs, `${fileName(name)}.log`);
    const env = { ...withoutOurs(process.env), ...settings };
    const guard = () => (this.#guard ? { guard: this.#guard } : {});
    const start = (): Running => {
      this.#options.onStep?.(name);
      return startProcess({ name, command, env, logPath, cwd: root, ...guard() });
    };
    const noted = this.#options.former?.processes.find((each) => each.name === name);
    const adopted =
      noted && isAlive(noted) ? adoptProcess(noted, { logPath, ...guard() }) : undefined;
    const post = new Post({
      clock: systemClock,
      start,
      ...(adopted ? { adopted } : {}),
      isKept: () => this.#isUp && this.#options.isKept === true,
      onNews: (news) => this.#options.onNews?.(name, news),
      onOver: (running, how) => {
        if (!this.#isStopping) this.#break(endedEarly(running, how));
      },
    });
    this.#posts.push({ name, post });
    return post.running;
  }

  async #ready(url: string): Promise<void> {
    await Promise.race([
      this.#broken,
      untilReady(url, { timeoutMs: READY_MS, check: () => this.#checkUp() }),
    ]);
  }

  #checkUp(): void {
    this.#options.signal?.throwIfAborted();
    if (this.#isStopping) throw new ClusterError('Cannot start the cluster: it was stopped');
  }

  /** A worker has no port: the coordinator tells when it hears its heartbeat. */
  async #untilWorkers(coordinatorUrl: string): Promise<void> {
    const wanted = this.#options.workers ?? 1;
    const deadline = performance.now() + READY_MS;
    while (performance.now() < deadline) {
      this.#checkUp();
      const alive = requestJson<{ workers: readonly unknown[] }>(`${coordinatorUrl}/v1/workers`);
      const { workers } = await Promise.race([this.#broken, alive]);
      if (workers.length >= wanted) return;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new ClusterError(
      `Cannot start the cluster: the coordinator heard of fewer than ${wanted} workers within ${READY_MS / 1000} s; see ${this.#logs}`,
    );
  }
}

/** Relative to `root`, which is where it runs: short in lists of processes. */
const mainOf = (role: Role): string => join(role, isCheckout ? 'main.ts' : 'main.js');

type Place = Pick<Cluster, 'storeUri' | 'lakeUri' | 'storeEnv'>;

const fileStore = (folder: string): Place => ({
  storeUri: pathToFileURL(join(folder, 'store')).href,
  lakeUri: pathToFileURL(join(folder, 'lake')).href,
  storeEnv: {},
});

/** What a role reads of the cluster's settings: one that it does not know is refused by it. A port is its own. */
function sharedWith(role: Role, all: Env): Env {
  const known: readonly string[] = Object.values(SETTINGS[role]).map(({ name }) => name);
  const named = Object.entries(all).map(([name, value]) => [`GRISTMILL_${name}`, value] as const);
  return Object.fromEntries(named.filter(([name]) => known.includes(name)));
}

/** In this order everything is stopped: who uses store and queue first. */
export const isServer = (name: string): boolean => name === 'nats-server' || name === 'minio';

const urlOf = (scheme: string, port: number): string => `${scheme}://127.0.0.1:${port}`;

/** The settings of a shell that was made for another cluster must not reach this one. */
const withoutOurs = (env: Env): Env =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !/^(GRISTMILL|AWS|MINIO)_/.test(name)));

const fileName = (name: string): string => name.replaceAll(' ', '-');

function endedEarly(running: Running, how: string): ClusterError {
  return new ClusterError(
    `The ${running.name} ended by itself (${how}); its log ${running.logPath} ends with:\n${running.tail()}`,
  );
}
