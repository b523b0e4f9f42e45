// The queue as the coordinator needs it: one that need not be there yet.
// In: the search for it. Out: a Queue that hears everything from the moment it is found, and until then says that it is away.
// Why it listens before there is anything to hear: whoever watches heartbeats is made once, at the start.
import type { Sought } from '../seek.ts';
import type { Unsubscribe } from './bus.ts';
import type { Queue } from './queue.ts';

export function queueLater(uri: string, sought: Sought<Queue>): Queue {
  return {
    uri,
    offer: async (...of) => sought.get().offer(...of),
    withdraw: async (...of) => sought.get().withdraw(...of),
    waiting: async (numerics) => sought.get().waiting(numerics),
    pull: async (...of) => sought.get().pull(...of),
    restart: async (numerics) => sought.get().restart(numerics),
    publish: (channel, message) => sought.there()?.publish(channel, message),
    subscribe(channel, handler) {
      let leave: Unsubscribe | undefined;
      let isOver = false;
      sought.found
        .then((queue) => {
          if (!isOver) leave = queue.subscribe(channel, handler);
        })
        .catch(() => {}); // the process ends of it
      return () => {
        isOver = true;
        leave?.();
      };
    },
    refused: () => sought.there()?.refused() ?? new Map(),
    isConnected: () => sought.there()?.isConnected() ?? false,
    close: async () => sought.there()?.close(),
  };
}
