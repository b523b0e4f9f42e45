// Hints from the queue that an alias has moved: they save half a second, and nothing depends on them.
// In: a NATS address that may be down. Out: a model and alias to look at now.
import type { Clock } from '../common/clock.ts';
import type { Log } from '../common/log.ts';
import type { Bus } from '../common/queue/bus.ts';
import { CHANNELS } from '../common/queue/channels.ts';
import type { Broker } from '../common/queue/queue.ts';

export type HintOptions = {
  readonly environment: string;
  readonly open: () => Promise<Pick<Bus, 'subscribe'> & Pick<Broker, 'close'>>;
  readonly clock: Clock;
  readonly log: Log;
  readonly onMoved: (model: string, alias: string) => void;
};

const RETRY_MS = 5_000; // between tries of a queue that is not there at the start

/** Subscribes as soon as the queue is there; its client finds the way back by itself after that. */
export async function followHints(options: HintOptions, signal: AbortSignal): Promise<void> {
  const { open, clock, log } = options;
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    try {
      const queue = await open();
      queue.subscribe(CHANNELS.aliasMoved, ({ environment, model, alias }) => {
        if (environment === options.environment) options.onMoved(model, alias);
      });
      signal.addEventListener('abort', () => void queue.close().catch(() => {}), { once: true });
      if (signal.aborted) await queue.close();
      return;
    } catch (error) {
      if (isFirst)
        log.warn('no queue: aliases are looked up twice a second all the same', { error });
      await clock.sleep(RETRY_MS, signal);
    }
  }
}
