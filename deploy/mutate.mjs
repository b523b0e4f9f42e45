// Changes pure files one small thing at a time and tells which changes no test notices.
// In: `[files…]`, all pure ones if none. Out: survivors in words, .gristmill/mutation/report.json; exit code 1 where one is new.
// Why the mutation runner is fetched here: 180 packages that only who strengthens tests needs.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  environment,
  finish,
  home,
  install,
  nodePath,
  root,
  run,
  SetupError,
  say,
} from './bootstrap.mjs';

const VERSION = '10.1.1';
const tools = join(home, 'tools/stryker');

await finish(async () => {
  await install();
  await fetchStryker();
  const files = process.argv.slice(2);
  const pure = readPure();
  const chosen = files.length > 0 ? files : [...pure.keys()];
  const tests = new Set(chosen.flatMap((file) => pure.get(file) ?? [mirrorOf(file)]));
  for (const test of tests) {
    if (!existsSync(join(root, test)))
      throw new SetupError(`Cannot mutate ${chosen.join(', ')}: expected tests at ${test}`);
  }
  const env = { ...environment(), MUTATED: chosen.join(','), TESTED: [...tests].join(',') };
  const stryker = join(tools, 'node_modules/@stryker-mutator/core/bin/stryker.js');
  const code = await run([nodePath(), stryker, 'run', 'test/mutation/stryker.config.mjs'], { env });
  return code === 0 ? judge(readJson(join(home, 'mutation/report.json'))) : code;
});

/** Exit code 1 where a mutant lives that is not known to change nothing. */
function judge({ files }) {
  const known = readJson(join(root, 'test/mutation/equivalent.json'));
  const isKnown = (one) =>
    known.some(({ file, line, to }) => file === one.file && line === one.line && to === one.to);
  const alive = Object.entries(files).flatMap(([file, { source, mutants }]) =>
    mutants
      .filter(({ status }) => status === 'Survived' || status === 'NoCoverage')
      .map(({ location, replacement }) => ({
        file,
        line: source.split('\n')[location.start.line - 1].trim(),
        to: replacement,
        at: `${file}:${location.start.line}:${location.start.column}`,
      })),
  );
  const fresh = alive.filter((one) => !isKnown(one));
  for (const { at, line, to } of fresh) say(`alive: ${at}  ${line}  →  ${to}`);
  const total = Object.values(files).reduce((sum, { mutants }) => sum + mutants.length, 0);
  say(
    `${total} mutants, ${alive.length} alive, ${alive.length - fresh.length} of them known to change nothing`,
  );
  return fresh.length === 0 ? 0 : 1;
}

function readJson(path) {
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** Source → tests. A line of test/mutation/pure.txt is a source, and its tests where these are not its mirror alone. */
function readPure() {
  const lines = readFileSync(join(root, 'test/mutation/pure.txt'), 'utf8').split('\n');
  return new Map(
    lines.filter(Boolean).map((line) => {
      const [file, ...tests] = line.split(' ');
      return [file, tests.length > 0 ? tests : [mirrorOf(file)]];
    }),
  );
}

function mirrorOf(file) {
  return join('test', file.replace(/\.ts$/, '.test.ts'));
}

async function fetchStryker() {
  if (existsSync(join(tools, 'node_modules/@stryker-mutator/vitest-runner'))) return;
  mkdirSync(tools, { recursive: true });
  const dependencies = {
    '@stryker-mutator/core': VERSION,
    '@stryker-mutator/vitest-runner': VERSION,
  };
  writeFileSync(join(tools, 'package.json'), JSON.stringify({ private: true, dependencies }));
  const flags = [
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    '--legacy-peer-deps',
    '--ignore-scripts',
  ];
  const code = await run(['npm', 'install', ...flags], { cwd: tools });
  if (code !== 0)
    throw new SetupError(`Cannot fetch the mutation runner: npm install ended with code ${code}`);
}
