// The coordinator's HTTP side: routes, limits and errors around what others decide.
// In: jobs, registry, workers. Out: a fastify server; every error RFC 9457, OpenAPI from the schemas that validate.
// Why bodies arrive as bytes: strict JSON refuses what JSON.parse would silently lose.
import { randomUUID } from 'node:crypto';
import swagger from '@fastify/swagger';
import fastify, { type FastifyInstance } from 'fastify';
import type { Clock } from '../../common/clock.ts';
import { GristmillError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import { explainSchema } from '../../common/wire/explain.ts';
import type { ApiDeps } from './deps.ts';
import { addJobRoutes } from './jobs.ts';
import { addMetaRoutes } from './meta.ts';
import { Meters } from './meters.ts';
import { addModelRoutes } from './models.ts';
import { answerClientError, answerNotFound, invalidRequest, problemHandler } from './problem.ts';
import { addSchemaRoutes } from './schema.ts';
import { SHARED } from './schemas.ts';
import { addTriggerRoutes } from './triggers.ts';
import { addWorkerRoutes } from './workers.ts';

export async function buildServer(deps: ApiDeps): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: LIMITS.bodyBytesMax,
    requestTimeout: LIMITS.requestTimeoutMs,
    http: {
      headersTimeout: LIMITS.headersTimeoutMs,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 16 * 1024,
    },
    genReqId: () => randomUUID(),
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 100 },
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, request, reply) => problemHandler(deps.log)(error, request, reply),
  });
  app.server.maxConnections = LIMITS.connectionsMax;
  takeBodiesAsBytes(app);
  app.setValidatorCompiler(({ schema, httpPart }) => (data: unknown) => {
    if (httpPart === 'body') return { value: data }; // bytes: the handler parses and explains them
    const errors = explainSchema(schema as object, data);
    return errors.length === 0 ? { value: data } : { error: invalidRequest(errors) };
  });
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setErrorHandler(problemHandler(deps.log));
  app.addHook('onRequest', async (request, reply) => {
    reply.headers({ 'x-content-type-options': 'nosniff', 'x-request-id': request.id });
  });
  const meters = new Meters(deps.clock);
  meters.watch(app);
  answerNotFound(app);
  const closing = drainOnClose(app, deps.clock);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'gristmill coordinator',
        version: '1',
        description:
          'Submit jobs that grind Parquet into served models; see what they do; decide what is served.',
      },
      tags: [
        { name: 'jobs', description: 'One JSON job from Parquet to a published version' },
        { name: 'datasets', description: 'What there is to write a job for' },
        {
          name: 'triggers',
          description: 'What submits jobs by itself, on a cron schedule or when called',
        },
        { name: 'models', description: 'Versions, gates and aliases' },
        { name: 'operations', description: 'Workers, health and figures' },
      ],
    },
    refResolver: {
      buildLocalReference: (json, _base, _fragment, i) => String(json.$id ?? `def-${i}`),
    },
  });
  for (const [$id, schema] of Object.entries(SHARED)) app.addSchema({ ...schema, $id });
  await app.register(async (scope) => {
    addJobRoutes(scope, deps, closing);
    addSchemaRoutes(scope, deps, closing);
    addTriggerRoutes(scope, deps);
    addModelRoutes(scope, deps);
    addWorkerRoutes(scope, deps);
    addMetaRoutes(scope, deps, meters);
  });
  return app;
}

/**
 * Answers what has come in, then closes every socket. Node by itself waits for sockets on which a browser has
 * connected and asked nothing yet. The signal ends what would go on for ever: streams.
 */
function drainOnClose(app: FastifyInstance, clock: Clock): AbortSignal {
  const closing = new AbortController();
  const open = new Set<string>();
  app.addHook('onRequest', async (request) => void open.add(request.id));
  app.addHook('onResponse', async (request) => void open.delete(request.id));
  app.addHook('onRequestAbort', async (request) => void open.delete(request.id));
  app.addHook('preClose', async () => {
    closing.abort();
    const endMs = clock.monotonicMs() + LIMITS.drainMs;
    while (open.size > 0 && clock.monotonicMs() < endMs) await clock.sleep(5);
    app.server.closeAllConnections();
  });
  return closing.signal;
}

/** One parser: JSON as bytes. Whatever else comes is UNSUPPORTED_MEDIA. */
function takeBodiesAsBytes(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  );
}

/** Listens, or says in our words why not. The answer is the address. */
export async function listen(
  app: FastifyInstance,
  at: { readonly host: string; readonly port: number },
): Promise<string> {
  try {
    return await app.listen({ host: at.host, port: at.port });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const where = `${at.host}:${at.port}`;
    if (code === 'EADDRINUSE') {
      const message = `Cannot listen on ${where}: the port is taken, expected a free one (GRISTMILL_PORT)`;
      throw new GristmillError('PORT_TAKEN', message, { cause });
    }
    if (code === 'EACCES' || code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
      const message = `Cannot listen on ${where}: ${code}, expected an address of this machine and a port above 1023`;
      throw new GristmillError('CONFIG_INVALID', message, { cause });
    }
    throw cause;
  }
}
