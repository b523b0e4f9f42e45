// Every source file loads as Node loads it, and every process tells what it can be told.
// In: plain `node`, no test runner between. Out: exit codes. Why: a runner transpiles what Node refuses to strip.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { deploys, root, sources } from './tree.ts';

const node = (...args: string[]) =>
  spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8', timeout: 50_000 });

test('every file but those that start something loads under plain node', () => {
  const starts = /(^|\/)main\.ts$|^common\/child\/(child|thread)\.ts$/;
  const modules = [...sources, ...deploys].filter(
    ({ path }) => path.endsWith('.ts') && !starts.test(path),
  );
  const urls = modules.map(({ path }) => pathToFileURL(join(root, path)).href);
  const script = `for (const url of ${JSON.stringify(urls)}) {
    try { await import(url) } catch (error) { console.log(url.split('/').slice(-3).join('/') + ': ' + error.message) }
  }
  process.exit(0)`;
  const { stdout, stderr, status } = node('--input-type=module', '-e', script);
  expect(stdout).toBe('');
  expect(status, stderr).toBe(0);
});

test.each(['common/child/child.ts', 'common/child/thread.ts'])(
  '%s, which only a host can start, parses',
  (path) => {
    const { status, stderr } = node('--check', path);
    expect(status, stderr).toBe(0);
  },
);

const mains = [
  'coordinator/main.ts',
  'worker/main.ts',
  'gateway/main.ts',
  'deploy/quickstart/main.ts',
  'deploy/cluster/main.ts',
  'deploy/image/main.ts',
];

test.each(mains.filter((path) => existsSync(join(root, path))))(
  '%s --help tells its settings and ends with 0',
  (path) => {
    const { status, stdout, stderr } = node(path, '--help');
    expect(status, stderr).toBe(0);
    expect(stdout.split('\n').length).toBeGreaterThan(3);
  },
);

test.each(deploys.map(({ path }) => path).filter((path) => path.endsWith('.mjs')))(
  '%s parses',
  (path) => {
    const { status, stderr } = node('--check', path);
    expect(status, stderr).toBe(0);
  },
);
