// What a command is given, so that none of them touches the process: servers, words, files, time.
// In: types only. Out: Context and Run, which every file that a row of commands.ts loads is written against.
// Why: a command that gets everything is tested without a shell, a server or a clock.
import type { Clock } from '../common/clock.ts';
import type { Env } from '../common/config.ts';
import type { Client } from './client.ts';
import type { Output } from './print.ts';

export type Context = {
  /** The row's path in words: "job submit". */
  readonly command: string;
  /** How this program is called here, for what to type next: "npx gristmill". */
  readonly program: string;
  /** Typed calls to both services at the addresses that flags and settings name. */
  readonly client: Client;
  readonly out: Output;
  readonly env: Env;
  /** The shell's working folder: relative paths are meant from here. */
  readonly folder: string;
  /** Ctrl-C. A second one ends the process. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  /** A file below `folder`, or standard input for "-". FILE_UNREADABLE says what to do. */
  readFile(path: string): Promise<Uint8Array>;
};

/** Arguments in the order of the row; those that were left out are absent, repeated ones follow one another. */
export type Args = readonly string[];

/** By name in camelCase: true for a flag, a number where the row says `whole`, else the text. */
export type Options = Readonly<Record<string, string | number | true | undefined>>;

/** Resolves with the exit code. What it throws becomes one printed error and the code of exitOf(). */
export type Run<O = Options> = (context: Context, args: Args, options: O) => Promise<number>;

export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  /** As a shell says of a process that Ctrl-C ended. */
  interrupted: 130,
} as const;
