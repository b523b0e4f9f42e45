// The stream of tasks and its consumers, made by whoever misses them.
// In: a connection. Out: `insist`, which runs an act and sets up what it turns out to lack.
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
import { type NatsConnection, nanos } from '@nats-io/transport-node';
import { GristmillError } from '../../errors.ts';
import { LIMITS } from '../../limits.ts';
import { numericsToken, tasksSubject } from '../tasks.ts';
import { unavailable } from './connection.ts';

export const STREAM = 'GRISTMILL_TASKS';
/** The durable consumer of one numerics: what KEDA watches. */
export const consumerName = (numerics: string): string => `w-${numericsToken(numerics)}`;

export async function openStream(
  connection: NatsConnection,
  of: { readonly uri: string; readonly ackWaitMs: number },
): Promise<Stream> {
  const manager = await jetstreamManager(connection, {
    checkAPI: false,
    timeout: LIMITS.queueTimeoutMs,
  });
  return new Stream(manager, of);
}

export class Stream {
  readonly manager: JetStreamManager;
  readonly #uri: string;
  readonly #ackWaitMs: number;
  /** What is known to exist; emptied by every sign that it does not. */
  #ready = new Map<string, Promise<void>>();
  #isReady = new Set<string>();
  #closing = false;

  constructor(manager: JetStreamManager, of: { uri: string; ackWaitMs: number }) {
    this.manager = manager;
    this.#uri = of.uri;
    this.#ackWaitMs = of.ackWaitMs;
  }

  isReady(numerics: string): boolean {
    return this.#isReady.has(numerics);
  }

  forget(): void {
    this.#ready = new Map();
    this.#isReady = new Set();
  }

  ensure(numerics: string): Promise<void> {
    const known = this.#ready.get(numerics);
    if (known) return known;
    const streamReady = this.#ready.get('') ?? ensureStream(this.manager);
    this.#ready.set('', streamReady);
    const made = streamReady.then(() => ensureConsumer(this.manager, numerics, this.#ackWaitMs));
    this.#ready.set(numerics, made);
    made.then(
      () => {
        if (this.#ready.get(numerics) === made) this.#isReady.add(numerics);
      },
      () => this.forget(),
    );
    return made;
  }

  /** Runs `act`, setting up what it turns out to lack; after some tries it is QUEUE_UNAVAILABLE. */
  async insist<T>(what: string, numerics: string, act: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        await this.ensure(numerics);
        return await act();
      } catch (error) {
        if (error instanceof GristmillError) throw error;
        this.forget();
        if (this.#closing || attempt >= LIMITS.queueTries)
          throw unavailable(what, this.#uri, error);
        await delay(50 * 2 ** attempt);
      }
    }
  }

  /** Deletes the consumer and makes it anew: what it held on to is delivered from the beginning. */
  async restart(numerics: string): Promise<void> {
    await this.insist('restart a consumer', numerics, () =>
      this.manager.consumers.delete(STREAM, consumerName(numerics)).catch((error: unknown) => {
        if (!isApiError(error, CONSUMER_MISSING)) throw error;
      }),
    );
    this.forget();
    await this.insist('create a consumer', numerics, async () => {});
  }

  close(): void {
    this.#closing = true;
  }
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
      filter_subject: `${tasksSubject(numerics)}.>`,
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
const CONSUMER_MISSING = 10014;

const isApiError = (error: unknown, code: number): boolean =>
  error instanceof JetStreamApiError && error.code === code;
