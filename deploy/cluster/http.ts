// Whether something answers at a URL, and what: of processes that have just been started, or of whoever has our port.
// In: a URL. Out: parsed JSON; an error that says in a sentence what came instead.
// Why not the client: it asks what anybody may be, before anybody is known to be ours.
import { setTimeout as delay } from 'node:timers/promises';

/** An answer that is no success, or none at all; `message` is what a person needs. */
export class HttpError extends Error {
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.name = 'HttpError';
    this.status = status;
  }
}

export async function requestJson<T>(
  url: string,
  { signal }: { readonly signal?: AbortSignal } = {},
): Promise<T> {
  const response = await fetch(url, signal ? { signal } : {}).catch((error: unknown) => {
    const { cause, message } = error as { cause?: { code?: string }; message: string };
    throw new HttpError(`Cannot reach ${url}: ${cause?.code ?? message}`, 0);
  });
  const body = parse(await response.text());
  if (response.ok) return body as T;
  const { code, detail } = (typeof body === 'object' && body !== null ? body : {}) as {
    readonly code?: string;
    readonly detail?: string;
  };
  const what = detail ? `${code}: ${detail}` : String(body).slice(0, 200);
  throw new HttpError(
    `${new URL(url).pathname} answered ${response.status} ${what}`,
    response.status,
  );
}

/** Asks `url` until it answers with success; `check` ends the wait by throwing. */
export async function untilReady(
  url: string,
  { timeoutMs, check }: { timeoutMs: number; check: () => void },
): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  let last = 'no answer';
  while (performance.now() < deadline) {
    check();
    try {
      await requestJson(url, { signal: AbortSignal.timeout(2_000) });
      return;
    } catch (error) {
      last = (error as Error).message;
    }
    await delay(50);
  }
  throw new HttpError(`Cannot reach ${url} within ${timeoutMs / 1000} s: ${last}`, 0);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
