// What a coordinator and a worker work with, and need not find at their start: store, lake, queue.
// In: their addresses. Out: each once it is there, the store after its self-test; until then what is waited for.
// Why one file: both wait for the same three, and say so in the same words.
import type { Clock } from './clock.ts';
import type { GristmillError } from './errors.ts';
import { newWorkerId } from './ids.ts';
import type { Log } from './log.ts';
import { withoutSecrets } from './queue/jetstream/connection.ts';
import { openJetStream } from './queue/jetstream.ts';
import type { Queue } from './queue/queue.ts';
import { type Sought, seek } from './seek.ts';
import type { StoreHealth } from './store/health.ts';
import { openStore } from './store/open.ts';
import { type Store, selfTest } from './store/store.ts';

export type SoughtPlaces = {
  readonly store: Sought<Store>;
  readonly lake: Sought<Store>;
  readonly queue: Sought<Queue>;
  /** All three. */
  readonly found: Promise<readonly [Store, Store, Queue]>;
  /** Why the first of them that is missing is; undefined once all are there. */
  why(): GristmillError | undefined;
};

export function seekPlaces(of: {
  readonly at: { readonly store: string; readonly lake: string; readonly nats: string };
  /** Where the address of NATS was said, for whoever must mend it. */
  readonly source: string;
  /** As NATS lists this process: gristmill-<name>. */
  readonly name: string;
  /** Makes the store where it is missing. */
  readonly create: boolean;
  readonly health: StoreHealth;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
}): SoughtPlaces {
  const { at, source, name, create, health, env, clock, log, signal } = of;
  const find = <T>(what: string, open: () => Promise<T>): Sought<T> =>
    seek({ what, open, clock, log, signal });
  const store = find(`the store at ${at.store}`, async () => {
    const opened = await openStore(at.store, env, { create, health });
    await selfTest(opened, newWorkerId());
    return opened;
  });
  const lake = find(`the lake at ${at.lake}`, () => openStore(at.lake, env));
  const queue = find(`the queue at ${withoutSecrets(at.nats)}`, () =>
    openJetStream({ servers: at.nats, source, name: `gristmill-${name}`, log }),
  );
  const found = Promise.all([store.found, lake.found, queue.found]);
  found.catch(() => {}); // whoever waits for it is told
  return { store, lake, queue, found, why: () => store.why() ?? lake.why() ?? queue.why() };
}
