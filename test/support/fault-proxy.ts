// An HTTP proxy before S3 that misbehaves on purpose.
// In: a target, a seed, and rules that can be switched. Out: an address to use instead.
// Why HTTP and not TCP: "applied, but the answer was lost" needs to know where an answer begins.
//
//   client ──request──► [refuse, status, silence] ──► target ──answer──► [lost, reset, truncate, flip] ──► client
import * as http from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { Philox } from '../../common/random.ts';

export type Fault =
  /** The connection is reset before the request is read: nothing is applied. */
  | { readonly kind: 'refuse' }
  /** Answered so at once: nothing is applied. */
  | { readonly kind: 'status'; readonly status: number }
  /** No answer, ever: nothing is applied. */
  | { readonly kind: 'silence' }
  /** The target does it; the connection is reset instead of the answer. */
  | { readonly kind: 'applied-reset' }
  /** The target does it; no answer, ever. */
  | { readonly kind: 'applied-silence' }
  /** The target does it; the answer is this status instead. */
  | { readonly kind: 'applied-status'; readonly status: number }
  /** The answer's body ends after so many bytes: by a reset, or by a clean end of the connection. */
  | { readonly kind: 'reset'; readonly afterBytes: number }
  | { readonly kind: 'truncate'; readonly afterBytes: number }
  /** One bit of the answer's body is flipped. */
  | { readonly kind: 'flip' }
  | { readonly kind: 'delay'; readonly ms: number };

export type Rule = {
  readonly fault: Fault;
  readonly method?: string;
  /** Part of the path and query, as sent. */
  readonly path?: string | RegExp;
  /** Share of the matching requests, by the seed; default all. */
  readonly share?: number;
  /** At most so many requests, then the rule is spent; default no end. */
  readonly times?: number;
};

export type FaultProxy = AsyncDisposable & {
  readonly url: string;
  /** Replaces all rules; a request meets the first that fits. */
  set(...rules: readonly Rule[]): void;
  /** Every request so far, and what was done to it. */
  readonly log: readonly { method: string; path: string; fault: Fault['kind'] | undefined }[];
  /** Requests that met a fault so far. */
  readonly faults: number;
  /** Requests that met no fault, and whose client left before their answer was whole: it came too late. */
  readonly givenUp: number;
};

export async function startFaultProxy({
  target,
  seed,
}: {
  target: string;
  seed: number;
}): Promise<FaultProxy> {
  const random = new Philox(seed, 'order', 'fault-proxy');
  const agent = new http.Agent({ keepAlive: true });
  const log: { method: string; path: string; fault: Fault['kind'] | undefined }[] = [];
  let givenUp = 0;
  let active: { rule: Rule; left: number }[] = [];

  const pickFault = (method: string, path: string): Fault | undefined => {
    for (const entry of active) {
      const { rule } = entry;
      if (entry.left <= 0 || (rule.method !== undefined && rule.method !== method)) continue;
      if (typeof rule.path === 'string' && !path.includes(rule.path)) continue;
      if (rule.path instanceof RegExp && !rule.path.test(path)) continue;
      if (rule.share !== undefined && random.uniform() >= rule.share) continue;
      entry.left -= 1;
      return rule.fault;
    }
    return undefined;
  };

  const server = http.createServer((request, response) => {
    const [method, path] = [request.method ?? '', request.url ?? ''];
    const fault = pickFault(method, path);
    log.push({ method, path, fault: fault?.kind });
    response.once('close', () => {
      if (!fault && !response.writableFinished) givenUp += 1;
    });
    serve({ request, response, target: new URL(target), agent, random }, fault).catch(() => {
      response.destroy();
    });
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    set: (...rules) => {
      active = rules.map((rule) => ({ rule, left: rule.times ?? Number.POSITIVE_INFINITY }));
    },
    log,
    get faults() {
      return log.filter((entry) => entry.fault !== undefined).length;
    },
    get givenUp() {
      return givenUp;
    },
    [Symbol.asyncDispose]: async () => {
      agent.destroy();
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
}

type Exchange = {
  readonly request: http.IncomingMessage;
  readonly response: http.ServerResponse;
  readonly target: URL;
  readonly agent: http.Agent;
  readonly random: Philox;
};

async function serve(exchange: Exchange, fault: Fault | undefined): Promise<void> {
  const { request, response } = exchange;
  switch (fault?.kind) {
    case 'refuse':
      return void request.socket.resetAndDestroy();
    case 'status':
      request.resume();
      return answerStatus(response, fault.status);
    case 'silence':
      return void request.resume();
    case 'delay':
      await delay(fault.ms);
  }
  const answer = await forward(exchange);
  switch (fault?.kind) {
    case 'applied-reset':
      answer.resume();
      return void request.socket.resetAndDestroy();
    case 'applied-silence':
      return void answer.resume();
    case 'applied-status':
      answer.resume();
      return answerStatus(response, fault.status);
  }
  response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
  await relay(exchange, answer, fault);
}

function answerStatus(response: http.ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  const code = status === 507 ? 'XMinioStorageFull' : 'InternalError';
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code></Error>`);
}

/** Sends the request on, host header and all (it is signed), and waits for the answer's head. */
function forward({ request, target, agent }: Exchange): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const { hostname, port } = target;
    const { method, url: path, headers } = request;
    const asked = http.request({ hostname, port, method, path, headers, agent }, resolve);
    asked.on('error', reject);
    request.on('error', () => asked.destroy());
    request.pipe(asked);
  });
}

async function relay(
  { request, response, random }: Exchange,
  answer: http.IncomingMessage,
  fault: Fault | undefined,
): Promise<void> {
  let left = fault?.kind === 'reset' || fault?.kind === 'truncate' ? fault.afterBytes : Infinity;
  let isFlipped = false;
  for await (const data of answer) {
    let chunk = data as Buffer;
    if (fault?.kind === 'flip' && !isFlipped && chunk.length > 0) {
      chunk = Buffer.from(chunk);
      const at = random.below(chunk.length);
      chunk[at]! ^= 1 << random.below(8);
      isFlipped = true;
    }
    const part = chunk.subarray(0, left);
    left -= part.length;
    await new Promise<void>((done) => response.write(part, () => done()));
    if (left > 0) continue;
    if (fault?.kind === 'reset') request.socket.resetAndDestroy();
    else request.socket.end();
    return void answer.destroy();
  }
  response.end();
}
