// From a fresh clone to a running entry, with an npm that only pretends.
// In: a copy of deploy/*.mjs in an empty folder, a fake npm on the PATH. Out: calls, words and exit codes.
import { spawnSync } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { isInstalled } from '../../deploy/bootstrap.mjs';
import { root } from '../house/tree.ts';

let folder: string;
const lock = {
  packages: {
    '': {},
    'node_modules/a': { version: '1.0.0' },
    'node_modules/other-os': { version: '2.0.0', optional: true },
  },
};
const present = { packages: { 'node_modules/a': { version: '1.0.0' } } };

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gristmill-bootstrap-'));
  await mkdir(join(folder, 'deploy'));
  await mkdir(join(folder, 'bin'));
  await copyFile(join(root, 'deploy/bootstrap.mjs'), join(folder, 'deploy/bootstrap.mjs'));
  await writeFile(join(folder, 'package-lock.json'), JSON.stringify(lock));
  await writeFile(
    join(folder, 'entry.ts'),
    'const code: number = Number(process.argv[2]);\nprocess.exit(code);\n',
  );
  await writeFile(
    join(folder, 'deploy/go.mjs'),
    `import { launch } from './bootstrap.mjs';\nawait launch('entry.ts');\n`,
  );
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** What `npm ci` shall do: shell, run in the folder. It leaves behind what an install leaves behind. */
async function makeNpm(ci: string): Promise<void> {
  const installs = `mkdir -p node_modules/node/bin && ln -sf ${process.execPath} node_modules/node/bin/node &&
    echo '${JSON.stringify(present)}' > node_modules/.package-lock.json`;
  const script = `#!/bin/sh
    if [ "$1" = --version ]; then echo 11.0.0; exit 0; fi
    echo "$* HOME=$HOME cache=$npm_config_cache skip=$ONNXRUNTIME_NODE_INSTALL" >> calls
    install_all() { ${installs}; }
    ${ci}`;
  await writeFile(join(folder, 'bin/npm'), script);
  await chmod(join(folder, 'bin/npm'), 0o755);
}

function go(args: readonly string[], env: Record<string, string | undefined> = {}) {
  const PATH = [join(folder, 'bin'), dirname(process.execPath), '/usr/bin', '/bin'].join(delimiter);
  const { status, stderr } = spawnSync(process.execPath, [join(folder, 'deploy/go.mjs'), ...args], {
    cwd: folder,
    encoding: 'utf8',
    env: { HOME: folder, PATH, ...env } as NodeJS.ProcessEnv,
  });
  return { status, stderr };
}

const calls = async (): Promise<string[]> =>
  (await readFile(join(folder, 'calls'), 'utf8').catch(() => '')).split('\n').filter(Boolean);

test('launch() installs once, says so, and keeps the exit code of its entry', async () => {
  await makeNpm('install_all');
  const first = go(['0']);
  expect(first.stderr).toContain('Installing packages with npm 11.0.0');
  expect(first.status).toBe(0);
  expect(go(['3'])).toEqual({ status: 3, stderr: '' });
  expect(await calls()).toHaveLength(1);
  expect((await calls())[0]).toMatch(/^ci .*skip=skip$/);
});

test('the lockfile of this checkout names nothing that npm does not install: no second start installs', () => {
  expect(isInstalled()).toBe(true);
});

test('launch() installs again when the lockfile has changed', async () => {
  await makeNpm('install_all');
  go(['0']);
  const changed = { packages: { ...lock.packages, 'node_modules/a': { version: '1.0.1' } } };
  await writeFile(join(folder, 'package-lock.json'), JSON.stringify(changed));
  expect(go(['0']).stderr).toContain('Installing packages');
});

test('launch() tries npm once more, then says what failed', async () => {
  await makeNpm('[ -f failed ] && install_all || { touch failed; exit 1; }');
  expect(go(['0'])).toMatchObject({
    status: 0,
    stderr: expect.stringContaining('trying once more'),
  });
  expect(await calls()).toHaveLength(2);
  await rm(join(folder, 'node_modules'), { recursive: true });
  await makeNpm('exit 7');
  const failed = go(['0']);
  expect(failed.status).toBe(1);
  expect(failed.stderr).toContain('error: Cannot install packages: npm ci ended with code 7');
});

test('launch() keeps home and cache below .gristmill where there is no home', async () => {
  await makeNpm('install_all');
  go(['0'], { HOME: join(folder, 'absent') });
  expect((await calls())[0]).toContain(
    `HOME=${join(folder, '.gristmill/home')} cache=${join(folder, '.gristmill/cache/npm')}`,
  );
});

test('launch() says what to do without npm', async () => {
  const { status, stderr } = go(['0'], { PATH: join(folder, 'bin') });
  expect(status).toBe(1);
  expect(stderr).toBe(
    'error: Cannot install packages: npm is not on the PATH, expected npm 10 or newer\n',
  );
});
