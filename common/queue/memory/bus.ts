// The bus half in memory: one process, every message through bytes and the same door as over NATS.
// In: messages of channels. Out: at every listener of this bus, in a later microtask.
// Why through bytes: what would not survive the wire must not survive a test.
import type { Bus, Channel, Unsubscribe } from '../bus.ts';
import type { Door } from '../door.ts';

export type MemoryBus = Bus & {
  /** What anybody on the network could say. */
  publishRaw(subject: string, bytes: Uint8Array): void;
};

type Listener = { readonly subject: string; readonly hear: (bytes: Uint8Array) => void };

export function createMemoryBus(door: Door): MemoryBus {
  const listeners = new Set<Listener>();

  function publishRaw(subject: string, bytes: Uint8Array): void {
    for (const listener of listeners) {
      const copy = bytes.slice(); // now: the sender may give its buffer away
      if (listener.subject === subject) queueMicrotask(() => listener.hear(copy));
    }
  }

  return {
    publishRaw,
    publish: (channel, message) => publishRaw(channel.subject, channel.encode(message)),
    subscribe<T>(channel: Channel<T>, handler: (message: T) => void): Unsubscribe {
      const listener: Listener = {
        subject: channel.subject,
        hear(bytes) {
          const message = door.admit(channel.name, bytes, channel.decode);
          if (message !== undefined && listeners.has(listener)) handler(message);
        },
      };
      listeners.add(listener);
      return () => {
        listeners.delete(listener);
      };
    },
    refused: () => door.refused,
  };
}
