// Who works: the registry of workers, from their heartbeats.
// In: heartbeats. Out: who is live, what they claim, who fell silent.
// Why not truth: a silent worker may be paused or cut off. It is a reason to offer again, never a proof.
import type { Clock } from '../../common/clock.ts';
import type { TaskId, WorkerId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { Bus } from '../../common/queue/bus.ts';
import { CHANNELS } from '../../common/queue/channels.ts';
import type { Heartbeat } from '../../common/wire/event.ts';
import { bytesHeld } from '../../common/wire/task.ts';

export type Workers = {
  /** The last heartbeat of each worker heard within LIMITS.heartbeatSilentMs, oldest worker first. */
  live(): readonly Heartbeat[];
  isLive(worker: WorkerId): boolean;
  /** Every heartbeat as it comes. */
  onHeartbeat(handler: (heartbeat: Heartbeat) => void): () => void;
  close(): void;
};

export function watchWorkers(bus: Bus, clock: Clock): Workers {
  const seen = new Map<WorkerId, { readonly heartbeat: Heartbeat; readonly atMs: number }>();
  const handlers = new Set<(heartbeat: Heartbeat) => void>();

  const isFresh = (atMs: number): boolean => clock.monotonicMs() - atMs < LIMITS.heartbeatSilentMs;

  const stop = bus.subscribe(CHANNELS.heartbeat, (heartbeat) => {
    for (const [worker, { atMs }] of seen) if (!isFresh(atMs)) seen.delete(worker);
    seen.set(heartbeat.worker, { heartbeat, atMs: clock.monotonicMs() });
    for (const handler of handlers) handler(heartbeat);
  });

  return {
    live: () =>
      [...seen.values()]
        .filter(({ atMs }) => isFresh(atMs))
        .map(({ heartbeat }) => heartbeat)
        .sort((a, b) => a.startedAt - b.startedAt || (a.worker < b.worker ? -1 : 1)),
    isLive(worker) {
      const last = seen.get(worker);
      return last !== undefined && isFresh(last.atMs);
    },
    onHeartbeat(handler) {
      handlers.add(handler);
      return () => handlers.delete(handler);
    },
    close: stop,
  };
}

/**
 * The numerics with the most threads of workers that could take a task of today's: what a new job is pinned to. Where all
 * are too small for one, they count too, and the job says what it waits for. Undefined while nobody works.
 */
export function chooseNumerics(live: readonly Heartbeat[]): string | undefined {
  const staying = live.filter(({ draining }) => !draining);
  const needs = bytesHeld({ memoryBytes: LIMITS.taskMemoryBytes });
  const able = staying.filter(({ memoryBytes }) => memoryBytes >= needs);
  const threads = new Map<string, number>();
  for (const { numerics, threads: count } of able.length > 0 ? able : staying)
    threads.set(numerics, (threads.get(numerics) ?? 0) + count);
  return [...threads].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))[0]?.[0];
}

/** The task ids that some live worker says it runs. */
export const claimsOf = (live: readonly Heartbeat[]): ReadonlySet<TaskId> =>
  new Set(live.flatMap((heartbeat) => heartbeat.tasks));
