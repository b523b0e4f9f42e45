// The gateway's HTTP side.
// In: a Gateway. Out: a fastify server with routes, errors and OpenAPI from one set of schemas.
// Why no model runs here: health and readiness must answer while every child is busy, hanging or dead.
import swagger from '@fastify/swagger';
import fastify, { type FastifyInstance } from 'fastify';
import Type from 'typebox';
import { apiPage, type OpenApi } from '../common/docs/api.ts';
import { docsPolicy } from '../common/docs/html.ts';
import { GristmillError } from '../common/errors.ts';
import { LIMITS } from '../common/limits.ts';
import type { Log } from '../common/log.ts';
import type { Gateway } from './gateway.ts';
import { problemHandler, sendProblem } from './problem.ts';
import { addHealthRoutes } from './routes/health.ts';
import { addModelRoutes } from './routes/models.ts';
import { addPredictRoutes } from './routes/predict.ts';

const PROBLEM = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    code: Type.String(),
    detail: Type.String(),
    remedy: Type.String(),
    errors: Type.Optional(
      Type.Array(Type.Object({ pointer: Type.String(), detail: Type.String() })),
    ),
  },
  { description: 'RFC 9457 problem details' },
);

export async function makeServer(gateway: Gateway, log: Log): Promise<FastifyInstance> {
  const app = fastify({
    bodyLimit: LIMITS.bodyBytesMax,
    requestTimeout: 30_000, // a client that sends its body a byte a minute holds no connection
    forceCloseConnections: 'idle',
    return503OnClosing: false, // what has come in is answered
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false, useDefaults: false } },
  });
  app.removeContentTypeParser('text/plain');
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'gristmill gateway',
        version: '1',
        description: 'Predictions from raw rows, with the version that an alias names.',
      },
      tags: [
        { name: 'predictions', description: 'Raw columns in, one number a row out' },
        { name: 'models', description: 'What is served, and what each version takes' },
        { name: 'operations', description: 'Health and figures' },
      ],
    },
  });
  app.setErrorHandler(problemHandler(log));
  app.setNotFoundHandler((request, reply) =>
    sendProblem(
      reply,
      new GristmillError(
        'NOT_FOUND',
        `Cannot ${request.method} ${request.url.slice(0, 100)}: expected a path listed at /docs`,
      ),
    ),
  );
  app.addHook('onRequest', async (_request, reply) => {
    if (gateway.isDraining) reply.header('connection', 'close');
  });
  addPredictRoutes(app, gateway, PROBLEM);
  addModelRoutes(app, gateway);
  addHealthRoutes(app, gateway, PROBLEM);
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  app.get('/docs', { schema: { hide: true } }, async (_request, reply) => {
    const page = apiPage(app.swagger() as unknown as OpenApi, {
      address: 'GRISTMILL_GATEWAY',
      pages: [{ text: 'API', href: '/docs' }],
    });
    return reply
      .headers({ 'content-security-policy': docsPolicy, 'x-content-type-options': 'nosniff' })
      .type('text/html; charset=utf-8')
      .send(page);
  });
  app.get('/', { schema: { hide: true } }, async (_request, reply) => reply.redirect('/docs'));
  return app;
}

/** Listens, or says in our words why not. */
export async function listen(
  app: FastifyInstance,
  at: { host: string; port: number },
): Promise<string> {
  try {
    return await app.listen({ host: at.host, port: at.port });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    throw new GristmillError(
      'PORT_TAKEN',
      `Cannot listen on ${at.host}:${at.port}: the port is taken, expected a free one (GRISTMILL_PORT)`,
      { cause: error },
    );
  }
}
