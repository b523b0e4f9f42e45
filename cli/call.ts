// A service of ours over HTTP: calls by name, typed by its OpenAPI; whatever goes wrong is one ClientError.
// In: where it runs, the name of a call, what it takes. Out: its answer, or a ClientError with the code and the remedy.
// Why one error: a script asks `code`, a person reads message and remedy, wherever it went wrong.
import type { FieldError } from '../common/errors.ts';
import type { Problem } from './api.ts';
import type { Address } from './config.ts';

/** A problem that a service answered (RFC 9457), or that it could not be asked. */
export class ClientError extends Error {
  /** As in the table of common/errors.ts. */
  readonly code: string;
  /** Of HTTP; 0 where nobody answered. */
  readonly status: number;
  readonly remedy: string | undefined;
  readonly errors: readonly FieldError[];
  constructor(
    message: string,
    of: {
      readonly code: string;
      readonly status: number;
      readonly remedy?: string | undefined;
      readonly errors?: readonly FieldError[] | undefined;
      readonly cause?: unknown;
    },
  ) {
    super(message, { cause: of.cause });
    this.name = 'ClientError';
    this.code = of.code;
    this.status = of.status;
    this.remedy = of.remedy;
    this.errors = of.errors ?? [];
  }
}

type Text = string | number | undefined;
type Parts = {
  readonly path?: object;
  readonly query?: object;
  readonly headers?: object;
  readonly body?: unknown;
};
/** Bytes are sent as they are: the service tells a repeated key or a number that does not fit. */
type Input<C> = Omit<C, 'answer' | 'body'> &
  (C extends { body: infer B } ? { readonly body: B | Uint8Array } : unknown);
type Answer<C> = C extends { answer: infer A } ? A : never;

export type Service<Calls> = {
  /** The answer of a call that takes nothing, or what it takes. */
  ask<N extends keyof Calls & string>(name: N, input: Input<Calls[N]>): Promise<Answer<Calls[N]>>;
  /** A successful response, not read yet. `stop` ends this one alone. */
  open<N extends keyof Calls & string>(
    name: N,
    input: Input<Calls[N]>,
    stop?: AbortSignal,
  ): Promise<Response>;
  /** The answer in a response of open(). */
  read<N extends keyof Calls & string>(name: N, response: Response): Promise<Answer<Calls[N]>>;
  /** That nobody answers, or no longer. */
  unreachable(cause: unknown): ClientError;
};

export type Reach = {
  readonly name: 'coordinator' | 'gateway';
  readonly address: Address;
  readonly fetch?: typeof globalThis.fetch | undefined;
  /** Ends every call. */
  readonly signal?: AbortSignal | undefined;
};

export function makeService<Calls>(
  places: Readonly<Record<keyof Calls & string, readonly [method: string, path: string]>>,
  { name: service, address, fetch = globalThis.fetch, signal }: Reach,
): Service<Calls> {
  const unreachable = (cause: unknown): ClientError => unreachableError(service, address, cause);
  const read = async <T>(response: Response): Promise<T> => {
    const text = await response.text().catch((cause: unknown) => {
      signal?.throwIfAborted();
      throw unreachable(cause);
    });
    if (text === '') return undefined as T;
    if (response.headers.get('content-type')?.startsWith('text/plain')) return text as T;
    const value = parse(text);
    if (typeof value === 'string') throw strangeError(service, address);
    return value as T;
  };
  const open = async (
    name: keyof Calls & string,
    input: Parts,
    stop?: AbortSignal,
  ): Promise<Response> => {
    signal?.throwIfAborted();
    const [method, path] = places[name];
    const signals = [signal, stop].filter((one) => one !== undefined);
    try {
      const response = await fetch(urlOf(address, path, input), {
        method,
        ...bodyOf(input),
        signal: signals.length === 0 ? null : AbortSignal.any(signals),
      });
      if (response.ok) return response;
      throw problemError(service, address, response, parse(await response.text()));
    } catch (cause) {
      signal?.throwIfAborted();
      throw cause instanceof ClientError ? cause : unreachable(cause);
    }
  };
  return {
    open,
    read: (_name, response) => read(response),
    ask: async (name, input) => read(await open(name, input)),
    unreachable,
  };
}

function urlOf({ url }: Address, path: string, { path: names = {}, query = {} }: Parts): string {
  const filled = path.replace(/\{(\w+)\}/g, (_all, name: string) =>
    encodeURIComponent(String((names as Record<string, Text>)[name])),
  );
  const told = Object.entries(query as Record<string, Text>).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as [string, string]],
  );
  return `${url}${filled}${told.length > 0 ? `?${new URLSearchParams(told)}` : ''}`;
}

function bodyOf({ headers = {}, body }: Parts): Pick<RequestInit, 'headers' | 'body'> {
  const told = Object.entries(headers as Record<string, Text>).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as [string, string]],
  );
  if (body === undefined) return { headers: told };
  return {
    headers: [...told, ['content-type', 'application/json']],
    body: body instanceof Uint8Array ? (body as Uint8Array<ArrayBuffer>) : JSON.stringify(body),
  };
}

function unreachableError(
  name: 'coordinator' | 'gateway',
  at: Address,
  cause: unknown,
): ClientError {
  const setting = name === 'coordinator' ? 'GRISTMILL_COORDINATOR' : 'GRISTMILL_GATEWAY';
  return new ClientError(`Cannot reach the ${name} at ${at.url} (${at.from}): ${whyOf(cause)}`, {
    code: 'SERVER_UNREACHABLE',
    status: 0,
    remedy: `Start a cluster with "gristmill up" in this folder, or say where it runs: --${name} URL or ${setting}`,
    cause,
  });
}

const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'there is no host of this name',
  EAI_AGAIN: 'the host name cannot be looked up',
  ECONNRESET: 'the connection broke',
  UND_ERR_SOCKET: 'the connection broke',
  ETIMEDOUT: 'no answer in time',
  UND_ERR_CONNECT_TIMEOUT: 'no answer in time',
  UND_ERR_HEADERS_TIMEOUT: 'no answer in time',
  EHOSTUNREACH: 'no way to this host',
  ENETUNREACH: 'no way to this host',
};

function whyOf(cause: unknown): string {
  const inner = (cause as { cause?: { code?: string; message?: string } }).cause;
  const known = NETWORK[inner?.code ?? ''];
  if (known) return known;
  if ((cause as Error).name === 'AbortError') return 'it says nothing any more';
  return inner?.message || (cause as Error).message;
}

const strangeError = (name: string, at: Address, cause?: unknown): ClientError =>
  new ClientError(`Cannot use ${at.url} (${at.from}): what answers there is no gristmill ${name}`, {
    code: 'SERVER_UNREACHABLE',
    status: 0,
    remedy: `Correct the address: --${name} URL; "gristmill up" prints the addresses of its cluster`,
    cause,
  });

function problemError(name: string, at: Address, response: Response, body: unknown): ClientError {
  const problem = typeof body === 'object' && body !== null ? body : {};
  return errorOf(problem, response.status) ?? strangeError(name, at);
}

/** A problem as an error; undefined where it is none of ours. */
export function errorOf(
  problem: { readonly [K in keyof Problem]?: unknown },
  status: number,
): ClientError | undefined {
  const { code, detail, remedy, errors } = problem;
  if (typeof code !== 'string' || typeof detail !== 'string') return undefined;
  return new ClientError(detail, {
    ...{ code, status },
    remedy: typeof remedy === 'string' ? remedy : undefined,
    errors: errors as readonly FieldError[] | undefined,
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
