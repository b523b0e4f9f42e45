// What a cluster on this machine is asked to be.
// In: command line words, the shell's folder and environment.
// Out: options with URIs resolved and checked, or USAGE naming the word.
// Why apart: no process is started before all is known.
import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { GristmillError } from '../../common/errors.ts';
import type { Env } from './process.ts';

export type UpOptions = {
  /** A URI, checked to be there; undefined: the folder that is made for it. */
  readonly lake: string | undefined;
  /** A URI, a MinIO of its own, or the cluster's folder, also where nothing is said. */
  readonly store: { readonly uri: string } | 'minio' | 'folder' | undefined;
  /** The shell's AWS_* variables, where s3:// is named. */
  readonly storeEnv: Env;
  /** undefined: not said, so one, or as many as there were. */
  readonly workers: number | undefined;
  /** 0: any free one; undefined: not said, so the usual one, or the one there was. */
  readonly ports: {
    readonly coordinator: number | undefined;
    readonly gateway: number | undefined;
  };
  readonly isDetached: boolean;
  /** Started by one that detaches: keeps the cluster until SIGTERM, and is not seen by anybody. */
  readonly isSupervisor: boolean;
  readonly isJson: boolean;
  /** On the objects of the last quickstart, where there was one. */
  readonly isLast: boolean;
};

export type Asked = ({ readonly kind: 'up' } & UpOptions) | Down | { readonly kind: 'help' };
type Down = { readonly kind: 'down'; readonly isJson: boolean };

export const HELP = `npm start -- [options]

Runs NATS, coordinator, workers and gateway on the objects of the last quickstart, or on an empty
store below .gristmill/, until Ctrl-C. Whichever of them dies is started again. Where a former run has left some of them,
these are taken over and what is missing is started.

  --lake DIR         where datasets lie: a folder, or s3://bucket/prefix with the usual AWS_* variables
  --workers N        worker processes (1)
  --store URI        where results last: a folder, s3://bucket/prefix, or "minio" for a server of its own
  --port N           port of the coordinator (8080); 0 takes a free one
  --gateway-port N   port of the gateway (8090); 0 takes a free one
  --detach           come back once everything answers
  --stop             end what --detach, or "npm run quickstart -- --keep", left running
  --json             one JSON document once everything answers
  --help             this
`;

const WORKERS_MAX = 64;
const FLAGS = {
  lake: { type: 'string' },
  workers: { type: 'string' },
  store: { type: 'string' },
  port: { type: 'string' },
  'gateway-port': { type: 'string' },
  detach: { type: 'boolean' },
  json: { type: 'boolean' },
  last: { type: 'boolean' },
  supervise: { type: 'boolean' },
  stop: { type: 'boolean' },
  help: { type: 'boolean' },
} as const;

export async function readOptions(
  words: readonly string[],
  { folder, env }: { folder: string; env: Env },
): Promise<Asked> {
  const values = parse(words);
  const isJson = values.json ?? false;
  if (values.help) return { kind: 'help' };
  if (values.stop) return { kind: 'down', isJson };
  const lake = values.lake === undefined ? undefined : await lakeOf(values.lake, folder);
  const store = storeOf(values.store, folder);
  if (store === 'minio' && lake?.startsWith('s3:')) {
    throw usage(`Cannot use --store minio with --lake ${lake}: expected --lake DIR, or no --lake`);
  }
  const isS3 = [lake, typeof store === 'object' ? store.uri : ''].some((uri) =>
    uri?.startsWith('s3:'),
  );
  return {
    kind: 'up',
    lake,
    store,
    storeEnv: isS3 ? awsOf(env) : {},
    workers: whole('--workers', values.workers, { min: 1, max: WORKERS_MAX }),
    ports: {
      coordinator: whole('--port', values.port, { min: 0, max: 65_535 }),
      gateway: whole('--gateway-port', values['gateway-port'], { min: 0, max: 65_535 }),
    },
    isDetached: values.detach ?? false,
    isSupervisor: values.supervise ?? false,
    isJson,
    isLast: values.last ?? false,
  };
}

function parse(words: readonly string[]) {
  try {
    return parseArgs({ args: [...words], options: FLAGS }).values;
  } catch (cause) {
    const why = (cause as Error).message.split('. ')[0];
    throw usage(`Cannot read the arguments: ${why}, expected those of --help`, { cause });
  }
}

/** What the lake holds is the user's: a folder that is not there is a slip, and is not made. */
async function lakeOf(text: string, folder: string): Promise<string> {
  const uri = uriOf('--lake', text, folder);
  if (!uri.startsWith('file:')) return uri;
  const path = fileURLToPath(uri);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return pathToFileURL(path).href;
  const what = found ? 'it is a file' : 'it is not there';
  throw usage(`Cannot use --lake ${text}: ${what}, expected a folder with Parquet files below it`);
}

function storeOf(text: string | undefined, folder: string): UpOptions['store'] {
  if (text === undefined) return undefined;
  if (text === 'file') return 'folder';
  if (text === 'minio') return 'minio';
  return { uri: uriOf('--store', text, folder) };
}

function uriOf(flag: string, text: string, folder: string): string {
  const expected = 'expected a folder, file:///folder or s3://bucket/prefix';
  if (text === '') throw usage(`Cannot use an empty ${flag}: ${expected}`);
  if (!/^[a-z][a-z0-9+.-]+:/i.test(text)) return pathToFileURL(resolve(folder, text)).href;
  if (/^(file:\/\/\/|s3:\/\/[^/])/.test(text)) return text;
  throw usage(`Cannot use ${flag} ${text}: ${expected}`);
}

function whole(
  flag: string,
  text: string | undefined,
  { min, max }: { min: number; max: number },
): number | undefined {
  if (text === undefined) return undefined;
  const number = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw usage(`Cannot use ${flag} ${text}: expected a whole number from ${min} to ${max}`);
}

const awsOf = (env: Env): Env =>
  Object.fromEntries(Object.entries(env).filter(([name]) => name.startsWith('AWS_')));

const usage = (message: string, options?: ErrorOptions): GristmillError =>
  new GristmillError('USAGE', message, options);
