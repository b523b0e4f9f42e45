// The bus half over core NATS: at most once, never waiting for anybody.
// In: messages of channels. Out: at every listener, what passed the door.
// Why silent while the connection is away: all of it is said again, and a client that buffers would say it late.
import type { NatsConnection } from '@nats-io/transport-node';
import type { Bus, Channel, Unsubscribe } from '../bus.ts';
import type { Door } from '../door.ts';
import type { Gathered } from './gathered.ts';

export type JetStreamBusOptions = {
  readonly connection: NatsConnection;
  readonly gathered: Gathered;
  readonly door: Door;
  /** False while the broker is away, and once closing has begun. */
  readonly canSpeak: () => boolean;
};

export function makeBus({ connection, gathered, door, canSpeak }: JetStreamBusOptions): Bus {
  return {
    publish<T>(channel: Channel<T>, message: T): void {
      if (!canSpeak()) return;
      const bytes = channel.encode(message);
      const send = (): void => connection.publish(channel.subject, bytes);
      if (channel.gathers) gathered.add(send);
      else send();
    },
    subscribe<T>(channel: Channel<T>, handler: (message: T) => void): Unsubscribe {
      const subscription = connection.subscribe(channel.subject, {
        callback: (error, { data }) => {
          const message = error ? undefined : door.admit(channel.name, data, channel.decode);
          if (message !== undefined) handler(message);
        },
      });
      return () => {
        if (!connection.isClosed()) subscription.unsubscribe();
      };
    },
    refused: () => door.refused,
  };
}
