// What may be in the repository: software, with exact versions, that any machine can install.
// In: every file, package.json and its lockfile. Out: what belongs to one machine or one registry.
// Why a test: such things slip in through editors and tools, not through anybody's intent.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { files, root } from './tree.ts';

const readJson = <T>(name: string): T => JSON.parse(readFileSync(join(root, name), 'utf8')) as T;
type Lock = {
  readonly packages: Readonly<
    Record<
      string,
      {
        readonly version?: string;
        readonly resolved?: string;
        readonly optionalDependencies?: Readonly<Record<string, string>>;
      }
    >
  >;
};
const manifest = readJson<{
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
  readonly allowScripts: Readonly<Record<string, boolean>>;
}>('package.json');
const lock = readJson<Lock>('package-lock.json');

/** Written in pieces, so that this file does not hold them. */
const HOSTS = [
  ['registry', 'npmjs', 'org'],
  ['pypi', 'org'],
  ['files', 'pythonhosted', 'org'],
  ['proxy', 'golang', 'org'],
  ['sum', 'golang', 'org'],
  ['deb', 'debian', 'org'],
  ['repo1', 'maven', 'org'],
].map((pieces) => pieces.join('.'));

test('no registry is named: whoever installs has one configured', () => {
  const found = files.flatMap(({ path, text }) =>
    HOSTS.filter((host) => text.includes(host)).map((host) => `${path}: ${host}`),
  );
  expect(found).toEqual([]);
});

test('no path of one machine is named', () => {
  const paths = /(?<![\w.:/])\/(root|home\/\w|Users\/\w|work)\//;
  const found = files.flatMap(({ path, text }) =>
    text
      .split('\n')
      .flatMap((line, i) => (paths.test(line) ? [`${path}:${i + 1} ${line.trim()}`] : [])),
  );
  expect(found).toEqual([]);
});

test('versions are exact', () => {
  const all = { ...manifest.dependencies, ...manifest.devDependencies };
  const loose = Object.entries(all).filter(
    ([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version),
  );
  expect(loose).toEqual([]);
});

test('the lockfile names no address, and has an entry for every platform', () => {
  const packages = Object.entries(lock.packages);
  expect(packages.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
  const missing = packages.flatMap(([, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter(
      (name) => !packages.some(([path]) => path.endsWith(`node_modules/${name}`)),
    ),
  );
  expect(missing).toEqual([]); // `npm ci` refuses a lockfile that leaves out another platform's package
});

test('install scripts run for node alone', () => {
  const allowed = Object.entries(manifest.allowScripts).filter(([, isAllowed]) => isAllowed);
  expect(allowed).toEqual([['node', true]]);
});

test('every npm script starts through a dependency-free .mjs, so that it runs on any Node', () => {
  for (const [name, command] of Object.entries(manifest.scripts)) {
    expect(command, name).toMatch(/^node deploy\/[\w-]+\.mjs( |$)/);
  }
});
