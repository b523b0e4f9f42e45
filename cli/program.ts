// The command line as commander understands it, made from the table.
// In: COMMANDS, words. Out: the row that is meant with its arguments and options, or text to print and an exit code.
// Why nothing runs here: parsing is tested for every command without loading one.
import { Command as Commander, CommanderError, InvalidArgumentError, Option } from 'commander';
import { COMMANDS, type Command, GROUPS, type Option as Row } from './commands.ts';
import { type Args, EXIT, type Options } from './context.ts';

export type Parsed =
  | {
      readonly kind: 'run';
      readonly command: Command;
      readonly args: Args;
      readonly options: Options;
    }
  /** Help, a version, or what is wrong with the words. */
  | {
      readonly kind: 'say';
      readonly text: string;
      readonly isError: boolean;
      readonly exit: number;
    };

/** Options that every command has, or every one that asks the service. */
export const COMMON: Readonly<Record<'json' | 'coordinator' | 'gateway', Row>> = {
  json: { name: 'json', help: 'JSON on standard output and nothing else' },
  coordinator: {
    name: 'coordinator',
    value: 'URL',
    help: 'the coordinator, before GRISTMILL_COORDINATOR (http://127.0.0.1:8080)',
  },
  gateway: {
    name: 'gateway',
    value: 'URL',
    help: 'the gateway, before GRISTMILL_GATEWAY (http://127.0.0.1:8090)',
  },
};

/** All options of a command, its own first. */
export const optionsOf = (command: Command): readonly Row[] => [
  ...(command.options ?? []),
  ...(command.asks ?? []).map((server) => COMMON[server]),
  ...(command.isPlain ? [] : [COMMON.json]),
];

export function parseWords(
  words: readonly string[],
  { version, columns = 100 }: { readonly version: string; readonly columns?: number },
): Parsed {
  const said = { out: '', error: '' };
  let parsed: Parsed | undefined;
  const root = dress(new Commander('gristmill'), said, columns)
    .description('gristmill grinds Parquet into served models.')
    .version(version, '-V, --version', 'print the version')
    .enablePositionalOptions() // "predict --version 3" means the model's, not ours
    .addHelpText('after', `\n${rootNotes}`);
  for (const row of Object.values(COMMON)) root.addOption(optionOf(row));
  const groups = new Map<string, Commander>();
  for (const command of COMMANDS) {
    const [first, second] = command.path;
    const parent = second === undefined ? root : (groups.get(first) ?? addGroup(root, first));
    if (second !== undefined) groups.set(first, parent);
    dress(addCommand(parent, command), said, columns).action(function (this: Commander) {
      const given = { ...root.opts(), ...this.opts() } as Record<string, unknown>;
      parsed = {
        kind: 'run',
        command,
        args: this.processedArgs.flat().filter((word) => word !== undefined) as string[],
        options: given as Options,
      };
    });
  }
  for (const group of groups.values()) dress(group, said, columns);
  try {
    root.parse([...words], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    return sayOf(error, said);
  }
  if (!parsed) throw new Error(`no command was parsed from ${words.join(' ')}`);
  return parsed;
}

/** The help of one command, as --help prints it. */
export function helpOf(command: Command): string {
  const parsed = parseWords([...command.path, '--help'], { version: '' });
  return parsed.kind === 'say' ? parsed.text : ownHelpOf(command);
}

/** What is printed above the help that a command has itself. */
export function ownHelpOf(command: Command): string {
  return `Usage: gristmill ${command.path.join(' ')}\n\n${command.summary}\n\nExample:\n  $ ${command.example}\n`;
}

const rootNotes = `Examples:
  $ gristmill up --lake DIR --detach
  $ gristmill init 'trips/*.parquet' --label late
  $ gristmill job submit trips.job.json --watch
  $ gristmill predict trips trips.rows.json

"gristmill COMMAND --help" says more. Exit codes: 0 done or accepted, 1 failed, 2 something to correct
in the command or its file, 3 refused by the gate, 130 interrupted.
`;

function dress(
  commander: Commander,
  said: { out: string; error: string },
  columns: number,
): Commander {
  const path = [commander.parent?.parent?.name(), commander.parent?.name(), commander.name()];
  const words = path.filter((word) => word !== undefined).join(' ');
  return commander
    .exitOverride()
    .showHelpAfterError(`  → See ${words} --help`)
    .helpCommand(false)
    .allowExcessArguments(false)
    .configureHelp({ showGlobalOptions: false, helpWidth: columns, visibleOptions: ownOptions })
    .configureOutput({
      writeOut(text) {
        said.out += text;
      },
      writeErr(text) {
        said.error += text;
      },
    });
}

/** Options of the root stand in its own help only. */
const ownOptions = (commander: Commander): Option[] => {
  const help = new Option('-h, --help', 'print this');
  const own = commander.options.filter(({ hidden }) => !hidden);
  return commander.options.some(({ long }) => long === '--help') ? own : [...own, help];
};

function addGroup(root: Commander, name: string): Commander {
  return root
    .command(name)
    .description(GROUPS[name] ?? '')
    .usage('COMMAND');
}

function addCommand(parent: Commander, command: Command): Commander {
  const name = command.path.at(-1)!;
  const made = parent.command(name).summary(command.summary).description(command.summary);
  for (const { name, help, isOptional, isMany } of command.arguments ?? []) {
    const many = isMany ? '...' : '';
    made.argument(isOptional ? `[${name}${many}]` : `<${name}${many}>`, help);
  }
  for (const row of optionsOf(command)) made.addOption(optionOf(row));
  if (command.ownsHelp)
    made.helpOption(false).option('-h, --help', 'print this, with all settings');
  const details = command.details ? `\n${command.details}\n` : '';
  return made.addHelpText('after', `${details}\nExample:\n  $ ${command.example}`);
}

function optionOf({ name, value, help, standard, whole, isRequired }: Row): Option {
  const option = new Option(value ? `--${name} <${value}>` : `--${name}`, help);
  if (isRequired) option.makeOptionMandatory();
  if (whole) option.argParser((text) => parseWhole(text, whole));
  if (standard !== undefined) option.default(whole ? Number(standard) : standard, standard);
  return option;
}

function parseWhole(text: string, { min, max }: { min: number; max: number }): number {
  const number = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw new InvalidArgumentError(`Expected a whole number from ${min} to ${max}.`);
}

function sayOf(error: CommanderError, said: { out: string; error: string }): Parsed {
  if (error.exitCode === 0) {
    return { kind: 'say', text: said.out, isError: false, exit: EXIT.done };
  }
  return { kind: 'say', text: said.error, isError: true, exit: EXIT.usage };
}
