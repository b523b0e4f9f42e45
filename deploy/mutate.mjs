// Changes pure files one small thing at a time and tells which changes no test notices.
// In: `[files…]`, all pure ones if none. Out: survivors in words, reports in .gristmill/mutation; exit code 1 where one is new,
// or where one that is known to change nothing is not among the survivors any more.
// Why the mutation runner is fetched here: 180 packages that only who strengthens tests needs.
// Why one run a file: in a run of all, a change would be tested by whatever test comes by it, not by its own alone.
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
/** What is said of each file, by the runner's words for it. */
const WORDS = { Killed: 'killed', Timeout: 'timed out', RuntimeError: 'did not load' };

await finish(async () => {
  await install();
  await fetchStryker();
  const asked = process.argv.slice(2);
  const pure = readPure();
  const files = asked.length > 0 ? asked : [...pure.keys()];
  const testsOf = (file) => pure.get(file) ?? [mirrorOf(file)];
  for (const path of files.flatMap((file) => [file, ...testsOf(file)])) {
    if (!existsSync(join(root, path)))
      throw new SetupError(`Cannot mutate ${files.join(', ')}: expected ${path}`);
  }
  const known = readJson(join(root, 'test/mutation/equivalent.json'));
  const lines = [];
  let wrong = 0;
  for (const file of files) {
    const began = performance.now();
    const found = judge(
      await mutate(file, testsOf(file)),
      known.filter((one) => one.file === file),
    );
    wrong += found.wrong.length;
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    lines.push(`${file}: ${found.counts}, ${seconds} s`, ...found.wrong);
    say(lines.slice(-1 - found.wrong.length).join('\n'));
  }
  if (files.length > 1) say(['', ...lines].join('\n'));
  return wrong === 0 ? 0 : 1;
});

/** What the runner reports of one file. */
async function mutate(file, tests) {
  const report = join(home, 'mutation', `${file.replaceAll('/', '.')}.json`);
  const env = { ...environment(), MUTATED: file, TESTED: tests.join(','), REPORT: report };
  const stryker = join(tools, 'node_modules/@stryker-mutator/core/bin/stryker.js');
  const code = await run([nodePath(), stryker, 'run', 'test/mutation/stryker.config.mjs'], { env });
  if (code !== 0) throw new SetupError(`Cannot mutate ${file}: the runner ended with code ${code}`);
  return readJson(report).files[file];
}

/** Wrong is a mutant that lives and is not known to change nothing, and one that is known and does not live. */
function judge({ source, mutants }, known) {
  const alive = mutants
    .filter(({ status }) => status === 'Survived' || status === 'NoCoverage')
    .map((mutant) => placeOf(source, mutant));
  const stale = [...known]; // each stands for one mutant, also where two lines are the same
  const fresh = alive.filter(({ line, from, to }) => {
    const at = stale.findIndex((one) => one.line === line && one.from === from && one.to === to);
    if (at >= 0) stale.splice(at, 1);
    return at < 0;
  });
  const counts = [
    ...Object.entries(WORDS).map(([status, word]) => [
      mutants.filter((one) => one.status === status).length,
      word,
    ]),
    [alive.length - fresh.length, 'known to change nothing'],
    [fresh.length, 'alive'],
  ];
  return {
    counts: counts.map((count) => count.join(' ')).join(', '),
    wrong: [
      ...fresh.map(({ at, ...one }) => `alive, at ${at}: ${JSON.stringify(one)}`),
      ...stale.map(({ line, from, to }) => `not alive: ${JSON.stringify({ line, from, to })}`),
    ],
  };
}

/** Where a mutant is, in words that outlive other lines: its line, what of it was changed, and to what. */
function placeOf(source, { location: { start, end }, replacement }) {
  const text = source.split('\n')[start.line - 1];
  const until = end.line === start.line ? end.column - 1 : text.length;
  return {
    line: text.trim(),
    from: text.slice(start.column - 1, until),
    to: replacement,
    at: `${start.line}:${start.column}`,
  };
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
