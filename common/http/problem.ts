// Every error as RFC 9457 problem details.
// In: whatever a handler or fastify threw. Out: a status and a JSON body; stacks stay in the log.
// Why here: fastify's own errors are put into our words in this one place, for every service.
import type { Socket } from 'node:net';
import type { ConnectionError, FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { CODES, type FieldError, GristmillError, isRetryable, toProblem } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import type { Log } from '../log.ts';

/** Seconds after which a request that may be sent again, may be. */
const RETRY_AFTER = 1;

export const Problem = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String({ description: 'one of the codes below; never reused for another meaning' }),
    detail: Type.String({
      description: 'what was attempted, with which value, and what was expected',
    }),
    remedy: Type.String({ description: 'what to do' }),
    errors: Type.Optional(
      Type.Array(
        Type.Object({
          pointer: Type.String({ description: 'JSON pointer of the wrong field' }),
          detail: Type.String(),
        }),
      ),
    ),
    evidence: Type.Optional(Type.Unknown({ description: 'GATE_REFUSED: the figures' })),
    requestId: Type.Optional(Type.String({ description: 'INTERNAL: to be found in the log' })),
  },
  { title: 'Problem', description: 'RFC 9457 problem details' },
);

/** `extra` adds members to the problem, or another `status`. */
export function sendProblem(
  reply: FastifyReply,
  error: unknown,
  extra: Readonly<Record<string, unknown>> & { readonly status?: number } = {},
): FastifyReply {
  const problem = { ...toProblem(error), ...extra };
  if (isRetryable(error)) reply.header('retry-after', RETRY_AFTER);
  return reply.code(problem.status).type('application/problem+json').send(problem);
}

export function problemHandler(log: Log) {
  return (error: FastifyError | Error, request: FastifyRequest, reply: FastifyReply): void => {
    const known = inOurWords(error);
    const { method, url, id } = request;
    const at = { method, url, request: id };
    if (known instanceof GristmillError && known.code !== 'INTERNAL') {
      // what passes by itself is in /metrics: a line a request would fill the log
      const { retry, status } = CODES[known.code];
      if (status >= 500 && !retry) log.error('request failed', { ...at, error: known });
      sendProblem(reply, known);
      return;
    }
    log.error('request failed', { ...at, error, stack: error.stack });
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
    `its headers are too large, expected at most ${LIMITS.headerBytesMax / 1024} KiB`,
  ],
  ERR_HTTP_REQUEST_TIMEOUT: [
    408,
    'Request Timeout',
    `it did not arrive within ${LIMITS.requestTimeoutMs / 1000} s`,
  ],
};

/** What explainSchema() found, as one error. `part` is what is wrong where no field is named. */
export function invalidRequest(errors: readonly FieldError[], part = 'the body'): GristmillError {
  const [first] = errors;
  const where = first?.pointer.slice(1) || part;
  const message = `Cannot use the request: ${where} ${first?.detail ?? 'is wrong'}`;
  return new GristmillError('REQUEST_INVALID', message, { errors });
}

export const unsupportedMedia = (why: string): GristmillError =>
  new GristmillError('UNSUPPORTED_MEDIA', `Cannot read the body: ${why}`);

function inOurWords(error: FastifyError | Error): Error {
  if (error instanceof GristmillError) return error;
  const { code, statusCode, message } = error as FastifyError;
  const say = FASTIFY_ERRORS[code];
  if (say) return say();
  if (statusCode === undefined || statusCode >= 500) return error;
  return new GristmillError('REQUEST_INVALID', `Cannot read the request: ${message}`);
}

const FASTIFY_ERRORS: Readonly<Record<string, () => GristmillError>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: () =>
    new GristmillError(
      'BODY_TOO_LARGE',
      `Cannot read the body: it is too large, expected at most ${LIMITS.bodyBytesMax} bytes`,
    ),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: () =>
    unsupportedMedia('its content-type is another one, expected application/json'),
  FST_ERR_CTP_EMPTY_JSON_BODY: () =>
    new GristmillError('BAD_JSON', 'Cannot read the body: it is empty, expected JSON'),
  FST_ERR_CTP_INVALID_JSON_BODY: () =>
    new GristmillError('BAD_JSON', 'Cannot read the body: it is no JSON'),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: () =>
    new GristmillError(
      'REQUEST_INVALID',
      'Cannot read the body: it has another length than Content-Length says',
    ),
  FST_ERR_BAD_URL: () =>
    new GristmillError('REQUEST_INVALID', 'Cannot read the path: a "%" in it begins no escape'),
  FST_ERR_MAX_PARAM_LENGTH: () =>
    new GristmillError(
      'BAD_NAME',
      `Cannot read the path: a name in it is longer than ${LIMITS.paramLengthMax} characters`,
    ),
};
