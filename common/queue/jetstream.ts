// The queue over NATS JetStream: the only file that opens NATS.
// In: task messages and small events. Out: leases, heartbeats, broadcasts. Foreign errors end here.
// Why nothing is set up once: the stream and its consumers may vanish at any time (server wiped, replaced), so each
// use that meets their absence creates them again and goes on.
//
//   stream GRISTMILL_TASKS (work queue, file, discard new)       consumer w-<numerics token>, one for each numerics
//     gm.task.<numerics token>.<task>   one subject a task, so that one request tells what waits and one removes it

import { setTimeout as delay } from 'node:timers/promises';
import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
} from '@nats-io/jetstream';
import {
  connect,
  createInbox,
  headers,
  type Msg,
  type NatsConnection,
  nanos,
} from '@nats-io/transport-node';
import { systemClock } from '../clock.ts';
import { GristmillError } from '../errors.ts';
import type { TaskId } from '../ids.ts';
import { LIMITS } from '../limits.ts';
import type { Log } from '../log.ts';
import type { Heartbeat } from '../wire/event.ts';
import type { Task } from '../wire/task.ts';
import { Confirmed } from './confirm.ts';
import { type Lease, numericsToken, type Queue, SUBJECTS } from './queue.ts';

export const STREAM = 'GRISTMILL_TASKS';
/** The durable consumer of one numerics: what KEDA watches. */
export const consumerName = (numerics: string): string => `w-${numericsToken(numerics)}`;

export type JetStreamOptions = {
  /** `nats://[user:password@]host:port`, several separated by commas; `tls://` encrypts. */
  readonly servers: string;
  /** Where that address came from, for the error: "GRISTMILL_NATS", "the default of GRISTMILL_NATS". */
  readonly source: string;
  /** Shown by `nats server report connections`. */
  readonly name: string;
  readonly log: Log;
  readonly ackWaitMs?: number;
};

export async function openJetStream(options: JetStreamOptions): Promise<Queue> {
  const connection = await reach(options);
  warnOldServer(connection, options.log);
  return makeBroker(connection, options);
}

async function makeBroker(connection: NatsConnection, options: JetStreamOptions): Promise<Queue> {
  const uri = withoutSecrets(options.servers);
  const confirmed = listenForConfirmations(connection);
  const manager = await jetstreamManager(connection, {
    checkAPI: false,
    timeout: LIMITS.queueTimeoutMs,
  });
  let connected = true;
  let closing = false;
  /** What is known to exist; emptied by every sign that it does not. */
  let ready = new Map<string, Promise<void>>();
  let isReady = new Set<string>();

  const pullers = new Map<string, Puller>();
  const gathered = new Gathered(connection);

  function forget(): void {
    ready = new Map();
    isReady = new Set();
  }

  function ensure(numerics: string): Promise<void> {
    const known = ready.get(numerics);
    if (known) return known;
    const streamReady = ready.get('') ?? ensureStream(manager);
    ready.set('', streamReady);
    const made = streamReady.then(() =>
      ensureConsumer(manager, numerics, options.ackWaitMs ?? LIMITS.ackWaitMs),
    );
    ready.set(numerics, made);
    made.then(() => {
      if (ready.get(numerics) === made) isReady.add(numerics);
    }, forget);
    return made;
  }

  /** Runs `act`, setting up what it turns out to lack; after some tries it is QUEUE_UNAVAILABLE. */
  async function insist<T>(what: string, numerics: string, act: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        await ensure(numerics);
        return await act();
      } catch (error) {
        if (error instanceof GristmillError) throw error;
        forget();
        if (closing || attempt >= LIMITS.queueTries) throw unavailable(what, uri, error);
        await delay(50 * 2 ** attempt);
      }
    }
  }

  async function watchConnection(): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect') {
        connected = false;
        confirmed.failAll('disconnected');
        options.log.warn('queue disconnected', { uri });
      }
      if (status.type === 'reconnect') {
        connected = true;
        options.log.info('queue connected again', { uri });
        forget();
        for (const puller of pullers.values()) puller.startOver();
      }
    }
  }
  void watchConnection();

  function pullerOf(numerics: string): Puller {
    const known = pullers.get(numerics);
    if (known) return known;
    const made = new Puller(connection, numerics, {
      isReady: () => isReady.has(numerics),
      ensure: () => ensure(numerics),
      forget,
      gather: (send) => gathered.add(send),
      log: options.log,
    });
    pullers.set(numerics, made);
    return made;
  }

  const waiting = (numerics: string): Promise<ReadonlySet<TaskId>> =>
    insist('list tasks', numerics, async () => {
      const filter = `${SUBJECTS.tasks(numerics)}.>`;
      const info = await manager.streams.info(STREAM, { subjects_filter: filter });
      const subjects = Object.keys(info.state.subjects ?? {});
      return new Set(subjects.map((s) => s.slice(s.lastIndexOf('.') + 1) as TaskId));
    });

  return {
    uri,
    async offer(task, generation) {
      const payload = encodeTask(task);
      await insist('offer a task', task.numerics, () =>
        confirmed.publish(
          SUBJECTS.task(task.numerics, task.task),
          payload,
          `${task.task}:${task.commit}:${generation}`,
        ),
      );
    },
    async withdraw(numerics, tasks) {
      for (const task of tasks) {
        await insist('withdraw a task', numerics, () =>
          manager.streams.purge(STREAM, { filter: SUBJECTS.task(numerics, task) }),
        );
      }
    },
    waiting,
    depth: async (numerics) => (await waiting(numerics)).size,
    pull: (numerics, waitMs, signal) => pullerOf(numerics).pull(waitMs, signal),
    beat(heartbeat) {
      if (connected && !closing) connection.publish(SUBJECTS.heartbeat, JSON.stringify(heartbeat));
    },
    onHeartbeat: (handler) =>
      subscribe(connection, SUBJECTS.heartbeat, (message) => {
        const heartbeat = parseJson<Heartbeat>(message, options.log);
        if (heartbeat) handler(heartbeat);
      }),
    publish(subject, bytes) {
      if (!connected || closing) return;
      const send = (): void => connection.publish(subject, bytes);
      if (subject === SUBJECTS.taskSettled) gathered.add(send);
      else send();
    },
    subscribe: (pattern, handler) =>
      subscribe(connection, pattern, (m) => handler({ subject: m.subject, bytes: m.data })),
    isConnected: () => connected && !connection.isClosed(),
    async close() {
      closing = true;
      for (const puller of pullers.values()) puller.close();
      gathered.flush();
      confirmed.failAll('closed');
      if (connected) await Promise.race([connection.flush(), delay(LIMITS.queueTimeoutMs)]);
      await connection.close();
    },
  };
}

function listenForConfirmations(connection: NatsConnection): Confirmed {
  const inbox = createInbox();
  const confirmed = new Confirmed({
    inbox,
    send: ({ subject, payload, messageId, reply }) => {
      const named = headers();
      named.set('Nats-Msg-Id', messageId);
      connection.publish(subject, payload, { reply, headers: named });
    },
    clock: systemClock,
    timeoutMs: LIMITS.queueTimeoutMs,
  });
  subscribe(connection, `${inbox}.*`, (message) => {
    const status = message.headers?.code ?? 0;
    confirmed.hear({ subject: message.subject, status, json: () => message.json() });
  });
  return confirmed;
}

/** What may wait a millisecond: pulls, acks and hints of many tasks then share one write, and wake the broker once. */
class Gathered {
  readonly #connection: NatsConnection;
  #sends: (() => void)[] = [];

  constructor(connection: NatsConnection) {
    this.#connection = connection;
  }

  add(send: () => void): void {
    if (this.#sends.push(send) === 1) setTimeout(() => this.flush(), LIMITS.queueGatherMs);
  }

  flush(): void {
    const sends = this.#sends;
    this.#sends = [];
    if (this.#connection.isClosed()) return;
    for (const send of sends) send();
  }
}

type Waiter = {
  readonly signal: AbortSignal;
  readonly give: (lease: Lease | undefined) => void;
};
type Broker = {
  isReady(): boolean;
  ensure(): Promise<void>;
  forget(): void;
  gather(send: () => void): void;
  readonly log: Log;
};

/** An inbox for one pull request at a time: a delivered task keeps its own subject, so only the inbox tells whose it is. */
type Slot = { readonly inbox: string; left: number; timer: NodeJS.Timeout | undefined };

/**
 * Pull requests of one numerics. Every pull that waits has one message asked for, never more: what is
 * delivered is worked on at once and does not age in a buffer. Pulls of one millisecond share a request.
 *
 *   waiters  3            slots  [2 left] [1 left] [free]           asked = 3: nothing to ask for
 */
class Puller {
  readonly #connection: NatsConnection;
  readonly #numerics: string;
  readonly #broker: Broker;
  readonly #waiters: Waiter[] = [];
  readonly #slots: Slot[] = [];
  readonly #heeded = new WeakSet<AbortSignal>();
  #scheduled = false;
  #closed = false;

  constructor(connection: NatsConnection, numerics: string, broker: Broker) {
    this.#connection = connection;
    this.#numerics = numerics;
    this.#broker = broker;
  }

  pull(waitMs: number, signal: AbortSignal): Promise<Lease | undefined> {
    if (this.#closed || signal.aborted) return Promise.resolve(undefined);
    this.#heed(signal);
    return new Promise((resolve) => {
      const waiter: Waiter = {
        signal,
        give: (lease) => {
          clearTimeout(timer);
          resolve(lease);
        },
      };
      const timer = setTimeout(() => this.#dismiss([waiter]), waitMs);
      this.#waiters.push(waiter);
      this.#schedule();
    });
  }

  /** One listener a signal: a listener each cost more than the rest of a pull. */
  #heed(signal: AbortSignal): void {
    if (this.#heeded.has(signal)) return;
    this.#heeded.add(signal);
    const leave = (): void => this.#dismiss(this.#waiters.filter((w) => w.signal === signal));
    signal.addEventListener('abort', leave, { once: true });
  }

  #dismiss(waiters: readonly Waiter[]): void {
    for (const waiter of waiters) {
      const at = this.#waiters.indexOf(waiter);
      if (at >= 0) this.#waiters.splice(at, 1);
      waiter.give(undefined);
    }
  }

  /** Every outstanding request died with the connection. */
  startOver(): void {
    for (const slot of this.#slots) this.#free(slot);
    this.#schedule();
  }

  close(): void {
    this.#closed = true;
    this.startOver();
    for (const waiter of this.#waiters.splice(0)) waiter.give(undefined);
  }

  #schedule(afterMs = 0): void {
    if (this.#scheduled || this.#closed || this.#waiters.length === 0) return;
    this.#scheduled = true;
    const run = (): void => {
      this.#scheduled = false;
      void this.#ask();
    };
    if (afterMs > 0) setTimeout(run, afterMs);
    else this.#broker.gather(run);
  }

  async #ask(): Promise<void> {
    try {
      if (!this.#broker.isReady()) await this.#broker.ensure();
    } catch {
      this.#schedule(LIMITS.queueRetryMs); // no broker: the waiters' own time runs on
      return;
    }
    const asked = this.#slots.reduce((sum, slot) => sum + slot.left, 0);
    const batch = this.#waiters.length - asked;
    if (batch <= 0 || this.#closed || this.#connection.isClosed()) return;
    const slot = this.#slots.find((s) => s.left === 0) ?? this.#openSlot();
    slot.left = batch;
    slot.timer = setTimeout(() => this.#end(slot, 0), LIMITS.queuePullMs + 1000);
    slot.timer.unref();
    this.#connection.publish(
      `$JS.API.CONSUMER.MSG.NEXT.${STREAM}.${consumerName(this.#numerics)}`,
      JSON.stringify({ batch, expires: nanos(LIMITS.queuePullMs) }),
      { reply: slot.inbox },
    );
  }

  #openSlot(): Slot {
    const slot: Slot = { inbox: createInbox(), left: 0, timer: undefined };
    this.#slots.push(slot);
    this.#connection.subscribe(slot.inbox, {
      callback: (error, message) => {
        if (error) return;
        if (message.subject === slot.inbox) this.#onStatus(message, slot);
        else this.#onTask(message, slot);
      },
    });
    return slot;
  }

  #free(slot: Slot): void {
    clearTimeout(slot.timer);
    slot.left = 0;
  }

  #end(slot: Slot, afterMs: number): void {
    this.#free(slot);
    this.#schedule(afterMs);
  }

  /** 404, 408: none came in time. 409: consumer or stream deleted, leader moved … 503: no consumer. */
  #onStatus(message: Msg, slot: Slot): void {
    const code = message.headers?.code ?? 0;
    if (code < 400) return;
    if (code === 409 || code === 503) this.#broker.forget();
    this.#end(slot, code === 408 ? 0 : LIMITS.queueRetryMs);
  }

  #onTask(message: Msg, slot: Slot): void {
    slot.left = Math.max(0, slot.left - 1);
    if (slot.left === 0) clearTimeout(slot.timer);
    const lease = this.#leaseOf(message);
    if (!lease) this.#schedule();
    else if (this.#waiters.length > 0) this.#waiters.shift()?.give(lease);
    else lease.release();
  }

  #leaseOf(message: Msg): Lease | undefined {
    const task = parseJson<Task>(message, this.#broker.log);
    if (task?.formatVersion !== 1) {
      message.respond('+TERM'); // not ours to understand: the dispatcher offers what it misses again
      return undefined;
    }
    const say = (word: string): void => {
      this.#broker.gather(() => message.respond(word));
    };
    return {
      task,
      deliveries: deliveriesOf(message.reply ?? ''),
      extend: () => say('+WPI'),
      ack: async () => say('+ACK'),
      release: (delayMs = 0) =>
        say(delayMs > 0 ? `-NAK ${JSON.stringify({ delay: nanos(delayMs) })}` : '-NAK'),
    };
  }
}

/** `$JS.ACK.<stream>.<consumer>.<deliveries>.…`, with domain and account before the stream in the longer form. */
function deliveriesOf(reply: string): number {
  const tokens = reply.split('.');
  return Number(tokens[tokens.length >= 11 ? 6 : 4] ?? 1);
}

async function reach(options: JetStreamOptions): Promise<NatsConnection> {
  const { servers, login, encrypted } = parseServers(options.servers);
  try {
    const connection = await connect({
      servers,
      name: options.name,
      maxReconnectAttempts: -1,
      reconnectTimeWait: LIMITS.queueRetryMs,
      ignoreAuthErrorAbort: true, // a server that is being set up may refuse us for a while
      timeout: LIMITS.queueTimeoutMs,
      pingInterval: 10_000,
      noAsyncTraces: true,
      ...login,
      ...(encrypted ? { tls: {} } : {}),
    });
    await requireJetStream(connection, options);
    return connection;
  } catch (error) {
    if (error instanceof GristmillError) throw error;
    throw new GristmillError(
      'QUEUE_UNAVAILABLE',
      `Cannot connect to NATS at ${withoutSecrets(options.servers)} (from ${options.source}): ` +
        `${reasonOf(error)}, expected a nats-server with JetStream there: start "nats-server -js", ` +
        'or set GRISTMILL_NATS to the address of one',
      { cause: error },
    );
  }
}

async function requireJetStream(c: NatsConnection, options: JetStreamOptions): Promise<void> {
  if (c.info?.jetstream) return;
  await c.close();
  throw new GristmillError(
    'QUEUE_UNAVAILABLE',
    `Cannot use NATS at ${withoutSecrets(options.servers)} (from ${options.source}): JetStream is off, ` +
      'expected it on: start "nats-server -js -sd DIR"',
  );
}

function warnOldServer(connection: NatsConnection, log: Log): void {
  const version = connection.info?.version ?? '0.0.0';
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > 2 || (major === 2 && minor >= 11)) return;
  log.warn('nats-server is old', { version, expected: '2.11 or newer' });
}

/** Creates the stream, or brings one of another version to this configuration. */
async function ensureStream(manager: JetStreamManager): Promise<void> {
  const config = {
    subjects: ['gm.task.>'],
    discard: DiscardPolicy.New,
    max_msgs: LIMITS.queueTasksMax,
    duplicate_window: nanos(LIMITS.queueDuplicateMs),
  };
  try {
    await manager.streams.add({
      name: STREAM,
      retention: RetentionPolicy.Workqueue,
      storage: StorageType.File,
      ...config,
    });
  } catch (error) {
    if (!isApiError(error, STREAM_EXISTS)) throw error;
    await manager.streams.update(STREAM, config);
  }
}

/** No max_deliver: a message past it would stay in a work queue for ever. Failures are counted in the store. */
async function ensureConsumer(
  manager: JetStreamManager,
  numerics: string,
  ackWaitMs: number,
): Promise<void> {
  const changeable = {
    ack_wait: nanos(ackWaitMs),
    max_ack_pending: LIMITS.queueTasksMax,
  };
  try {
    await manager.consumers.add(STREAM, {
      durable_name: consumerName(numerics),
      filter_subject: `${SUBJECTS.tasks(numerics)}.>`,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      max_waiting: LIMITS.queuePullsMax,
      ...changeable,
    });
  } catch (error) {
    if (!isApiError(error, CONSUMER_EXISTS)) throw error;
    await manager.consumers.update(STREAM, consumerName(numerics), changeable);
  }
}

/** "already exists with another configuration"; the client's own list of codes lacks them. */
const STREAM_EXISTS = 10058;
const CONSUMER_EXISTS = 10148;

const isApiError = (error: unknown, code: number): boolean =>
  error instanceof JetStreamApiError && error.code === code;

function encodeTask(task: Task): string {
  const payload = JSON.stringify(task);
  const bytes = Buffer.byteLength(payload);
  if (bytes <= LIMITS.taskBytesMax) return payload;
  throw new GristmillError(
    'INTERNAL',
    `Cannot offer task ${task.task}: its message has ${bytes} bytes, expected at most ${LIMITS.taskBytesMax}`,
  );
}

function parseJson<T>(message: Msg, log: Log): T | undefined {
  try {
    return message.json<T>();
  } catch (error) {
    log.warn('message is not JSON', { subject: message.subject, error });
    return undefined;
  }
}

function subscribe(
  connection: NatsConnection,
  pattern: string,
  handler: (message: Msg) => void,
): () => void {
  const subscription = connection.subscribe(pattern, {
    callback: (error, message) => {
      if (!error) handler(message);
    },
  });
  return () => {
    if (!connection.isClosed()) subscription.unsubscribe();
  };
}

function unavailable(act: string, uri: string, cause: unknown): GristmillError {
  return new GristmillError(
    'QUEUE_UNAVAILABLE',
    `Cannot ${act}: NATS at ${uri} answered "${reasonOf(cause)}", expected JetStream to accept it`,
    { cause },
  );
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? error.message.toLowerCase() : String(error);

/** The client wants host:port and the login apart. */
function parseServers(text: string): {
  servers: string[];
  login: { user?: string; pass?: string; token?: string };
  encrypted: boolean;
} {
  const urls = text.split(',').map((part) => parseServer(part.trim()));
  const { username, password } = urls[0]!;
  const [user, pass] = [decodeURIComponent(username), decodeURIComponent(password)];
  const login = pass ? { user, pass } : user ? { token: user } : {};
  return { servers: urls.map((u) => u.host), login, encrypted: urls[0]!.protocol === 'tls:' };
}

function parseServer(text: string): URL {
  const url = text.includes('://') ? text : `nats://${text}`;
  if (URL.canParse(url) && /^(nats|tls):\/\/[^/]+\/?$/.test(url)) return new URL(url);
  throw new GristmillError(
    'CONFIG_INVALID',
    `Cannot use ${JSON.stringify(withoutSecrets(text))} as the address of NATS, expected nats://host:port`,
  );
}

const withoutSecrets = (servers: string): string => servers.replace(/\/\/[^/@,]*@/g, '//***@');
