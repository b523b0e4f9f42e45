// The worker's settings.
// In: the environment. Out: one frozen object, or CONFIG_INVALID naming what is wrong.
// Why nothing here changes a result: what must agree across the cluster travels in the plan.
import { availableParallelism, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import {
  type Env,
  lakeSetting,
  natsSetting,
  place,
  readSettings,
  text,
  type Values,
  whole,
  wholeOrNone,
} from '../common/config.ts';
import { CRASH_POINTS } from '../common/crash.ts';

const MiB = 1024 * 1024;

export const SETTINGS = {
  nats: natsSetting,
  store: place({
    name: 'GRISTMILL_STORE',
    help: 'where results lie: file:///folder or s3://bucket/prefix',
    reason: 'all processes of a cluster name the same one',
  }),
  lake: lakeSetting,
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

export type WorkerConfig = Values<typeof SETTINGS>;

export const readConfig = (env: Env): WorkerConfig => readSettings(SETTINGS, env);

/** A container's limit reads as 0 or as more than the machine has where there is none. */
function memoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}
