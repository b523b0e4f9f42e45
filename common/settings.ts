// Every setting of every process: one line of a table each, read by whichever processes have it in theirs.
// In: nothing. Out: a table a process, and the names known to all; readConfig() makes a frozen object of an environment.
// Why all in one file: one environment may serve several processes, so each must know the names of the others'; and
// a new setting is written down once. What must agree across the cluster is not here: it travels in the plan.

import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import {
  type Env,
  place,
  readSettings,
  type Setting,
  type SettingName,
  text,
  type Values,
  whole,
  wholeOrNone,
} from './config.ts';
import { CRASH_POINTS } from './crash.ts';
import { NAME_PATTERN } from './ids.ts';
import { DEFAULT_ENVIRONMENT } from './wire/environment.ts';

const MiB = 1024 * 1024;

/** The queue of those that cannot work without it. */
const nats = text({
  name: 'GRISTMILL_NATS',
  help: 'nats://host:port, several separated by commas',
  standard: 'nats://127.0.0.1:4222',
  reason: 'where nats-server listens by itself',
  isSecret: true,
});

const lake = place({
  name: 'GRISTMILL_LAKE',
  help: 'where datasets lie: a folder, or s3://bucket/prefix',
  reason: 'nothing outside it is read',
});

const coordinator = {
  nats,
  store: place({
    name: 'GRISTMILL_STORE',
    help: 'where everything lies that must last: a folder, or s3://bucket/prefix',
    reason: 'all processes of a cluster name the same one',
  }),
  lake,
  host: text({
    name: 'GRISTMILL_HOST',
    help: 'address to listen on',
    standard: '127.0.0.1',
    reason: 'only this machine, until somebody decides otherwise',
  }),
  port: whole({
    name: 'GRISTMILL_PORT',
    help: 'port to listen on; 0 takes a free one',
    standard: 8080,
    reason: 'where the command line looks by itself',
    min: 0,
    max: 65_535,
  }),
  scratch: text({
    name: 'GRISTMILL_SCRATCH',
    help: 'folder for temporary files',
    standard: join(tmpdir(), 'gristmill'),
    shown: 'gristmill in the folder for temporary files',
    reason: 'nothing in it is needed after a restart',
  }),
  memoryMiB: whole({
    name: 'GRISTMILL_MEMORY',
    help: 'memory of the process that parses footers and SQL, MiB: above it, it is killed',
    standard: 2048,
    reason: 'a footer of 256 MiB takes some 1.5 GiB to parse',
    min: 256,
    max: 1024 * 1024,
  }),
} as const;

const worker = {
  nats,
  store: place({
    name: 'GRISTMILL_STORE',
    help: 'where results lie: a folder, or s3://bucket/prefix',
    reason: 'all processes of a cluster name the same one',
  }),
  lake,
  scratch: text({
    name: 'GRISTMILL_SCRATCH',
    help: 'folder for temporary files',
    standard: join(tmpdir(), 'gristmill'),
    shown: 'gristmill in the folder for temporary files',
    reason: 'nothing in it is needed after a restart',
  }),
  threads: whole({
    name: 'GRISTMILL_THREADS',
    help: 'tasks at once, each on one thread',
    standard: availableParallelism(),
    shown: 'the cores that the process may use',
    reason: 'one a core',
    min: 1,
    max: 256,
  }),
  memoryMiB: whole({
    name: 'GRISTMILL_MEMORY',
    help: 'memory of the process that computes, MiB: above it, it is killed',
    standard: Math.floor((memoryBytes() * 0.75) / MiB),
    shown: 'three quarters of the memory',
    reason: 'of what the machine or container has; the rest is for this process and the system',
    min: 512,
    max: 16 * 1024 * 1024,
  }),
  host: text({
    name: 'GRISTMILL_HOST',
    help: 'address to listen on for probes, if there is a port',
    standard: '127.0.0.1',
    reason: 'only this machine, until somebody decides otherwise',
  }),
  port: wholeOrNone({
    name: 'GRISTMILL_PORT',
    help: 'port for probes (/healthz, /readyz, /metrics); 0 takes a free one',
    reason: 'none: one open port less on a laptop',
    min: 0,
    max: 65_535,
  }),
  crash: text({
    name: 'GRISTMILL_CRASH',
    help: `for tests: die at the n-th passage of ${CRASH_POINTS.join(', ')}, as point:n`,
    standard: '',
    reason: 'off',
    pattern: new RegExp(`^((${CRASH_POINTS.join('|').replaceAll('.', '\\.')})(:[1-9]\\d*)?)?$`),
    expected: 'a fault point, perhaps with ":n"',
  }),
} as const;

const gateway = {
  store: place({
    name: 'GRISTMILL_STORE',
    help: 'where models lie: a folder, or s3://bucket/prefix',
    reason: 'nothing else says which models there are',
  }),
  nats: text({
    name: 'GRISTMILL_NATS',
    help: 'nats://host:port of the queue, whose hints hurry swaps',
    standard: '',
    reason: 'none needed: the store is asked twice a second',
    isSecret: true,
  }),
  environment: text({
    name: 'GRISTMILL_ENVIRONMENT',
    help: 'whose aliases are served',
    standard: DEFAULT_ENVIRONMENT,
    reason: 'the one of a laptop',
    pattern: new RegExp(NAME_PATTERN),
    expected: '1–63 of a–z, 0–9 and "-"',
  }),
  host: text({
    name: 'GRISTMILL_HOST',
    help: 'address to listen on',
    standard: '127.0.0.1',
    reason: 'there is no authentication yet',
  }),
  port: whole({
    name: 'GRISTMILL_PORT',
    help: 'port to listen on; 0 takes a free one',
    standard: 8090,
    reason: 'where the command line looks by itself',
    min: 0,
    max: 65_535,
  }),
  threads: whole({
    name: 'GRISTMILL_THREADS',
    help: 'inference children, one thread each',
    standard: 2,
    reason: 'one serves on while the other is replaced or loads',
    min: 1,
    max: 64,
  }),
  memoryMiB: whole({
    name: 'GRISTMILL_MEMORY',
    help: 'memory of one inference child, MiB: above it, it is killed and replaced',
    standard: 1024,
    reason: 'a child without models takes some 100, models and their work the rest',
    min: 256,
    max: 16 * 1024 * 1024,
  }),
  scratch: text({
    name: 'GRISTMILL_SCRATCH',
    help: 'folder for model files, which lets a start without a store serve what it had',
    standard: join(tmpdir(), 'gristmill'),
    shown: 'gristmill in the folder for temporary files',
    reason: 'there on every machine; take one that outlives a reboot in production',
  }),
} as const;

const url = { pattern: /^https?:\/\/[^/\s?#]+(\/[^\s?#]*)?$/, expected: 'http://host:port' };

const commandLine = {
  coordinator: text({
    name: 'GRISTMILL_COORDINATOR',
    help: 'where the command line finds the coordinator: http://host:port',
    standard: 'http://127.0.0.1:8080',
    reason: 'where "gristmill up" puts it',
    ...url,
  }),
  gateway: text({
    name: 'GRISTMILL_GATEWAY',
    help: 'where the command line finds the gateway: http://host:port',
    standard: 'http://127.0.0.1:8090',
    reason: 'where "gristmill up" puts it',
    ...url,
  }),
} as const;

/** By process. */
export const SETTINGS = { coordinator, worker, gateway, 'command line': commandLine } as const;
export type Reader = keyof typeof SETTINGS;
export type Config<R extends Reader> = Values<(typeof SETTINGS)[R]>;

/** Every name in use, whichever process reads it. */
export const SETTING_NAMES: readonly SettingName[] = [
  ...new Set(
    Object.values(SETTINGS).flatMap((table: Readonly<Record<string, Setting<unknown>>>) =>
      Object.values(table).map(({ name }) => name),
    ),
  ),
];

export const readConfig = <R extends Reader>(reader: R, env: Env): Config<R> =>
  readSettings(SETTINGS[reader], env, SETTING_NAMES) as Config<R>;

/** A container's limit reads as 0 or as more than the machine has where there is none. */
function memoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
