// `gristmill up` and `down`: the cluster on this machine, which is deploy/cluster/main started as a process.
// In: options. Out: its words and its exit code; --detach leaves the cluster running.
// Why a process and no import: the command line knows HTTP; who starts servers is deploy.
import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { fileURLToPath } from 'node:url';
import { entryOf } from '../../common/entry.ts';
import { GristmillError } from '../../common/errors.ts';
import { type Context, EXIT, type Run } from '../context.ts';

type Options = {
  readonly lake?: string;
  readonly workers?: number;
  readonly store?: string;
  readonly port?: number;
  readonly gatewayPort?: number;
  readonly detach?: true;
};

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export const run: Run<Options> = (context, _args, options) =>
  startCluster(context, [
    ...flag('--lake', options.lake),
    ...flag('--workers', options.workers),
    ...flag('--store', options.store),
    ...flag('--port', options.port),
    ...flag('--gateway-port', options.gatewayPort),
    ...(options.detach ? ['--detach'] : []),
  ]);

/** Runs deploy/cluster/main with our streams; signals reach it, and its exit code comes back. */
export function startCluster(
  { out, env, folder }: Context,
  words: readonly string[],
): Promise<number> {
  const main = fileURLToPath(entryOf(new URL('../../deploy/cluster/main.ts', import.meta.url)));
  const all = [main, ...words, ...(out.isJson ? ['--json'] : [])];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, all, { cwd: folder, env, stdio: 'inherit' });
    const forward = (signal: NodeJS.Signals): void => void child.kill(signal);
    for (const signal of SIGNALS) process.on(signal, forward);
    child.once('error', (cause) => {
      const message = `Cannot start the cluster: ${cause.message}`;
      reject(new GristmillError('INTERNAL', message, { cause }));
    });
    child.once('close', (code, signal) => {
      for (const each of SIGNALS) process.off(each, forward);
      resolve(code ?? (signal ? 128 + constants.signals[signal] : EXIT.failed));
    });
  });
}

const flag = (name: string, value: string | number | undefined): string[] =>
  value === undefined ? [] : [`${name}=${value}`];
