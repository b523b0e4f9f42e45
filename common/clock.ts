// Time as a parameter. In: nothing, or a test's hand. Out: now, monotonic milliseconds, and sleep.
// Why: whoever asks the system for the time itself cannot be simulated.
import { setTimeout as delay } from 'node:timers/promises';

export type Clock = {
  /** Milliseconds since 1970, for records. */
  now(): number;
  /** Milliseconds that never jump, for durations. */
  monotonicMs(): number;
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
};

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, signal ? { signal } : {}).catch((error: unknown) => {
      if (!signal?.aborted) throw error;
    });
  },
};
