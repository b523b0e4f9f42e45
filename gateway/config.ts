// The gateway's settings. In: the environment. Out: one frozen object, or CONFIG_INVALID naming what is wrong.
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Env, place, readSettings, text, type Values, whole } from '../common/config.ts';
import { NAME_PATTERN } from '../common/ids.ts';

export const SETTINGS = {
  store: place({
    name: 'GRISTMILL_STORE',
    help: 'where models lie: file:///folder or s3://bucket/prefix',
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
    standard: 'dev',
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
};

export type GatewayConfig = Values<typeof SETTINGS>;

export const readConfig = (env: Env): GatewayConfig => readSettings(SETTINGS, env);
