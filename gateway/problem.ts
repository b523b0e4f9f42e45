// Every error as RFC 9457 problem details. In: whatever a handler threw. Out: a status and a JSON body.
// Why here: fastify's own errors are translated in this one place; stacks stay in the log.
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { type FieldError, GristmillError, isRetryable, toProblem } from '../common/errors.ts';
import { LIMITS } from '../common/limits.ts';
import type { Log } from '../common/log.ts';

export function sendProblem(reply: FastifyReply, error: unknown): FastifyReply {
  const problem = toProblem(error);
  if (isRetryable(error)) reply.header('retry-after', 1);
  return reply.status(problem.status).type('application/problem+json').send(problem);
}

export function problemHandler(log: Log) {
  return (error: FastifyError, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const known = translate(error);
    if (toProblem(known).status >= 500 && !isRetryable(known)) {
      // what passes by itself is in /metrics; a line a request would fill the log
      log.error('request failed', { method: request.method, url: request.url, error });
    }
    return sendProblem(reply, known);
  };
}

/** What fastify found wrong, in our words; our own errors as they are. */
function translate(error: FastifyError): unknown {
  if (error instanceof GristmillError) return error;
  if (error.validation) return invalidRequest(error);
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new GristmillError(
        'BODY_TOO_LARGE',
        `Cannot read the body: expected at most ${LIMITS.bodyBytesMax} bytes`,
      );
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
      return new GristmillError(
        'UNSUPPORTED_MEDIA',
        'Cannot read the body: expected content-type application/json',
      );
    default:
      if (error.statusCode !== 400) return error;
      return new GristmillError('BAD_JSON', `Cannot read the body: ${error.message}`);
  }
}

function invalidRequest(error: FastifyError): GristmillError {
  const errors: FieldError[] = (error.validation ?? []).map(({ instancePath, message, params }) => {
    const name = (params as { additionalProperty?: string }).additionalProperty;
    const detail = name === undefined ? `${message}` : `unknown field ${JSON.stringify(name)}`;
    return { pointer: instancePath, detail };
  });
  const [first] = errors;
  return new GristmillError(
    'REQUEST_INVALID',
    `Cannot use the ${error.validationContext ?? 'request'}: ${first?.pointer ?? ''} ${first?.detail ?? error.message}`.replace(
      ':  ',
      ': it ',
    ),
    { errors },
  );
}
