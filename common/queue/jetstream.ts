// The queue over NATS JetStream: with the files of jetstream/ the only one that opens NATS.
// In: an address. Out: both halves of the queue over one connection. Foreign errors end here.
// Why one connection: tasks and bus find out together that the broker is away, and that it is back.
//
//   connection.ts ─► jetstream.ts ─┬─ tasks.ts   offers, purges, pulls (pulls.ts) over the stream (stream.ts)
//                                  └─ bus.ts     broadcasts over core NATS
import { setTimeout as delay } from 'node:timers/promises';
import type { NatsConnection } from '@nats-io/transport-node';
import { systemClock } from '../clock.ts';
import { LIMITS } from '../limits.ts';
import { Door } from './door.ts';
import { makeBus } from './jetstream/bus.ts';
import {
  type JetStreamOptions,
  reach,
  warnOldServer,
  withoutSecrets,
} from './jetstream/connection.ts';
import { Gathered } from './jetstream/gathered.ts';
import { openStream } from './jetstream/stream.ts';
import { JetStreamTasks } from './jetstream/tasks.ts';
import type { Queue } from './queue.ts';

export async function openJetStream(options: JetStreamOptions): Promise<Queue> {
  const connection = await reach(options);
  warnOldServer(connection, options.log);
  return openHalves(connection, options);
}

async function openHalves(connection: NatsConnection, options: JetStreamOptions): Promise<Queue> {
  const { log, ackWaitMs = LIMITS.ackWaitMs } = options;
  const uri = withoutSecrets(options.servers);
  const door = new Door(log, systemClock);
  const gathered = new Gathered(connection);
  const stream = await openStream(connection, { uri, ackWaitMs });
  const tasks = new JetStreamTasks({ connection, stream, gathered, door });
  let connected = true;
  let closing = false;
  const bus = makeBus({ connection, gathered, door, canSpeak: () => connected && !closing });

  async function watchConnection(): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect') {
        connected = false;
        tasks.disconnected();
        log.warn('queue disconnected', { uri });
      }
      if (status.type === 'reconnect') {
        connected = true;
        log.info('queue connected again', { uri });
        tasks.reconnected();
      }
    }
  }
  void watchConnection();

  return {
    uri,
    ...bus,
    offer: (task, generation, how) => tasks.offer(task, generation, how),
    withdraw: (numerics, ids) => tasks.withdraw(numerics, ids),
    waiting: (numerics) => tasks.waiting(numerics),
    pull: (numerics, waitMs, signal) => tasks.pull(numerics, waitMs, signal),
    restart: (numerics) => tasks.restart(numerics),
    isConnected: () => connected && !connection.isClosed(),
    async close() {
      closing = true;
      tasks.close();
      gathered.flush();
      if (connected) await Promise.race([connection.flush(), delay(LIMITS.queueTimeoutMs)]);
      await connection.close();
    },
  };
}
