// `gristmill health`: what a container's health check runs. In: GRISTMILL_PORT and GRISTMILL_HOST of the process beside it.
// Out: exit code 0 where /healthz answers 200, 1 where it does not: Docker knows no other.
// Why its own request: it asks whichever role runs here, by the port that this role was given, and no other service.
import { get } from 'node:http';
import type { Env } from '../../common/config.ts';
import { EXIT, type Run } from '../context.ts';

/** Below the 5 s that the image grants a check: the reason is printed before it is killed. */
const PATIENCE_MS = 4_000;
const ANSWER_MAX = 4_096;

export const run: Run = async ({ env, out, signal }) => {
  const url = urlOf(env);
  if (url === undefined) {
    out.note('not alive: GRISTMILL_PORT names no port to ask, expected that of the process');
    return EXIT.failed;
  }
  try {
    const { status, text } = await ask(url, signal);
    if (status === 200) {
      out.line(`alive: ${url}`);
      return EXIT.done;
    }
    out.note(`not alive: ${url} answered ${status} ${text.trim()}`);
  } catch (error) {
    out.note(`not alive: ${url}: ${(error as Error).message}`);
  }
  return EXIT.failed;
};

/** Who listens everywhere is asked at the loopback address. */
export function urlOf(env: Env): string | undefined {
  const port = env.GRISTMILL_PORT ?? '';
  if (!/^[1-9]\d{0,4}$/.test(port)) return undefined;
  const host = env.GRISTMILL_HOST ?? '';
  if (host === '' || host === '0.0.0.0') return `http://127.0.0.1:${port}/healthz`;
  if (host === '::') return `http://[::1]:${port}/healthz`;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}/healthz`;
}

function ask(url: string, signal: AbortSignal): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const late = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)]);
    const request = get(url, { signal: late, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => {
        text = (text + piece).slice(0, ANSWER_MAX);
      });
      response.once('error', reject);
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.once('error', (error) =>
      reject(late.aborted && !signal.aborted ? new Error(`no answer in ${PATIENCE_MS} ms`) : error),
    );
  });
}
