// The HTTP client of deploy: JSON in, JSON out, an error of ours when it is refused or nobody answers.
// In: a URL. Out: parsed answers; events of a stream, one by one.
// Why here: the one place in deploy that fetches.
import { setTimeout as delay } from 'node:timers/promises';

/** An answer that is no success, or none at all; `message` is what a person needs. */
export class HttpError extends Error {
  readonly status: number;
  readonly body: unknown;
  constructor(message: string, status: number, body: unknown) {
    super(message);
    this.name = 'HttpError';
    this.status = status;
    this.body = body;
  }
}

export type Call = {
  readonly method?: 'GET' | 'POST' | 'PUT';
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
};

export async function requestJson<T>(url: string, call: Call = {}): Promise<T> {
  const response = await send(url, call);
  const text = await response.text();
  const body = parse(text);
  if (!response.ok) throw new HttpError(explain(url, response.status, body), response.status, body);
  return body as T;
}

export type StreamEvent = {
  readonly event: string;
  readonly data: unknown;
  readonly id: string | undefined;
};

/** Server-sent events, until the server ends the stream. */
export async function* requestEvents(url: string, call: Call = {}): AsyncGenerator<StreamEvent> {
  const headers = { accept: 'text/event-stream', ...call.headers };
  const response = await send(url, { ...call, headers });
  if (!response.ok || !response.body) {
    const body = parse(await response.text());
    throw new HttpError(explain(url, response.status, body), response.status, body);
  }
  let rest = '';
  for await (const text of textOf(url, response.body)) {
    const blocks = (rest + text).replaceAll('\r\n', '\n').split('\n\n');
    rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const event = parseEvent(block);
      if (event) yield event;
    }
  }
}

/** Asks `url` until it answers with success; `isOver` ends the wait by throwing. */
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
  throw new HttpError(`Cannot reach ${url} within ${timeoutMs / 1000} s: ${last}`, 0, undefined);
}

async function* textOf(url: string, body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  try {
    for await (const bytes of body) yield decoder.decode(bytes, { stream: true });
  } catch (error) {
    throw new HttpError(`The stream ${url} broke: ${(error as Error).message}`, 0, undefined);
  }
}

async function send(url: string, call: Call): Promise<Response> {
  const { method = 'GET', body, headers = {}, signal } = call;
  try {
    return await fetch(url, {
      method,
      headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(signal ? { signal } : {}),
    });
  } catch (error) {
    const cause = (error as { cause?: { code?: string } }).cause?.code ?? (error as Error).message;
    throw new HttpError(`Cannot reach ${url}: ${cause}`, 0, undefined);
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** RFC 9457 in one sentence. */
function explain(url: string, status: number, body: unknown): string {
  const problem = (typeof body === 'object' && body !== null ? body : {}) as Record<
    string,
    unknown
  >;
  const errors = (problem.errors ?? []) as readonly { pointer: string; detail: string }[];
  const fields = errors.map(({ pointer, detail }) => ` ${pointer}: ${detail}`).join(';');
  const what = problem.detail ? `${problem.code}: ${problem.detail}` : String(body).slice(0, 200);
  return `${new URL(url).pathname} answered ${status} ${what}${fields && `;${fields}`}`;
}

function parseEvent(block: string): StreamEvent | undefined {
  let event = 'message';
  let id: string | undefined;
  const data: string[] = [];
  for (const line of block.split('\n')) {
    if (line.startsWith('event:')) event = line.slice(6).trim();
    else if (line.startsWith('id:')) id = line.slice(3).trim();
    else if (line.startsWith('data:')) data.push(line.slice(5).replace(/^ /, ''));
  }
  return data.length === 0 ? undefined : { event, data: parse(data.join('\n')), id };
}
