// The packed tarball, as somebody has it who has only the README: installed elsewhere, own Parquet, five commands.
// In: `npm pack` of this checkout, a registry, the machine's own Node where it has one. Out: a prediction, and no process left.
// Why the machine's Node: the checkout brings Node 24 along, a package does not.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { COMMANDS } from '../../cli/commands.ts';
import { openDuck } from '../../common/engine/duckdb.ts';
import { quoteText } from '../../common/sql.ts';
import { findNatsServer } from '../../deploy/binaries.mjs';
import { root } from '../house/tree.ts';

type Packed = { filename: string; size: number; files: { path: string; mode: number }[] };
type Up = { coordinatorUrl: string; gatewayUrl: string; pids: Record<string, number> };

const TARBALL_BYTES_MAX = 1_000_000;
const NODE_MIN = [20, 17] as const;
const MINUTE = 60_000;

let folder: string;
let packed: Packed;
let env: NodeJS.ProcessEnv;
let addresses: NodeJS.ProcessEnv = {};
let left: number[] = [];

/** The first Node on the PATH that no package brought, where it is new enough for the package. */
function findNode(): string {
  for (const place of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(place, 'node');
    if (place.includes('node_modules') || !existsSync(path)) continue;
    const version = spawnSync(path, ['--version'], { encoding: 'utf8' }).stdout;
    const [major, minor] = version.slice(1).split('.').map(Number) as [number, number];
    if (major > NODE_MIN[0] || (major === NODE_MIN[0] && minor >= NODE_MIN[1])) return path;
  }
  return process.execPath;
}

function shell(command: string, timeout = 2 * MINUTE) {
  const { status, stdout, stderr } = spawnSync('sh', ['-c', command], {
    cwd: folder,
    encoding: 'utf8',
    timeout,
    env: { ...env, ...addresses },
  });
  return { status, stdout, stderr };
}

/** Standard output of a command that must end with 0. */
function must(command: string): string {
  const { status, stdout, stderr } = shell(command);
  expect(status, `${command}\n${stdout}\n${stderr}`).toBe(0);
  return stdout;
}

/** Ended ones that nobody has reaped yet (Z) are gone: a container's first process may not reap. */
function isAlive(pid: number): boolean {
  const { stdout } = spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
  return /^[^Z\s]/.test(stdout.trim());
}

/** What a user who has only the README types. */
function readmeCommands(): string[] {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const [, text = ''] = readme.split(/^## Your own data.*$/m);
  const lines = text.split('\n').filter((line) => /^ {4}np[mx] /.test(line));
  expect(lines).toHaveLength(5);
  return lines.map((line) => line.split('  #')[0]!.trim());
}

const exampleOf = (name: string): string =>
  COMMANDS.find(({ path }) => path.join(' ') === name)!.example;

async function makeLake(to: string): Promise<void> {
  await mkdir(join(to, 'trips'), { recursive: true });
  await using duck = await openDuck({
    memoryBytes: 512 * 1024 * 1024,
    tempDir: folder,
    files: [],
    writeDir: to,
  });
  for (const month of [1, 2, 3]) {
    const path = quoteText(join(to, `trips/month-${month}.parquet`));
    await duck.run(`COPY (
      SELECT * EXCLUDE (is_late) FROM (SELECT TIMESTAMP '2030-01-01' + to_days(${(month - 1) * 30}) + to_minutes((i * 10)::BIGINT) AS departed,
        CASE WHEN i % 50 = 0 THEN NULL ELSE 5 + (i * 7919) % 40 END::BIGINT AS minutes,
        ['harbour', 'centre', 'hill', 'mill'][1 + (i * 31) % 4] AS stop,
        ((i * 10 // 60) % 24 BETWEEN 7 AND 9 OR (i * 31) % 4 = 0) AND (i * 13) % 7 <> ${month} AS is_late,
        CASE WHEN is_late THEN 20 + i % 30 ELSE i % 15 END::BIGINT AS delay
      FROM range(4000) t(i))) TO ${path} (FORMAT parquet)`);
  }
}

beforeAll(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'gristmill-package-')));
  const outside = (process.env.PATH ?? '').split(delimiter);
  const own = outside.filter((place) => !place.includes('node_modules'));
  const kept = Object.entries(process.env).filter(
    ([name]) => !/^(GRISTMILL_|AWS_|MINIO|INIT_CWD|npm_(?!config_(cache|registry)))/.test(name),
  );
  env = {
    ...Object.fromEntries(kept),
    NODE_OPTIONS: '',
    NATS_SERVER: findNatsServer(),
    PATH: [dirname(findNode()), ...own].join(delimiter),
  };
  const { status, stdout, stderr } = spawnSync(
    'npm',
    ['pack', '--json', '--pack-destination', folder],
    { cwd: root, encoding: 'utf8', env },
  );
  expect(status, stderr).toBe(0);
  const told = JSON.parse(stdout.slice(stdout.search(/^[[{]/m))) as unknown;
  packed = (Array.isArray(told) ? told[0] : Object.values(told as object)[0]) as Packed;
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  await makeLake(join(folder, 'data'));
}, 3 * MINUTE);

afterAll(async () => {
  for (const pid of left.filter(isAlive)) process.kill(-pid, 'SIGKILL');
  await rm(folder, { recursive: true, force: true });
});

test('npm pack packs what runs, the types of the client, and nothing else', () => {
  const paths = packed.files.map(({ path }) => path);
  const isWanted = (path: string): boolean =>
    /^dist\/(cli|common|coordinator|worker|gateway|deploy)\/.*(\.js|\.mjs|\.json)$/.test(path) ||
    /^dist\/(cli|common)\/.*\.d\.ts$/.test(path) ||
    ['package.json', 'README.md', 'LICENSE', 'NOTICE'].includes(path);
  expect(paths.filter((path) => !isWanted(path))).toEqual([]);
  expect(paths).toEqual(
    expect.arrayContaining([
      'dist/cli/main.js',
      'dist/cli/client.d.ts',
      'dist/common/child/thread.js',
      'dist/worker/train/resident.js',
      'dist/deploy/cluster/guard.mjs',
    ]),
  );
  expect(packed.size).toBeLessThan(TARBALL_BYTES_MAX);
});

test(
  'npm i, up, init, job submit, predict: a prediction on own Parquet; down leaves nothing',
  async () => {
    const [install, start, init, submit, predict] = readmeCommands();
    must(`${install} --no-audit --no-fund --prefer-offline --loglevel=error`);
    expect(start).toBe(`npx ${exampleOf('up')}`);
    const up = JSON.parse(must(`${start} --port 0 --gateway-port 0 --json`)) as Up;
    left = Object.values(up.pids);
    expect(left.filter(isAlive)).toHaveLength(4);
    addresses = {
      GRISTMILL_COORDINATOR: up.coordinatorUrl,
      GRISTMILL_GATEWAY: up.gatewayUrl,
    };
    must(init!);
    const rows = JSON.parse(readFileSync(join(folder, 'trips.rows.json'), 'utf8')) as unknown;
    expect(rows).toBeTruthy();
    must(submit!);
    const predicted = JSON.parse(must(`${predict} --json`)) as {
      predictions: readonly unknown[];
    };
    expect(predicted.predictions.length).toBeGreaterThan(0);
    expect(JSON.stringify(predicted.predictions)).toMatch(/\d\.\d/);
    const second = shell('npx gristmill up --lake ./data');
    expect(second.status).toBe(2);
    expect(second.stderr).toContain(`one runs at ${up.coordinatorUrl}`);
    expect(must(`npx ${exampleOf('down')}`)).toContain('coordinator');
    expect(left.filter(isAlive)).toEqual([]);
  },
  5 * MINUTE,
);

test('gristmill up says what is wrong before it starts anything', () => {
  const nowhere = shell('npx gristmill up --lake nowhere');
  expect(nowhere.status).toBe(2);
  expect(nowhere.stderr).toContain('Cannot use --lake nowhere: it is not there');
  const twice = shell('npx gristmill up --port 18080 --gateway-port 18080');
  expect(twice.status).toBe(2);
  expect(twice.stderr).toContain('expected two different ports');
  expect(must('npx gristmill down')).toContain('Nothing was left running here');
});

test('the typed client is imported from gristmill/client, with its types', async () => {
  const script = `import { createClient } from 'gristmill/client'; console.log(typeof createClient)`;
  expect(must(`node --input-type=module -e "${script}"`)).toBe('function\n');
  await writeFile(
    join(folder, 'use.ts'),
    `import { createClient } from 'gristmill/client';
export const made: ReturnType<typeof createClient> = createClient(
  {} as Parameters<typeof createClient>[0],
);
// @ts-expect-error: an address is no number, so the types are there
createClient(1);
`,
  );
  const flags =
    '--noEmit --strict --module nodenext --target es2023 --types "" --skipLibCheck false';
  must(
    `${process.execPath} ${join(root, 'node_modules/.bin/tsc')} ${flags} --lib es2023,dom use.ts`,
  );
});

test.each(['coordinator', 'worker', 'gateway'])(
  'gristmill %s --help tells its settings',
  (role) => {
    expect(must(`npx gristmill ${role} --help`)).toContain('GRISTMILL_STORE');
  },
);
