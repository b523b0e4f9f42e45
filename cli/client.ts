// Typed calls to a coordinator and a gateway. Stands alone: other programs may use it, too.
// In: two addresses. Out: a function a call, typed by the services' OpenAPI; every failure is one ClientError.
// Why one error: a script asks `code`, a person reads message and remedy, wherever it went wrong.
import createFetch from 'openapi-fetch';
import type { FieldError } from '../common/errors.ts';
import { LIMITS } from '../common/limits.ts';
import { applyChange, type Change } from '../common/wire/change.ts';
import type { JobEvent } from '../common/wire/view.ts';
import type {
  AliasView,
  CoordinatorPaths,
  DatasetView,
  FiringView,
  GatewayPaths,
  JobView,
  Manifest,
  TriggerView,
} from './api.ts';
import type { Address, Addresses } from './config.ts';
import { eventsOf } from './stream.ts';

/** A problem that a service answered (RFC 9457), or that it could not be asked. */
export class ClientError extends Error {
  /** As in the table of common/errors.ts. */
  readonly code: string;
  /** Of HTTP; 0 where nobody answered. */
  readonly status: number;
  readonly remedy: string | undefined;
  readonly errors: readonly FieldError[];
  constructor(
    message: string,
    of: {
      readonly code: string;
      readonly status: number;
      readonly remedy?: string | undefined;
      readonly errors?: readonly FieldError[] | undefined;
      readonly cause?: unknown;
    },
  ) {
    super(message, { cause: of.cause });
    this.name = 'ClientError';
    this.code = of.code;
    this.status = of.status;
    this.remedy = of.remedy;
    this.errors = of.errors ?? [];
  }
}

/** What happens to a job. `away`: nobody answers just now; it is asked again. */
export type JobNews =
  | { readonly kind: 'fact'; readonly n: number; readonly event: JobEvent }
  | { readonly kind: 'view'; readonly view: JobView }
  | { readonly kind: 'away'; readonly error: ClientError };

export type AliasPlace = {
  readonly name: string;
  readonly environment: string;
  readonly alias: string;
};
export type Row = Record<string, unknown>;
type Of<T extends { get: { responses: { 200: { content: { 'application/json': unknown } } } } }> =
  T['get']['responses'][200]['content']['application/json'];
export type JobPage = Of<CoordinatorPaths['/v1/jobs']>;
export type ModelLine = Of<CoordinatorPaths['/v1/models']>['models'][number];
export type ModelView = Of<CoordinatorPaths['/v1/models/{name}']>;
export type GateView = Of<CoordinatorPaths['/v1/models/{name}/environments/{env}/gate']>;
export type WorkerView = Of<CoordinatorPaths['/v1/workers']>['workers'][number];
export type Prediction =
  GatewayPaths['/v1/models/{name}:predict']['post']['responses'][200]['content']['application/json'];

export type Client = {
  /** Where editors find the schema of a job. */
  readonly schemaUrl: string;
  /** The bytes as they are: the coordinator tells a repeated key or a number that does not fit. */
  submitJob(
    body: Uint8Array,
    options?: { readonly idempotencyKey?: string | undefined },
  ): Promise<{ readonly job: JobView; readonly isReplayed: boolean }>;
  listJobs(page: { readonly limit: number; readonly before?: number }): Promise<JobPage>;
  job(id: string): Promise<JobView>;
  cancelJob(id: string): Promise<JobView>;
  /** From behind fact `after` (0: from the start) until the job has ended; the last news is its last view. */
  followJob(id: string, options?: { readonly after?: number }): AsyncIterable<JobNews>;
  models(): Promise<readonly ModelLine[]>;
  model(name: string): Promise<ModelView>;
  version(name: string, version: number): Promise<Manifest>;
  gate(name: string, environment: string): Promise<GateView>;
  setGate(name: string, environment: string, policy: Uint8Array): Promise<GateView>;
  alias(place: AliasPlace): Promise<AliasView>;
  /** Newest first. */
  aliasHistory(place: AliasPlace): Promise<readonly AliasView[]>;
  /** `seen`: the entry of the alias that was looked at; another one refuses. */
  moveAlias(
    place: AliasPlace,
    move: { readonly version: number; readonly seen: number; readonly reason?: string | undefined },
  ): Promise<AliasView>;
  workers(): Promise<readonly WorkerView[]>;
  /** What a dataset looks like, and how a label expression behaves on it. */
  dataset(uri: string, label?: string): Promise<DatasetView>;
  triggers(): Promise<readonly TriggerView[]>;
  trigger(name: string): Promise<TriggerView>;
  putTrigger(name: string, trigger: Uint8Array): Promise<TriggerView>;
  removeTrigger(name: string): Promise<void>;
  fireTrigger(name: string, idempotencyKey?: string): Promise<FiringView>;
  predict(
    name: string,
    instances: readonly Row[],
    by: { readonly version: number } | { readonly alias: string },
  ): Promise<Prediction>;
};

export type ClientOptions = Addresses & {
  readonly fetch?: typeof globalThis.fetch;
  /** Ends every call. */
  readonly signal?: AbortSignal;
  /** Between two tries to follow a job again, and how long nobody may answer. */
  readonly retryMs?: number;
  readonly awayMsMax?: number;
};

type Answer<T> = { readonly data?: T; readonly error?: unknown; readonly response: Response };
const RETRY_MS = 500;
const AWAY_MS_MAX = 60_000; // a coordinator that starts anew takes seconds

export function createClient(options: ClientOptions): Client {
  const coordinator = makeService('coordinator', options.coordinator, options);
  const gateway = makeService('gateway', options.gateway, options);
  const api = createFetch<CoordinatorPaths>({
    baseUrl: options.coordinator.url,
    fetch: coordinator.fetch,
  });
  const serving = createFetch<GatewayPaths>({ baseUrl: options.gateway.url, fetch: gateway.fetch });
  const ask = coordinator.ask;
  const inGate = (name: string, env: string) => ({ params: { path: { name, env } } });
  const inAlias = ({ name, environment, alias }: AliasPlace) => ({
    path: { name, env: environment, alias },
  });

  return {
    schemaUrl: `${options.coordinator.url}/schemas/job.v1.json`,
    async submitJob(body, { idempotencyKey } = {}) {
      const header = idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey };
      const call = api.POST('/v1/jobs', { params: { header }, ...bytesAs(body) });
      const { data, response } = await coordinator.answer(call);
      return { job: data, isReplayed: response.headers.has('idempotency-replayed') };
    },
    listJobs: ({ limit, before }) => {
      const from = before === undefined ? {} : { before: String(before) };
      return ask(api.GET('/v1/jobs', { params: { query: { limit: String(limit), ...from } } }));
    },
    job: (id) => ask(api.GET('/v1/jobs/{id}', { params: { path: { id } } })),
    cancelJob: (id) => ask(api.POST('/v1/jobs/{id}/cancel', { params: { path: { id } } })),
    followJob: (id, { after = 0 } = {}) => follow(coordinator, id, after, options),
    models: async () => (await ask(api.GET('/v1/models', {}))).models,
    model: (name) => ask(api.GET('/v1/models/{name}', { params: { path: { name } } })),
    version: (name, version) =>
      ask(
        api.GET('/v1/models/{name}/versions/{n}', { params: { path: { name, n: `${version}` } } }),
      ),
    gate: (name, environment) =>
      ask(api.GET('/v1/models/{name}/environments/{env}/gate', inGate(name, environment))),
    setGate: (name, environment, policy) =>
      ask(
        api.PUT('/v1/models/{name}/environments/{env}/gate', {
          ...inGate(name, environment),
          ...bytesAs(policy),
        }),
      ),
    alias: (place) =>
      ask(
        api.GET('/v1/models/{name}/environments/{env}/aliases/{alias}', { params: inAlias(place) }),
      ),
    aliasHistory: async (place) => {
      const path = '/v1/models/{name}/environments/{env}/aliases/{alias}/history';
      return (await ask(api.GET(path, { params: inAlias(place) }))).entries;
    },
    moveAlias: (place, { version, seen, reason }) =>
      ask(
        api.PUT('/v1/models/{name}/environments/{env}/aliases/{alias}', {
          params: { ...inAlias(place), header: { 'if-match': `"${seen}"` } },
          body: reason === undefined ? { version } : { version, reason },
        }),
      ),
    workers: async () => (await ask(api.GET('/v1/workers', {}))).workers,
    dataset: (uri, label) => {
      const query = label === undefined ? { uri } : { uri, label };
      return ask(api.GET('/v1/schema', { params: { query } }));
    },
    triggers: async () => (await ask(api.GET('/v1/triggers', {}))).triggers,
    trigger: (name) => ask(api.GET('/v1/triggers/{name}', { params: { path: { name } } })),
    putTrigger: (name, trigger) =>
      ask(api.PUT('/v1/triggers/{name}', { params: { path: { name } }, ...bytesAs(trigger) })),
    removeTrigger: async (name) => {
      await ask(api.DELETE('/v1/triggers/{name}', { params: { path: { name } } }));
    },
    fireTrigger: (name, idempotencyKey) => {
      const header = idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey };
      return ask(api.POST('/v1/triggers/{name}/fire', { params: { path: { name }, header } }));
    },
    predict(name, instances, by) {
      const body = { instances: [...instances] };
      const path = { name, ...by };
      return gateway.ask(
        'version' in by
          ? serving.POST('/v1/models/{name}/versions/{version}:predict', {
              params: { path: { name, version: String(by.version) } },
              body,
            })
          : serving.POST('/v1/models/{name}/aliases/{alias}:predict', {
              params: { path: path as { name: string; alias: string } },
              body,
            }),
      );
    },
  };
}

/** A body that is sent as it is, whatever type the documentation gives it. */
const bytesAs = (body: Uint8Array) => ({ body: body as never, bodySerializer: () => body });

type Service = {
  readonly fetch: (request: Request) => Promise<Response>;
  /** The data of an answer, or the ClientError that it is. */
  ask<T>(call: Promise<Answer<T>>): Promise<T>;
  answer<T>(call: Promise<Answer<T>>): Promise<{ readonly data: T; readonly response: Response }>;
  json<T>(method: string, path: string, body?: Uint8Array): Promise<T>;
  open(
    path: string,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<Response>;
  unreachable(cause: unknown): ClientError;
};

function makeService(
  name: 'coordinator' | 'gateway',
  address: Address,
  { fetch = globalThis.fetch, signal }: ClientOptions,
): Service {
  const noAnswer = (cause: unknown): ClientError => unreachableError(name, address, cause);
  const send = async (url: string | Request, init: RequestInit = {}): Promise<Response> => {
    signal?.throwIfAborted();
    try {
      return await fetch(url, { ...(signal ? { signal } : {}), ...init });
    } catch (cause) {
      signal?.throwIfAborted();
      throw noAnswer(cause);
    }
  };
  const answer = async <T>(call: Promise<Answer<T>>) => {
    const { data, error, response } = await call.catch((cause: unknown) => {
      throw cause instanceof SyntaxError ? strangeError(name, address, cause) : cause;
    });
    if (!response.ok) throw problemError(name, address, response, error);
    return { data: data as T, response };
  };
  return {
    fetch: (request) => send(request),
    answer,
    ask: async (call) => (await answer(call)).data,
    unreachable: noAnswer,
    async json<T>(method: string, path: string, body?: Uint8Array): Promise<T> {
      const response = await send(address.url + path, {
        method,
        ...(body ? { body, headers: { 'content-type': 'application/json' } } : {}),
      });
      const parsed = parse(await response.text());
      if (!response.ok) throw problemError(name, address, response, parsed);
      return parsed as T;
    },
    async open(path, headers, stop) {
      const response = await send(address.url + path, { headers, signal: stop });
      if (response.ok && response.body) return response;
      throw problemError(name, address, response, parse(await response.text()));
    },
  };
}

/** Goes on behind the last fact seen when a stream breaks; ends with the view of a job that has ended. */
async function* follow(
  service: Service,
  id: string,
  after: number,
  { signal, retryMs = RETRY_MS, awayMsMax = AWAY_MS_MAX }: ClientOptions,
): AsyncGenerator<JobNews> {
  const path = `/v1/jobs/${encodeURIComponent(id)}`;
  let seen = after;
  let heardMs = performance.now();
  for (;;) {
    try {
      for await (const news of openNews(service, `${path}/events`, seen, signal)) {
        heardMs = performance.now();
        if (news.kind === 'fact') {
          if (news.n <= seen) continue; // told before the stream broke
          seen = news.n;
        }
        yield news;
      }
      const view = await service.json<JobView>('GET', path);
      if (isOver(view)) {
        yield { kind: 'view', view };
        return;
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof ClientError) || !isPassing(error)) throw error;
      if (performance.now() - heardMs > awayMsMax) throw error;
      yield { kind: 'away', error };
    }
    await pause(retryMs, signal);
  }
}

/** One stream, ended when it says nothing for longer than a coordinator would. */
async function* openNews(
  service: Service,
  path: string,
  seen: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<JobNews> {
  const silence = new AbortController();
  const stop = signal ? AbortSignal.any([silence.signal, signal]) : silence.signal;
  const wait = (): NodeJS.Timeout =>
    setTimeout(() => silence.abort(), 3 * LIMITS.streamKeepAliveMs);
  let timer = wait();
  const headers: Record<string, string> = { accept: 'text/event-stream' };
  if (seen > 0) headers['last-event-id'] = String(seen);
  try {
    const { body } = await service.open(path, headers, stop);
    const pieces = async function* (): AsyncGenerator<Uint8Array> {
      for await (const piece of body as unknown as AsyncIterable<Uint8Array>) {
        clearTimeout(timer);
        timer = wait();
        yield piece;
      }
    };
    let view: JobView | undefined;
    for await (const { event, id, data } of eventsOf(pieces())) {
      if (event === 'fact') {
        yield { kind: 'fact', n: Number(id), event: JSON.parse(data) as JobEvent };
        continue;
      }
      if (event === 'view') view = JSON.parse(data) as JobView;
      else if (event === 'change' && view)
        view = applyChange(view, JSON.parse(data) as Change<JobView>);
      else continue;
      yield { kind: 'view', view };
    }
  } catch (cause) {
    throw cause instanceof ClientError ? cause : service.unreachable(cause);
  } finally {
    clearTimeout(timer);
  }
}

export const isOver = ({ state }: Pick<JobView, 'state'>): boolean =>
  state === 'succeeded' || state === 'failed' || state === 'cancelled';

/** Nobody answers, or somebody who cannot just now. */
const isPassing = ({ status }: ClientError): boolean => status === 0 || status >= 500;

async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
  signal?.throwIfAborted();
}

function unreachableError(
  name: 'coordinator' | 'gateway',
  at: Address,
  cause: unknown,
): ClientError {
  const setting = name === 'coordinator' ? 'GRISTMILL_COORDINATOR' : 'GRISTMILL_GATEWAY';
  return new ClientError(`Cannot reach the ${name} at ${at.url} (${at.from}): ${whyOf(cause)}`, {
    code: 'SERVER_UNREACHABLE',
    status: 0,
    remedy: `Start a cluster with "gristmill up", or say where it runs: --${name} URL or ${setting}`,
    cause,
  });
}

const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'there is no host of this name',
  EAI_AGAIN: 'the host name cannot be looked up',
  ECONNRESET: 'the connection broke',
  UND_ERR_SOCKET: 'the connection broke',
  ETIMEDOUT: 'no answer in time',
  UND_ERR_CONNECT_TIMEOUT: 'no answer in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  EHOSTUNREACH: 'no way to this host',
  ENETUNREACH: 'no way to this host',
};

function whyOf(cause: unknown): string {
  const inner = (cause as { cause?: { code?: string; message?: string } }).cause;
  const known = NETWORK[inner?.code ?? ''];
  if (known) return known;
  if ((cause as Error).name === 'AbortError') return 'it says nothing any more';
  return inner?.message || (cause as Error).message;
}

const strangeError = (name: string, at: Address, cause?: unknown): ClientError =>
  new ClientError(`Cannot use ${at.url} (${at.from}): what answers there is no gristmill ${name}`, {
    code: 'SERVER_UNREACHABLE',
    status: 0,
    remedy: `Correct the address: --${name} URL; "gristmill up" prints the addresses of its cluster`,
    cause,
  });

function problemError(name: string, at: Address, response: Response, body: unknown): ClientError {
  const problem = (typeof body === 'object' && body !== null ? body : {}) as Record<
    string,
    unknown
  >;
  if (typeof problem.code !== 'string' || typeof problem.detail !== 'string') {
    return strangeError(name, at);
  }
  return new ClientError(problem.detail, {
    code: problem.code,
    status: response.status,
    remedy: typeof problem.remedy === 'string' ? problem.remedy : undefined,
    errors: problem.errors as readonly FieldError[] | undefined,
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
