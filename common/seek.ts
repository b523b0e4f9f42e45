// What a process cannot work without, and need not be there when it starts: the queue, the store.
// In: how to open it. Out: the thing once it is there, and until then why it is not.
// Why not to exit and be started again: orchestrators wait ever longer between starts, and nobody sees what for.
import type { Clock } from './clock.ts';
import { GristmillError, isRetryable, toWireError } from './errors.ts';
import type { Log } from './log.ts';

export type Sought<T> = {
  /** Resolves once it is there; rejects where waiting cannot help. Stays open where `signal` ends the search. */
  readonly found: Promise<T>;
  there(): T | undefined;
  /** Why it is not there; undefined once it is. */
  why(): GristmillError | undefined;
  /** It, or `why` thrown. */
  get(): T;
};

export type SeekOptions<T> = {
  /** In words: "the queue at nats://127.0.0.1:4222". */
  readonly what: string;
  readonly open: () => Promise<T>;
  readonly clock: Clock;
  readonly log: Log;
  readonly signal: AbortSignal;
};

const RETRY_MS_MIN = 250;
const RETRY_MS_MAX = 2_000; // it is used within this, once it is there

export function seek<T>({ what, open, clock, log, signal }: SeekOptions<T>): Sought<T> {
  let there: { readonly value: T } | undefined;
  let why = new GristmillError('NOT_WORKING', `Cannot work yet: ${what} is being looked for`);

  async function search(): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        there = { value: await open() };
        if (attempt > 0) log.info(`found ${what}`);
        return there.value;
      } catch (error) {
        if (!isRetryable(error)) throw error;
        const { code, message } = toWireError(error);
        const next = new GristmillError(code, `Waits for ${what}: ${message}`, { cause: error });
        if (next.message !== why.message) log.warn(`waits for ${what}`, { code, error: message });
        why = next;
      }
      await clock.sleep(Math.min(RETRY_MS_MAX, RETRY_MS_MIN * 2 ** attempt), signal);
      if (signal.aborted) return new Promise(() => {});
    }
  }

  const found = search();
  found.catch(() => {}); // whoever waits for it is told
  return {
    found,
    there: () => there?.value,
    why: () => (there ? undefined : why),
    get() {
      if (there) return there.value;
      throw why;
    },
  };
}
