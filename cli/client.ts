// Typed calls to a coordinator and a gateway. Stands alone: other programs may use it, too.
// In: two addresses. Out: a function for what people do, over the calls that OpenAPI names; every failure is one ClientError.
// Why not the calls themselves: a place, a page or an entry seen is one thing here, and four parts of a request there.
import {
  type AliasView,
  COORDINATOR,
  type CoordinatorCalls,
  type DatasetView,
  type FiringView,
  GATEWAY,
  type GatePolicy,
  type GatewayCalls,
  type Job,
  type JobView,
  type Manifest,
  type Trigger,
  type TriggerView,
} from './api.ts';
import { makeService } from './call.ts';
import { type Address, addressOf } from './config.ts';
import { type FollowOptions, followJob, followPromotion, type JobNews } from './follow.ts';

export type { GatePolicy, Job, JobView, Trigger, TriggerView } from './api.ts';
export { ClientError } from './call.ts';
export { isOver, type JobNews } from './follow.ts';

export type AliasPlace = {
  readonly name: string;
  readonly environment: string;
  readonly alias: string;
};
export type Row = Record<string, unknown>;
type Answer<C extends { answer: unknown }> = C['answer'];
export type JobPage = Answer<CoordinatorCalls['listJobs']>;
export type ModelLine = Answer<CoordinatorCalls['models']>['models'][number];
export type ModelView = Answer<CoordinatorCalls['model']>;
export type GateView = Answer<CoordinatorCalls['gate']>;
export type TriggerList = Answer<CoordinatorCalls['triggers']>;
export type WorkerView = Answer<CoordinatorCalls['workers']>['workers'][number];
export type Prediction = Answer<GatewayCalls['predict']>;
export type Served = Answer<GatewayCalls['served']>;

export type Client = {
  /** Where editors find the schema of a job. */
  readonly schemaUrl: string;
  /** A job, or the bytes of one as they are: the coordinator tells a repeated key or a number that does not fit. */
  submitJob(
    body: Job | Uint8Array,
    options?: { readonly idempotencyKey?: string | undefined },
  ): Promise<{ readonly job: JobView; readonly isReplayed: boolean }>;
  listJobs(page: { readonly limit: number; readonly before?: number }): Promise<JobPage>;
  job(id: string): Promise<JobView>;
  cancelJob(id: string): Promise<JobView>;
  /** Lets a job go on that waits for numerics nobody has. */
  repinJob(id: string): Promise<JobView>;
  /** From behind fact `after` (0: from the start) until the job has ended; the last news is its last view. */
  followJob(id: string, options?: { readonly after?: number }): AsyncIterable<JobNews>;
  /** All of them, page by page. */
  models(): Promise<readonly ModelLine[]>;
  /** Its newest versions, or those below `before`. */
  model(
    name: string,
    page?: { readonly limit: number; readonly before?: number },
  ): Promise<ModelView>;
  version(name: string, version: number): Promise<Manifest>;
  gate(name: string, environment: string): Promise<GateView>;
  setGate(name: string, environment: string, policy: GatePolicy | Uint8Array): Promise<GateView>;
  alias(place: AliasPlace): Promise<AliasView>;
  /** Newest first. */
  aliasHistory(place: AliasPlace): Promise<readonly AliasView[]>;
  /** Resolves once it is decided, however long that takes. `seen`: the entry that was looked at; another one refuses. */
  moveAlias(
    place: AliasPlace,
    move: { readonly version: number; readonly seen: number; readonly reason?: string | undefined },
  ): Promise<AliasView>;
  workers(): Promise<readonly WorkerView[]>;
  /** What a dataset looks like, and how a label expression behaves on it. */
  dataset(uri: string, label?: string): Promise<DatasetView>;
  triggers(): Promise<TriggerList>;
  trigger(name: string): Promise<TriggerView>;
  /** `seen`: the entry that is changed; absent: whichever is there. */
  putTrigger(name: string, trigger: Trigger | Uint8Array, seen?: number): Promise<TriggerView>;
  removeTrigger(name: string): Promise<void>;
  fireTrigger(name: string, idempotencyKey?: string): Promise<FiringView>;
  /** What the gateway serves now. */
  served(): Promise<Served>;
  predict(
    name: string,
    instances: readonly Row[],
    /** The alias "champion" if not said. */
    by?: { readonly version: number } | { readonly alias: string },
  ): Promise<Prediction>;
};

/** An address is "http://host:port", as text or URL; left out, it is the default of the command line. */
export type ClientOptions = Pick<FollowOptions, 'retryMs' | 'awayMsMax'> & {
  readonly coordinator?: string | URL | Address;
  readonly gateway?: string | URL | Address;
  readonly fetch?: typeof globalThis.fetch;
  /** Ends every call. */
  readonly signal?: AbortSignal;
};

/** `createClient('http://host:8080')`, or `createClient({ coordinator, gateway })`. */
export function createClient(given: ClientOptions | string | URL = {}): Client {
  const options =
    typeof given === 'string' || given instanceof URL ? { coordinator: given } : given;
  const { fetch, signal } = options;
  const at = addressOf('coordinator', options.coordinator);
  const coordinator = makeService<CoordinatorCalls>(COORDINATOR, {
    ...{ name: 'coordinator', address: at, fetch, signal },
  });
  const gateway = makeService<GatewayCalls>(GATEWAY, {
    ...{ name: 'gateway', address: addressOf('gateway', options.gateway), fetch, signal },
  });
  const { ask } = coordinator;
  const place = ({ name, environment, alias }: AliasPlace) => ({
    path: { name, env: environment, alias },
  });
  const keyed = (key: string | undefined) =>
    key === undefined ? {} : { headers: { 'idempotency-key': key } };

  return {
    schemaUrl: `${at.url}/schemas/job.v1.json`,
    async submitJob(body, { idempotencyKey } = {}) {
      const response = await coordinator.open('submitJob', { ...keyed(idempotencyKey), body });
      return {
        job: await coordinator.read('submitJob', response),
        isReplayed: response.headers.has('idempotency-replayed'),
      };
    },
    listJobs: ({ limit, before }) => ask('listJobs', { query: pageOf(limit, before) }),
    job: (id) => ask('job', { path: { id } }),
    cancelJob: (id) => ask('cancelJob', { path: { id } }),
    repinJob: (id) => ask('repinJob', { path: { id } }),
    followJob: (id, { after = 0 } = {}) => followJob(coordinator, id, { ...options, after }),
    async models() {
      const models: ModelLine[] = [];
      for (let after: string | null = ''; after !== null; ) {
        const page: Answer<CoordinatorCalls['models']> = await ask('models', {
          query: { limit: '200', ...(after === '' ? {} : { after }) },
        });
        models.push(...page.models);
        after = page.next;
      }
      return models;
    },
    model: (name, { limit, before } = { limit: 50 }) =>
      ask('model', { path: { name }, query: pageOf(limit, before) }),
    version: (name, version) => ask('version', { path: { name, n: `${version}` } }),
    gate: (name, env) => ask('gate', { path: { name, env } }),
    setGate: (name, env, body) => ask('setGate', { path: { name, env }, body }),
    alias: (at) => ask('alias', place(at)),
    aliasHistory: async (at) => (await ask('aliasHistory', place(at))).entries,
    async moveAlias(at, { version, seen, reason }) {
      const answer = await ask('moveAlias', {
        ...place(at),
        headers: { 'if-match': `"${seen}"` },
        body: reason === undefined ? { version } : { version, reason },
      });
      return 'state' in answer ? followPromotion(coordinator, answer, options) : answer;
    },
    workers: async () => (await ask('workers', {})).workers,
    dataset: (uri, label) =>
      ask('dataset', { query: label === undefined ? { uri } : { uri, label } }),
    triggers: () => ask('triggers', {}),
    trigger: (name) => ask('trigger', { path: { name } }),
    putTrigger: (name, body, seen) =>
      ask('putTrigger', {
        path: { name },
        body,
        ...(seen === undefined ? {} : { headers: { 'if-match': `"${seen}"` } }),
      }),
    removeTrigger: (name) => ask('removeTrigger', { path: { name } }),
    fireTrigger: (name, key) => ask('fireTrigger', { path: { name }, ...keyed(key) }),
    served: () => gateway.ask('served', {}),
    predict(name, instances, by) {
      const body = { instances: [...instances] };
      if (by === undefined) return gateway.ask('predict', { path: { name }, body });
      return 'version' in by
        ? gateway.ask('predictVersion', { path: { name, version: `${by.version}` }, body })
        : gateway.ask('predictAlias', { path: { name, alias: by.alias }, body });
    },
  };
}

const pageOf = (limit: number, before: number | undefined) => ({
  limit: `${limit}`,
  ...(before === undefined ? {} : { before: `${before}` }),
});
