// Completion scripts for bash, zsh and fish, made from the table.
// In: the name of a shell. Out: the script.
// Why a script that asks nothing but names: commands never change while it runs.
import { COMMANDS, type Command, GROUPS, type Names } from './commands.ts';
import { optionsOf } from './program.ts';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;
export type Shell = (typeof SHELLS)[number];

export function completionFor(shell: Shell): string {
  switch (shell) {
    case 'bash':
      return bash();
    case 'zsh':
      return `#compdef gristmill\nautoload -U +X bashcompinit && bashcompinit\n${bash()}`;
    case 'fish':
      return fish();
  }
}

/** What may follow these words: subcommands, then options and what the arguments name. */
const wordsAfter = (first: string): readonly Command[] =>
  COMMANDS.filter(({ path }) => path[0] === first && path.length === 2);

const firstWords = (): readonly string[] => [...new Set(COMMANDS.map(({ path }) => path[0]))];

const flagsOf = (command: Command): string =>
  [...optionsOf(command).map(({ name }) => `--${name}`), '--help'].join(' ');

/** The column of ids or names that a list prints first. */
const LISTS: Readonly<Record<Exclude<Names, 'file' | 'folder'>, string>> = {
  job: 'job list',
  model: 'model list',
  trigger: 'trigger list',
};

function bash(): string {
  const cases = COMMANDS.map((command) => {
    const names = (command.arguments ?? []).flatMap(({ names }) => names ?? []);
    const words = command.path[0] === 'completion' ? SHELLS.join(' ') : '';
    return `    '${command.path.join(' ')}') flags='${flagsOf(command)}' names='${names.join(' ')}' words='${words}' ;;`;
  });
  const groups = Object.keys(GROUPS).map(
    (name) =>
      `    ${name}) words='${wordsAfter(name)
        .map(({ path }) => path[1])
        .join(' ')}' ;;`,
  );
  const lists = Object.entries(LISTS).map(
    ([name, list]) =>
      `      ${name}) words="$words $(gristmill ${list} 2>/dev/null | awk 'NR > 1 { print $1 }')" ;;`,
  );
  return `_gristmill() {
  local word="\${COMP_WORDS[COMP_CWORD]}" first="\${COMP_WORDS[1]}" path flags='' names='' words='' at=2
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${[...firstWords(), '--help', '--version'].join(' ')}' -- "$word"))
    return
  fi
  path="$first"
  case "$first" in
    ${Object.keys(GROUPS).join('|')}) path="$first \${COMP_WORDS[2]}" at=3 ;;
  esac
  if [ "$COMP_CWORD" -lt "$at" ]; then
    case "$first" in
${groups.join('\n')}
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
    return
  fi
  case "$path" in
${cases.join('\n')}
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$word")); return ;;
  esac
  local name
  for name in $names; do
    case "$name" in
${lists.join('\n')}
      folder) COMPREPLY+=($(compgen -d -- "$word")) ;;
      file) COMPREPLY+=($(compgen -f -- "$word")) ;;
    esac
  done
  COMPREPLY+=($(compgen -W "$words" -- "$word"))
}
complete -o filenames -F _gristmill gristmill
`;
}

function fish(): string {
  const lines = ['complete -c gristmill -f'];
  const add = (condition: string, rest: string): void =>
    void lines.push(`complete -c gristmill -n '${condition}' ${rest}`);
  const said = (text: string): string => `-d ${quoted(text)}`;
  for (const word of firstWords()) {
    const summary =
      GROUPS[word] ?? COMMANDS.find(({ path }) => path[0] === word && path.length === 1)?.summary;
    add('__fish_use_subcommand', `-a ${word} ${said(summary ?? '')}`);
  }
  for (const command of COMMANDS) {
    const [first, second] = command.path;
    const seen = `__fish_seen_subcommand_from ${first}`;
    if (second !== undefined) {
      const others = wordsAfter(first).map(({ path }) => path[1]);
      const none = `not __fish_seen_subcommand_from ${others.join(' ')}`;
      add(`${seen}; and ${none}`, `-a ${second} ${said(command.summary)}`);
    }
    const here = second === undefined ? seen : `${seen}; and __fish_seen_subcommand_from ${second}`;
    for (const { name, help, value } of optionsOf(command)) {
      add(here, `-l ${name}${value ? ' -r' : ''} ${said(help)}`);
    }
    for (const { names } of command.arguments ?? []) {
      if (names === 'file' || names === 'folder') add(here, '-F');
      else if (names)
        add(here, `-a '(gristmill ${LISTS[names]} 2>/dev/null | awk "NR > 1 { print \\\\$1 }")'`);
    }
    if (first === 'completion') add(here, `-a '${SHELLS.join(' ')}'`);
  }
  return `${lines.join('\n')}\n`;
}

const quoted = (text: string): string =>
  `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
