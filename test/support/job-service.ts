// The job side on a store in memory, with jobs that run until they are let go, and then fail: their lake is empty.
// In: a store, perhaps one with jobs. Out: a service, what lets its jobs go on, what it logged.
import { systemClock } from '../../common/clock.ts';
import type { JobId } from '../../common/ids.ts';
import type { Log } from '../../common/log.ts';
import { type MemoryStore, memoryStore } from '../../common/store/memory.ts';
import type { Store } from '../../common/store/store.ts';
import { JobService } from '../../coordinator/job/service.ts';
import type { Machinery } from '../../coordinator/stage/context.ts';

export function makeService(store: MemoryStore = memoryStore()) {
  let open = (): void => {};
  const gate = new Promise<void>((resolve) => {
    open = resolve;
  });
  const empty = memoryStore();
  const lake: Store = {
    ...empty,
    async *list(prefix) {
      await gate;
      yield* empty.list(prefix);
    },
  };
  const { log, lines } = listLog();
  const machinery = { store, lake, clock: systemClock, log } as unknown as Machinery;
  return { open, store, lines, service: new JobService(machinery, { jobsAtOnce: 4 }) };
}

export const until = async (service: JobService, job: JobId, state: string): Promise<void> => {
  while ((await service.view(job)).state !== state) await systemClock.sleep(2);
};

export type LogLine = readonly [level: string, message: string, fields?: Record<string, unknown>];

/** Keeps what is logged. */
export function listLog(): { readonly log: Log; readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at =
    (level: string) =>
    (message: string, fields: Record<string, unknown> = {}): void =>
      void lines.push([level, message, fields]);
  return { lines, log: { info: at('info'), warn: at('warn'), error: at('error') } };
}
