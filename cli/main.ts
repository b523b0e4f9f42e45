#!/usr/bin/env node
// The command line: words in, exit code out.
// In: argv, the environment, standard input. Out: what a command prints; its exit code.
// Why so little: parsing is program.ts, commands are a table, and whatever they need is handed to them here.
import '../common/io-threads.ts';
import { readFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { systemClock } from '../common/clock.ts';
import { createClient } from './client.ts';
import { programIn, readAddresses, readVersion, wantsColours } from './config.ts';
import { type Context, EXIT } from './context.ts';
import { exitOf, printError } from './failure.ts';
import { readInput } from './input.ts';
import { makeOutput, type Output } from './print.ts';
import { ownHelpOf, type Parsed, parseWords } from './program.ts';
import { findRunning } from './running.ts';

async function main(): Promise<number> {
  const { stdout, stderr, env } = process;
  const columns = stdout.columns || 100;
  const parsed = parseWords(process.argv.slice(2), {
    version: readVersion(import.meta.dirname),
    columns,
  });
  if (parsed.kind === 'say') {
    (parsed.isError ? stderr : stdout).write(parsed.text);
    return parsed.exit;
  }
  const out = makeOutput({
    stdout,
    stderr,
    isJson: parsed.options.json === true,
    hasColours: wantsColours(env, stdout.isTTY === true),
  });
  try {
    return await run(parsed, out);
  } catch (error) {
    printError(error, out, parsed.command.path.join(' '));
    return exitOf(error);
  }
}

async function run(parsed: Extract<Parsed, { kind: 'run' }>, out: Output): Promise<number> {
  const { command, args, options } = parsed;
  const folder = process.cwd();
  const { coordinator, gateway, json: _, ...own } = options;
  const flags = {
    coordinator: coordinator as string | undefined,
    gateway: gateway as string | undefined,
  };
  const addresses = readAddresses(process.env, flags, findRunning(folder));
  const signal = command.ownsSignals ? new AbortController().signal : interrupt();
  const context: Context = {
    command: command.path.join(' '),
    program: programIn(import.meta.dirname),
    client: createClient({ ...addresses, signal }),
    out,
    env: process.env,
    folder,
    signal,
    clock: systemClock,
    readFile: (path) =>
      readInput(path, {
        stdin: process.stdin,
        read: (name) => readFile(isAbsolute(name) ? name : join(folder, name)),
      }),
  };
  if (own.help) process.stdout.write(`${ownHelpOf(command)}\n`);
  const loaded = await command.load();
  return loaded.run(context, args, own as never);
}

function interrupt(): AbortSignal {
  const controller = new AbortController();
  process.on('SIGINT', () => {
    if (controller.signal.aborted) process.exit(EXIT.interrupted);
    controller.abort();
  });
  return controller.signal;
}

/** `gristmill job list | head -1`: whoever reads has enough. */
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(EXIT.done);
  throw error;
});
const code = await main();
process.stdout.write('', () => process.stderr.write('', () => process.exit(code)));
