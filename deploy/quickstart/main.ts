// `npm run quickstart`, once packages are installed: options in, the story out, an exit code at the end.
// In: arguments, signals. Out: words (and with --json one line of JSON); 0, or 1 with one clear error, or 130 after Ctrl-C.
// Why signals end in the same way as errors: whatever happens, everything that was started is stopped.
import { CODES, GristmillError } from '../../common/errors.ts';
import { untilSignal } from '../cluster/signals.ts';
import { HELP, parseOptions } from './options.ts';
import { runQuickstart } from './quickstart.ts';
import { makeScreen } from './screen.ts';

const interrupt = untilSignal();

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const screen = makeScreen(options.json ? process.stderr : process.stdout, () =>
    performance.now(),
  );
  const figures = await runQuickstart(options, screen, interrupt.signal);
  if (options.json) process.stdout.write(`${JSON.stringify({ quickstart: figures })}\n`);
  return 0;
}

function explain(error: unknown): string {
  const { message } = error as Error;
  if (error instanceof GristmillError) return `${message}. ${CODES[error.code].remedy}`;
  return message;
}

try {
  process.exitCode = await main();
} catch (error) {
  process.exitCode = interrupt.exitCode ?? 1;
  process.stderr.write(interrupt.exitCode ? 'Stopped.\n' : `\nerror: ${explain(error)}\n`);
}
interrupt.close();
