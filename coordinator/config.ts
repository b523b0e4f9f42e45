// The coordinator's settings. In: the environment. Out: one frozen object, or CONFIG_INVALID naming what is wrong.
import { tmpdir } from 'node:os';
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
} from '../common/config.ts';

export const SETTINGS = {
  nats: natsSetting,
  store: place({
    name: 'GRISTMILL_STORE',
    help: 'where everything lies that must last: file:///folder or s3://bucket/prefix',
    reason: 'all processes of a cluster name the same one',
  }),
  lake: lakeSetting,
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

export type CoordinatorConfig = Values<typeof SETTINGS>;

export const readConfig = (env: Env): CoordinatorConfig => readSettings(SETTINGS, env);
