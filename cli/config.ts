// The command line's settings and what it knows of itself.
// In: the environment, flags, the cluster that runs here. Out: addresses of the services, each with where it came from;
// whether colours are wanted; the version.
// Why "where from": an address that nobody answers at is named with the flag or the setting to correct.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Env, SettingName } from '../common/config.ts';
import { GristmillError } from '../common/errors.ts';
import { readConfig, SETTINGS } from '../common/settings.ts';
import type { RunningCluster } from './running.ts';

export type Address = { readonly url: string; readonly from: string };
export type Addresses = { readonly coordinator: Address; readonly gateway: Address };

/** Flags before settings before the cluster that runs here before defaults. */
export function readAddresses(
  env: Env,
  flags: { readonly coordinator?: string | undefined; readonly gateway?: string | undefined },
  running: RunningCluster | undefined,
): Addresses {
  const values = readConfig('command line', env);
  const chosen = (name: 'coordinator' | 'gateway', setting: SettingName): Address => {
    const flag = flags[name];
    if (flag !== undefined) return { url: trimmed(checked(name, flag)), from: `--${name}` };
    if (env[setting]) return { url: trimmed(values[name]), from: setting };
    if (running) return { url: trimmed(running[name]), from: running.path };
    return { url: trimmed(values[name]), from: `the default of ${setting}` };
  };
  return {
    coordinator: chosen('coordinator', 'GRISTMILL_COORDINATOR'),
    gateway: chosen('gateway', 'GRISTMILL_GATEWAY'),
  };
}

/** What a program gives as an address: text, a URL, or one that knows where it comes from. */
export function addressOf(
  name: 'coordinator' | 'gateway',
  given: string | URL | Address | undefined,
): Address {
  if (given === undefined) {
    const { coordinator, gateway } = readAddresses({}, {}, undefined);
    return { coordinator, gateway }[name];
  }
  if (typeof given === 'object' && 'from' in given) return given;
  const text = trimmed(String(given));
  const { parse, expected } = SETTINGS['command line'][name];
  if (parse(text) !== undefined) return { url: text, from: `createClient({ ${name} })` };
  const message = `Cannot use ${JSON.stringify(text)} as ${name}: expected ${expected}`;
  throw new GristmillError('USAGE', message);
}

function checked(name: 'coordinator' | 'gateway', flag: string): string {
  const { parse, expected } = SETTINGS['command line'][name];
  if (parse(flag) !== undefined) return flag;
  const message = `Cannot use --${name} ${JSON.stringify(flag)}: expected ${expected}`;
  throw new GristmillError('USAGE', message);
}

const trimmed = (address: string): string => address.replace(/\/+$/, '');

/** https://no-color.org; FORCE_COLOR for logs that keep colours. */
export function wantsColours(env: Env, isTerminal: boolean): boolean {
  if (env.FORCE_COLOR !== undefined && env.FORCE_COLOR !== '') return env.FORCE_COLOR !== '0';
  return isTerminal && !env.NO_COLOR && env.TERM !== 'dumb';
}

/** What to type for this program: a checkout has no `gristmill` on the PATH, and a package has it for npx. */
export const programIn = (folder: string): string =>
  existsSync(join(folder, '..', 'package-lock.json')) ? 'npm run gristmill --' : 'npx gristmill';

/** Of package.json, which lies one folder up in a checkout and two in the package. */
export function readVersion(folder: string): string {
  for (const path of ['../package.json', '../../package.json']) {
    try {
      const found = JSON.parse(readFileSync(join(folder, path), 'utf8')) as Record<string, unknown>;
      if (found.name === 'gristmill') return String(found.version);
    } catch {} // not there: the other one is
  }
  return 'unknown';
}
