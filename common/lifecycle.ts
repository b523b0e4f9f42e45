// How a process starts, is asked to stop, and ends.
// In: what to print, what to run. Out: exit 0 after a drain; with one clear error 2 where a setting is wrong, 1 otherwise.
import { CODES, toWireError } from './errors.ts';
import type { Log } from './log.ts';

/** As of the command line: whoever wrote the settings must act; starting it again cannot help. */
const EXIT_SETTINGS = 2;

export type Program = {
  /** Printed for --help: the settings, described. */
  readonly help: string;
  readonly log: Log;
  /** Ends when the process should. */
  run(stop: AbortSignal): Promise<void>;
};

/** The whole of a main.ts. SIGTERM and SIGINT abort `stop`; a second one ends the process at once. */
export async function runProgram({ help, log, run }: Program): Promise<void> {
  if (process.argv.some((word) => word === '--help' || word === '-h')) {
    process.stdout.write(help);
    return;
  }
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(1);
      log.info('stopping', { signal });
      stop.abort();
    });
  }
  try {
    await run(stop.signal);
    process.exitCode = 0;
  } catch (error) {
    const { code, message } = toWireError(error);
    log.error('cannot run', { code, error: message, remedy: CODES[code].remedy });
    if (code === 'INTERNAL') log.error('stack', { stack: (error as Error).stack });
    process.exitCode = code === 'CONFIG_INVALID' ? EXIT_SETTINGS : 1;
  }
  process.exit(); // native handles would keep it
}

export const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
