// Every error as RFC 9457 problem details.
// In: whatever a handler or fastify threw. Out: a status and a JSON body; stacks stay in the log.
// Why here: fastify's own errors are translated in this one place.
import type { Socket } from 'node:net';
import type {
  ConnectionError,
  FastifyError,
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
} from 'fastify';
import {
  CODES,
  type FieldError,
  GristmillError,
  nearestName,
  toProblem,
} from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import type { Log } from '../../common/log.ts';
import { listed, show } from '../../common/wire/explain.ts';

/** Seconds after which a retryable request may be sent again. */
const RETRY_AFTER = 2;

export function sendProblem(
  reply: FastifyReply,
  error: unknown,
  extra: Readonly<Record<string, unknown>> = {},
): FastifyReply {
  const problem = { ...toProblem(error), ...extra };
  if (error instanceof GristmillError && CODES[error.code].retry) {
    reply.header('retry-after', RETRY_AFTER);
  }
  return reply.code(problem.status).type('application/problem+json').send(problem);
}

export function problemHandler(log: Log) {
  return (error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): void => {
    const known = translate(error);
    if (known instanceof GristmillError && known.code !== 'INTERNAL') {
      sendProblem(reply, known);
      return;
    }
    const { method, url, id } = request;
    log.error('request failed', { method, url, request: id, error, stack: error.stack });
    const hidden = `Cannot answer ${method} ${url.slice(0, 100)}: an internal error, logged as ${id}`;
    sendProblem(reply, new GristmillError('INTERNAL', hidden), { requestId: id });
  };
}

/** Bytes that are no HTTP request, or none in time: there is no request to answer, only a socket. */
export function answerClientError(error: ConnectionError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const [status, words, why] = CLIENT_ERRORS[error.code] ?? CLIENT_ERRORS.HPE_INVALID!;
  const known = new GristmillError('REQUEST_INVALID', `Cannot read the request: ${why}`);
  const body = JSON.stringify({ ...toProblem(known), status });
  socket.end(
    `HTTP/1.1 ${status} ${words}\r\ncontent-type: application/problem+json\r\n` +
      `content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
  );
}

const CLIENT_ERRORS: Readonly<Record<string, readonly [number, string, string]>> = {
  HPE_INVALID: [400, 'Bad Request', 'it is no HTTP/1.1 request'],
  HPE_HEADER_OVERFLOW: [
    431,
    'Request Header Fields Too Large',
    'its headers are too large, expected at most 16 KiB',
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [
    408,
    'Request Timeout',
    `it did not arrive within ${LIMITS.requestTimeoutMs / 1000} s`,
  ],
};

export function invalidRequest(errors: readonly FieldError[]): GristmillError {
  const [first] = errors;
  const where = first?.pointer.slice(1) || 'a parameter';
  const message = `Cannot use the request: ${where} ${first?.detail ?? 'is wrong'}`;
  return new GristmillError('REQUEST_INVALID', message, { errors });
}

function translate(error: FastifyError | Error): Error {
  if (error instanceof GristmillError) return error;
  const { code, statusCode, message } = error as FastifyError;
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new GristmillError(
        'BODY_TOO_LARGE',
        `Cannot read the body: it is too large, expected at most ${LIMITS.bodyBytesMax} bytes`,
      );
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new GristmillError(
        'UNSUPPORTED_MEDIA',
        'Cannot read the body: its content-type is another one, expected application/json',
      );
    default:
      if (statusCode === undefined || statusCode >= 500) return error;
      return new GristmillError('REQUEST_INVALID', `Cannot read the request: ${message}`);
  }
}

/** Unknown paths and methods, with what there is instead. Call it before routes are added. */
export function answerNotFound(app: FastifyInstance): void {
  const routes: { method: string; url: string }[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    for (const one of [method].flat()) routes.push({ method: one, url });
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0]!.slice(0, 200);
    const methods = routes.filter(({ url }) => matches(url, path)).map(({ method }) => method);
    if (methods.length > 0) {
      reply.header('allow', methods.join(', '));
      const message = `Cannot ${request.method} ${path}: expected ${listed(methods)}`;
      return sendProblem(reply, new GristmillError('METHOD_UNKNOWN', message));
    }
    const nearest = nearestName(path, new Set(routes.map(({ url }) => url)));
    const hint = nearest ? `did you mean ${show(nearest)}?` : 'expected a path listed at /docs';
    const message = `Cannot ${request.method} ${path}: there is no such path; ${hint}`;
    return sendProblem(reply, new GristmillError('NOT_FOUND', message));
  });
}

function matches(route: string, path: string): boolean {
  const [wanted, found] = [route.split('/'), path.replace(/\/$/, '').split('/')];
  return (
    wanted.length === found.length &&
    wanted.every((step, index) => step.startsWith(':') || step === found[index])
  );
}
