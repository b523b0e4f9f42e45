// A cluster on one machine: NATS, perhaps MinIO, coordinator, workers and a gateway as real processes on free loopback ports.
// In: folders and binaries. Out: addresses, and a handle that starts more, kills some, and stops all.
// Why shared: the quickstart, `gristmill up` and `npm start` start the very same processes.
//
//   nats-server ◄── coordinator ◄── HTTP jobs
//        ▲   ▲            │
//        │   └─ workers ──┴──► store (file:// or MinIO) ◄── gateway ◄── HTTP predictions
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { openStore } from '../../common/store/open.ts';
import { isCheckout, nodePath, root } from '../bootstrap.mjs';
import { requestJson, untilReady } from './http.ts';
import { freePorts } from './ports.ts';
import { type Env, type Guard, type Running, startGuard, startProcess } from './process.ts';

export type Role = 'coordinator' | 'worker' | 'gateway';

/** What each role is told of the cluster; a setting that a role does not know is refused by it. */
const SHARED = {
  coordinator: ['STORE', 'LAKE', 'NATS', 'HOST', 'SCRATCH'],
  worker: ['STORE', 'LAKE', 'NATS', 'SCRATCH'],
  gateway: ['STORE', 'NATS', 'HOST', 'SCRATCH', 'ENVIRONMENT'],
} as const satisfies Record<Role, readonly string[]>;

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
  readonly ports?: Partial<Record<'coordinator' | 'gateway', number>>;
  /** Told what is being waited for. */
  readonly onStep?: (what: string) => void;
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
  readonly processes: readonly Running[];
  /** Rejects as soon as a process ends that nobody stopped. */
  readonly broken: Promise<never>;
  startWorker(): Promise<Running>;
  stop(): Promise<void>;
  /** Lets all processes go on after this one. */
  release(): Promise<void>;
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

/** The processes of one cluster. `starting` → `up` → `stopped`; a process that ends while up breaks it. */
class Parts {
  readonly #options: ClusterOptions;
  readonly #logs: string;
  readonly #guard: Guard = startGuard();
  readonly #processes: Running[] = [];
  readonly #broken: Promise<never>;
  #break: (error: Error) => void = () => {};
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
    const { folder, ports = {} } = this.#options;
    const [nats, coordinator, gateway, minio] = await freePorts(4);
    const natsUrl = `nats://127.0.0.1:${nats}`;
    await this.#startNats(nats!);
    const made = this.#options.minio ? await this.#startMinio(minio!) : fileStore(folder);
    const at = await this.#open(made);
    this.#storeEnv = at.storeEnv;
    this.#settings = {
      STORE: at.storeUri,
      LAKE: at.lakeUri,
      NATS: natsUrl,
      HOST: '127.0.0.1',
      ENVIRONMENT: this.#options.environment ?? 'dev',
    };
    const coordinatorUrl = `http://127.0.0.1:${ports.coordinator ?? coordinator}`;
    const gatewayUrl = `http://127.0.0.1:${ports.gateway ?? gateway}`;
    await this.#startRole('coordinator', 'coordinator', { GRISTMILL_PORT: portOf(coordinatorUrl) });
    await this.#startRole('gateway', 'gateway', { GRISTMILL_PORT: portOf(gatewayUrl) });
    for (let i = 0; i < (this.#options.workers ?? 1); i++) await this.#startWorker();
    await this.#ready(`${coordinatorUrl}/readyz`);
    await this.#ready(`${gatewayUrl}/healthz`); // ready only once a model is served
    await this.#untilWorkers(coordinatorUrl);
    const processes = this.#processes;
    return {
      ...at,
      coordinatorUrl,
      gatewayUrl,
      natsUrl,
      logs: this.#logs,
      broken: this.#broken,
      get processes() {
        return processes;
      },
      startWorker: () => this.#startWorker(),
      stop: () => this.stop(),
      release: () => {
        this.#isStopping = true;
        for (const each of processes) each.release();
        return this.#guard.release();
      },
    };
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
    const isServer = ({ name }: Running): boolean => name === 'nats-server' || name === 'minio';
    await Promise.all(this.#processes.filter((each) => !isServer(each)).map((each) => each.stop()));
    await Promise.all(this.#processes.filter(isServer).map((each) => each.stop(3_000)));
    await this.#guard.close();
  }

  async #startNats(port: number): Promise<void> {
    const dir = join(this.#options.folder, 'nats');
    const monitor = (await freePorts(1))[0]!;
    const listen = ['--addr', '127.0.0.1', '--port', String(port), '--http_port', String(monitor)];
    this.#start(
      'nats-server',
      [this.#options.natsServer, ...listen, '-js', '--store_dir', dir],
      {},
    );
    await this.#ready(`http://127.0.0.1:${monitor}/healthz?js-enabled-only=true`);
  }

  async #startMinio(port: number): Promise<Place> {
    const url = `http://127.0.0.1:${port}`;
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

  async #startRole(name: string, role: Role, own: Env = {}): Promise<Running> {
    const scratch = join(this.#options.folder, 'scratch', fileName(name));
    await mkdir(scratch, { recursive: true });
    const all: Env = { ...this.#settings, SCRATCH: scratch };
    const shared = SHARED[role].map((setting) => [`GRISTMILL_${setting}`, all[setting]]);
    return this.#start(name, [nodePath(), mainOf(role)], {
      ...this.#storeEnv,
      ...Object.fromEntries(shared),
      ...own,
      ...this.#options.settings?.[role],
    });
  }

  #start(name: string, command: readonly string[], settings: Env): Running {
    this.#options.onStep?.(name);
    const running = startProcess({
      name,
      command,
      env: { ...withoutOurs(process.env), ...settings },
      logPath: join(this.#logs, `${fileName(name)}.log`),
      cwd: root,
      guard: this.#guard,
    });
    this.#processes.push(running);
    void running.ended.then((how) => {
      if (!this.#isStopping) this.#break(endedEarly(running, how));
    });
    return running;
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

/** The settings of a shell that was made for another cluster must not reach this one. */
const withoutOurs = (env: Env): Env =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !/^(GRISTMILL|AWS|MINIO)_/.test(name)));

const fileName = (name: string): string => name.replaceAll(' ', '-');
const portOf = (url: string): string => new URL(url).port;

function endedEarly(running: Running, how: string): ClusterError {
  return new ClusterError(
    `The ${running.name} ended by itself (${how}); its log ${running.logPath} ends with:\n${running.tail()}`,
  );
}
