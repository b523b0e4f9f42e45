// The table against everything that is made from it: help, completion, parsing, the files it loads.
// In: COMMANDS. Out: rows that disagree with what users see. Why: a command that help does not know does not exist.
import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { COMMANDS, GROUPS } from '../../cli/commands.ts';
import { completionFor, SHELLS } from '../../cli/completion.ts';
import { helpOf, optionsOf, parseWords } from '../../cli/program.ts';

const rows = COMMANDS.map((command) => [command.path.join(' '), command] as const);
const parse = (...words: string[]) => parseWords(words, { version: '1.2.3' });

/** As a shell splits what our examples write: blanks and single quotes. */
const split = (line: string): string[] =>
  [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');

test.each(rows)('%s has an example that parses as itself', (path, command) => {
  const [name, ...words] = split(command.example);
  expect(name).toBe('gristmill');
  const parsed = parse(...words);
  expect(parsed.kind === 'run' && parsed.command.path.join(' ')).toBe(path);
});

test.each(rows)('%s: help names its summary, arguments, options and example', (_path, command) => {
  const help = helpOf(command);
  expect(help).toContain(command.summary);
  expect(help).toContain(`$ ${command.example}`);
  for (const { name, help: said } of command.arguments ?? []) {
    expect(help).toContain(name);
    expect(help.replace(/\s+/g, ' ')).toContain(said);
  }
  if (command.ownsHelp) return; // a role's settings follow
  for (const { name } of optionsOf(command)) expect(help).toContain(`--${name}`);
});

test.each(rows)('%s loads a function', async (_path, command) => {
  expect((await command.load()).run).toBeTypeOf('function');
});

test('parseWords() names each first word with a summary in its help', () => {
  const root = parse('--help');
  const text = root.kind === 'say' ? root.text : '';
  for (const [first, second] of COMMANDS.map(({ path }) => path)) {
    expect(text).toMatch(new RegExp(`^  ${first} `, 'm'));
    if (second !== undefined) expect(GROUPS).toHaveProperty(first);
  }
});

test.each(SHELLS)('completionFor(%s) names every command and option', (shell) => {
  const script = completionFor(shell);
  for (const command of COMMANDS) {
    for (const word of command.path) expect(script).toContain(word);
    for (const { name } of optionsOf(command)) {
      expect(script).toContain(shell === 'fish' ? `-l ${name}` : `--${name}`);
    }
  }
});

test('completionFor(bash) completes words, subcommands and options in a real bash', () => {
  const complete = (...words: string[]): string[] => {
    const script = `${completionFor('bash')}
      COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length - 1}
      _gristmill; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout } = spawnSync('bash', ['-c', script], { encoding: 'utf8' });
    return stdout.trim().split('\n');
  };
  expect(complete('gristmill', 'jo')).toEqual(['job']);
  expect(complete('gristmill', 'job', 's')).toEqual(['submit', 'show']);
  expect(complete('gristmill', 'job', 'submit', '--w')).toEqual(['--watch']);
  expect(complete('gristmill', 'completion', 'f')).toEqual(['fish']);
});

test.each([
  ['job sumbit x', 'submit'],
  ['job submit x --wach', '--watch'],
  ['modle list', 'model'],
  ['trigger apply', 'FILE'],
  ['init x', '--label'],
  ['job list --limit many', 'whole number from 1 to 200'],
  ['job list extra', 'too many arguments'],
  ['predict trips rows.json --alias', '--alias'],
])('parseWords(%s) is refused with %s and exit code 2', (words, hint) => {
  const parsed = parse(...words.split(' '));
  expect(parsed).toMatchObject({ kind: 'say', isError: true, exit: 2 });
  expect(parsed.kind === 'say' && parsed.text).toContain(hint);
});

test('parseWords() hands over arguments, options in camelCase, numbers and defaults', () => {
  expect(parse('job', 'submit', 'a.json', '--idempotency-key', 'k', '--json')).toMatchObject({
    args: ['a.json'],
    options: { idempotencyKey: 'k', json: true },
  });
  expect(parse('model', 'rollback', 'm', '--to', '3')).toMatchObject({
    args: ['m'],
    options: { to: 3, environment: 'dev', alias: 'champion' },
  });
  expect(parse('trigger', 'apply', 'a', 'b')).toMatchObject({ args: ['a', 'b'] });
  expect(parse('model', 'gate', 'm')).toMatchObject({ args: ['m'] });
  expect(parse('--json', '--coordinator', 'http://a:1', 'workers')).toMatchObject({
    options: { json: true, coordinator: 'http://a:1' },
  });
  expect(parse('predict', 'm', 'r', '--version', '2')).toMatchObject({ options: { version: 2 } });
});

test('parseWords() tells the version, and help with exit code 0', () => {
  expect(parse('--version')).toMatchObject({ text: '1.2.3\n', exit: 0 });
  expect(parse('job', 'submit', '--help')).toMatchObject({ isError: false, exit: 0 });
  expect(parse('job')).toMatchObject({ exit: 2 });
});
