// Lets so many act at once; others wait for their turn, and more than that are turned away.
// In: two bounds. Out: a way to act in turn, in order of arrival.
// Why: whoever asks often must not fill the queue.
import { GristmillError } from '../../common/errors.ts';

export type Turns = <T>(signal: AbortSignal, act: () => Promise<T>) => Promise<T>;

export function makeTurns(bounds: { atOnce: number; waitingMax: number; what: string }): Turns {
  const { atOnce, waitingMax, what } = bounds;
  const waiting: (() => void)[] = [];
  let acting = 0;

  /** Resolves with the turn taken. */
  function takeTurn(signal: AbortSignal): Promise<void> {
    if (acting < atOnce) {
      acting += 1;
      return Promise.resolve();
    }
    if (waiting.length >= waitingMax) {
      const message = `Cannot start another ${what}: ${acting} run and ${waiting.length} wait, expected at most ${atOnce} and ${waitingMax}`;
      throw new GristmillError('WORKERS_BUSY', message);
    }
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        waiting.splice(waiting.indexOf(enter), 1);
        reject(signal.reason);
      };
      const enter = (): void => {
        signal.removeEventListener('abort', leave);
        resolve(); // the turn of whoever ended: `acting` stays
      };
      signal.addEventListener('abort', leave, { once: true });
      waiting.push(enter);
    });
  }

  return async (signal, act) => {
    signal.throwIfAborted();
    await takeTurn(signal);
    try {
      return await act();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else acting -= 1;
    }
  };
}
