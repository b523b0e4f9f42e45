// The gateway's settings. In: the environment. Out: one frozen object, or CONFIG_INVALID naming what is wrong.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GristmillError, nearestName } from '../common/errors.ts';
import { checkName } from '../common/ids.ts';

export type Env = Readonly<Record<string, string | undefined>>;

/** Each setting: what it is, and its default where it has one. */
export const SETTINGS = {
  GRISTMILL_STORE: { help: 'where models lie: file:///folder or s3://bucket/prefix' },
  GRISTMILL_NATS: { help: 'nats://host:port; only hurries swaps, may be left out', default: '' },
  GRISTMILL_ENVIRONMENT: { help: 'whose aliases are served', default: 'dev' },
  GRISTMILL_HOST: { help: 'address to listen on', default: '127.0.0.1' },
  GRISTMILL_PORT: { help: 'port to listen on; 0 takes a free one', default: '8090' },
  GRISTMILL_THREADS: { help: 'inference children, one thread each', default: '2' },
  GRISTMILL_MEMORY: { help: 'memory of all inference children together, MiB', default: '2048' },
  GRISTMILL_SCRATCH: {
    help: 'folder for model files, so that a start without a store serves what it had',
    default: join(tmpdir(), 'gristmill'),
  },
} as const satisfies Record<string, { help: string; default?: string }>;
type Name = keyof typeof SETTINGS;

export type GatewayConfig = {
  readonly store: string;
  readonly nats: string;
  readonly environment: string;
  readonly host: string;
  readonly port: number;
  readonly threads: number;
  readonly memoryBytes: number;
  readonly scratch: string;
};

export function readConfig(env: Env): GatewayConfig {
  refuseUnknown(env);
  return Object.freeze({
    store: readStore(env),
    nats: text(env, 'GRISTMILL_NATS'),
    environment: checkName('GRISTMILL_ENVIRONMENT', text(env, 'GRISTMILL_ENVIRONMENT')),
    host: text(env, 'GRISTMILL_HOST'),
    port: integer(env, 'GRISTMILL_PORT', { min: 0, max: 65_535 }),
    threads: integer(env, 'GRISTMILL_THREADS', { min: 1, max: 256 }),
    memoryBytes: integer(env, 'GRISTMILL_MEMORY', { min: 256, max: 2 ** 24 }) * 2 ** 20,
    scratch: text(env, 'GRISTMILL_SCRATCH'),
  });
}

function refuseUnknown(env: Env): void {
  for (const name of Object.keys(env)) {
    if (!name.startsWith('GRISTMILL_') || name in SETTINGS) continue;
    const near = nearestName(name, Object.keys(SETTINGS));
    throw invalid(name, `no such setting${near ? `, did you mean ${near}?` : ''}`, 'one of --help');
  }
}

function readStore(env: Env): string {
  const value = env.GRISTMILL_STORE ?? '';
  if (/^(file:\/\/\/|s3:\/\/[^/])/.test(value)) return value;
  throw invalid('GRISTMILL_STORE', JSON.stringify(value), SETTINGS.GRISTMILL_STORE.help);
}

const text = (env: Env, name: Exclude<Name, 'GRISTMILL_STORE'>): string =>
  env[name] || SETTINGS[name].default;

function integer(
  env: Env,
  name: Exclude<Name, 'GRISTMILL_STORE'>,
  { min, max }: { min: number; max: number },
): number {
  const value = text(env, name);
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw invalid(name, JSON.stringify(value), `a whole number from ${min} to ${max}`);
}

const invalid = (name: string, found: string, expected: string): GristmillError =>
  new GristmillError('CONFIG_INVALID', `Cannot use ${name}: ${found}, expected ${expected}`);
