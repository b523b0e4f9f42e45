// Whether a store answers, as those who use it find out by using it.
// In: each attempt that failed and may pass, each act that worked. Out: what is wrong now, or nothing.
// Why not a probe alone: retries hide an erring store for seconds, and a full one answers every read.
import type { Clock } from '../clock.ts';
import type { GristmillError } from '../errors.ts';
import { LIMITS } from '../limits.ts';

export type StoreTrouble = {
  readonly code: 'STORE_UNAVAILABLE' | 'STORE_FULL';
  readonly message: string;
};

export type StoreHealth = {
  /** Null: the last acts worked, or nobody has asked it for long. */
  trouble(): StoreTrouble | null;
  failed(error: GristmillError): void;
  answered(act: 'read' | 'write'): void;
};

/** `onFailed` hears of every attempt that failed, whatever came of the act. */
export function watchStore(
  clock: Clock,
  onFailed: (error: GristmillError) => void = () => {},
): StoreHealth {
  let trouble: StoreTrouble | null = null;
  let atMs = 0;
  return {
    trouble: () => (clock.monotonicMs() - atMs < LIMITS.storeTroubleMs ? trouble : null),
    failed(error) {
      const { code, message } = error;
      onFailed(error);
      if (code !== 'STORE_UNAVAILABLE' && code !== 'STORE_FULL') return;
      trouble = { code, message: message.slice(0, LIMITS.troubleTextMax) };
      atMs = clock.monotonicMs();
    },
    answered(act) {
      if (trouble && (act === 'write' || trouble.code === 'STORE_UNAVAILABLE')) trouble = null;
    },
  };
}
