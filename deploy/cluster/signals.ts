// Ctrl-C and SIGTERM as an AbortSignal, with the exit code that a shell expects afterwards.
// In: the process's signals. Out: an AbortSignal. Why more than one Ctrl-C changes nothing: a terminal sends it to the
// whole group, npm and the bootstrap send it again, and what runs is being stopped already.
import { constants } from 'node:os';

export type Interrupt = {
  readonly signal: AbortSignal;
  /** 128 + the signal's number, once there was one. */
  readonly exitCode: number | undefined;
  close(): void;
};

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export function untilSignal(): Interrupt {
  const controller = new AbortController();
  let exitCode: number | undefined;
  const stop = (signal: NodeJS.Signals): void => {
    exitCode ??= 128 + constants.signals[signal];
    controller.abort(new Error(`Stopped by ${signal}`));
  };
  for (const signal of SIGNALS) process.on(signal, stop);
  return {
    signal: controller.signal,
    get exitCode() {
      return exitCode;
    },
    close: () => {
      for (const signal of SIGNALS) process.off(signal, stop);
    },
  };
}
