// From a fresh clone to a running TypeScript entry: checks Node and npm, installs packages, starts Node 24.
// In: the checkout, whatever Node (20.17 or newer) and npm the machine has. Out: node_modules as the lockfile
// says, and an exit code. In a package all is installed and emitted: then only where things are is asked here.
// Why dependency-free JavaScript: nothing is installed yet, and Node 20 reads no TypeScript.
import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { constants as osConstants } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = resolve(fileURLToPath(new URL('..', import.meta.url)));
/** A checkout has TypeScript and a lockfile; a package has JavaScript, and whoever installed it has the lockfile. */
export const isCheckout = existsSync(join(root, 'package-lock.json'));
export const home = join(isCheckout ? root : shellFolder(), '.gristmill');
const NODE_MIN = [20, 17]; // what package.json says under `engines`
const INSTALL_TRIES = 2; // registries drop a connection now and then; a second try has been enough

/** Something the user can act on: printed as one line, without a stack. */
export class SetupError extends Error {}

/** Words for the person who waits; on standard error, so that `--json` output stays clean. */
export const say = (line) => process.stderr.write(`${line}\n`);

/** The folder in which a person typed: npm starts scripts in the checkout's and tells the other. */
export function shellFolder() {
  const here = process.cwd();
  return resolve(here) === root ? (process.env.INIT_CWD ?? here) : here;
}

/** Installs what is missing and starts `entry` (relative to the checkout) with Node 24; does not return. */
export async function launch(entry, args = process.argv.slice(2), { cwd = root } = {}) {
  await finish(async () => {
    await install();
    return run([nodePath(), join(root, entry), ...args], { cwd });
  });
}

/** Runs `main` to its exit code; errors of ours become one line and exit code 1. */
export async function finish(main) {
  try {
    process.exitCode = await main();
  } catch (error) {
    say(
      error instanceof SetupError ? `error: ${error.message}` : `error: ${error?.stack ?? error}`,
    );
    process.exitCode = 1;
  }
}

/** Brings node_modules to what package-lock.json says; silent and quick where it is already. */
export async function install() {
  if (!isCheckout) return;
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < NODE_MIN[0] || (major === NODE_MIN[0] && minor < NODE_MIN[1])) {
    throw new SetupError(
      `Cannot start with Node ${process.versions.node}, expected ${NODE_MIN.join('.')} or newer (Node 24 itself then comes through npm)`,
    );
  }
  if (!isInstalled()) await installPackages();
  nodePath();
}

/** The Node that runs our sources: in a checkout the one that npm installed, else the running one if it is new enough. */
export function nodePath() {
  if (!isCheckout) return process.execPath;
  const installed = join(root, 'node_modules/node/bin/node');
  if (existsSync(installed)) return installed;
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath;
  throw new SetupError(
    'Cannot start: node_modules/node/bin/node is missing, expected Node 24 there after the install. Its install script ' +
      'did not run or failed: see that "npm config get ignore-scripts" says false, remove node_modules and try again; or put Node 24 on the PATH',
  );
}

/**
 * The environment for everything that we start: Node 24 first on the PATH; caches below .gristmill where
 * there is no home to keep them; no CUDA download by onnxruntime-node's install script (npm 10 ignores allowScripts).
 */
export function environment() {
  const env = {
    ...process.env,
    ONNXRUNTIME_NODE_INSTALL: 'skip',
    ONNXRUNTIME_NODE_INSTALL_CUDA: 'skip',
    PATH: [join(root, 'node_modules/.bin'), process.env.PATH ?? ''].join(delimiter),
  };
  if (isUsableHome(process.env.HOME)) return env;
  const ours = join(home, 'home');
  mkdirSync(ours, { recursive: true });
  return { ...env, HOME: ours, npm_config_cache: join(home, 'cache/npm') };
}

/** Runs a command, in the checkout if nothing else is said, with our streams; signals reach it, and its exit code comes back. */
export function run(
  [command, ...args],
  { env = environment(), output = 'inherit', cwd = root } = {},
) {
  return new Promise((resolveExit, reject) => {
    const child = spawn(command, args, { cwd, env, stdio: ['inherit', output, 'inherit'] });
    const forward = (signal) => child.kill(signal);
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
    for (const signal of signals) process.on(signal, forward);
    const letGo = () => {
      for (const signal of signals) process.off(signal, forward);
    };
    child.once('error', (error) => {
      letGo();
      reject(new SetupError(`Cannot run ${command}: ${error.message}`));
    });
    child.once('close', (code, signal) => {
      letGo();
      resolveExit(code ?? 128 + (osConstants.signals[signal] ?? 0));
    });
  });
}

/** npm writes node_modules/.package-lock.json last: where it agrees with package-lock.json, all is there. */
/** Whether npm has installed what the lockfile names: an entry that it would not install makes every start an installation. */
export function isInstalled() {
  const wanted = readPackages(join(root, 'package-lock.json'));
  const present = readPackages(join(root, 'node_modules/.package-lock.json'));
  if (!wanted || !present) return false;
  const names = Object.keys(wanted).filter((name) => name !== '');
  return (
    names.every((name) => {
      const { version, optional, devOptional } = wanted[name];
      return present[name] ? present[name].version === version : Boolean(optional || devOptional);
    }) && existsSync(join(root, 'node_modules/node/bin/node'))
  );
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages;
  } catch {
    return undefined;
  }
}

async function installPackages() {
  // npm itself must not run on the Node below node_modules, which `npm ci` removes first
  const outside = (process.env.PATH ?? '')
    .split(delimiter)
    .filter((folder) => !resolve(folder).startsWith(join(root, 'node_modules')));
  const env = { ...environment(), PATH: outside.join(delimiter) };
  const npm = spawnSync('npm', ['--version'], { env, cwd: root, encoding: 'utf8' });
  if (npm.status !== 0) {
    throw new SetupError(
      `Cannot install packages: npm ${npm.error ? 'is not on the PATH' : `failed: ${npm.stderr.trim()}`}, expected npm 10 or newer`,
    );
  }
  const version = npm.stdout.trim();
  const began = performance.now();
  say(
    `Installing packages with npm ${version} (npm ci: 170 packages and Node 24, half a minute or so) …`,
  );
  for (let attempt = 1; ; attempt++) {
    const code = await run(
      ['npm', 'ci', '--no-audit', '--no-fund', '--loglevel=error', '--no-update-notifier'],
      {
        env,
        output: process.stderr,
      },
    );
    if (code === 0) break;
    if (attempt >= INSTALL_TRIES || code > 128) {
      throw new SetupError(
        `Cannot install packages: npm ci ended with code ${code}, expected 0; its output above says why. It needs an npm registry`,
      );
    }
    say(`npm ci ended with code ${code}: trying once more …`);
  }
  say(`Packages are installed (${((performance.now() - began) / 1000).toFixed(0)} s).`);
}

function isUsableHome(path) {
  if (!path) return false;
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
