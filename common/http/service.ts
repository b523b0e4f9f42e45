// An HTTP service: limits, request ids, problems, figures and documentation around routes that others write.
// In: routes as data, probes, pages. Out: a fastify server that is ready to listen.
// Why one for all: coordinator, gateway and worker refuse, time out, count and close in the same way and the same words.
//
//   request ─ sizes, times, connections ─ id ─ encoding ─ body ─ schema in words ─ handle ─► answer │ problem
import { randomUUID } from 'node:crypto';
import swagger from '@fastify/swagger';
import fastify, { type FastifyInstance, type FastifyReply } from 'fastify';
import type { TSchema } from 'typebox';
import type { Clock } from '../clock.ts';
import { GristmillError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import type { Log } from '../log.ts';
import { explainSchema } from '../wire/explain.ts';
import { parseStrictJson } from '../wire/json.ts';
import { drainOnClose } from './listen.ts';
import { type Metrics, watchRequests } from './metrics.ts';
import { addPages, type Pages, type Probes, probeRoutes } from './own-routes.ts';
import { answerOther, type Known } from './paths.ts';
import {
  answerClientError,
  invalidRequest,
  Problem,
  problemHandler,
  unsupportedMedia,
} from './problem.ts';
import { fastifyPath, type Left, type Route, schemaOf } from './route.ts';

export type About = {
  readonly title: string;
  readonly description: string;
  readonly tags: readonly { readonly name: string; readonly description: string }[];
};

export type ServiceOptions = {
  readonly routes: readonly Route[];
  readonly probes: Probes;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly log: Log;
  /** bytes: handlers read them strictly; json: parsed and checked before the handler, for small and frequent bodies. */
  readonly bodies: 'bytes' | 'json';
  readonly connectionsMax: number;
  readonly drainMs?: number;
  /** Schemas that routes name by shared(). */
  readonly schemas?: Readonly<Record<string, TSchema>>;
  /** Without it there is no /docs. */
  readonly docs?: { readonly about: About; readonly pages: Pages };
  /** true: every answer asks its client to connect anew, elsewhere. */
  isDraining?(): boolean;
};

export async function makeService(options: ServiceOptions): Promise<FastifyInstance> {
  const { probes, metrics, clock, log, docs } = options;
  const app = fastify({
    bodyLimit: LIMITS.bodyBytesMax,
    requestTimeout: LIMITS.requestTimeoutMs,
    http: {
      headersTimeout: LIMITS.headersTimeoutMs,
      connectionsCheckingInterval: 1_000, // or slow headers are noticed up to 30 s late
      maxHeaderSize: LIMITS.headerBytesMax,
    },
    genReqId: () => randomUUID(),
    exposeHeadRoutes: true,
    forceCloseConnections: 'idle',
    return503OnClosing: false, // what has come in is answered
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: LIMITS.paramLengthMax },
    clientErrorHandler: answerClientError,
    frameworkErrors: (error, request, reply) => problemHandler(log)(error, request, reply),
  });
  app.server.maxConnections = options.connectionsMax;
  takeJsonAlone(app, options.bodies);
  explainWhatIsWrong(app, options.bodies);
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.setErrorHandler(problemHandler(log));
  app.addHook('onRequest', (request, reply, done) => {
    reply.headers({ 'x-content-type-options': 'nosniff', 'x-request-id': request.id });
    if (options.isDraining?.()) reply.header('connection', 'close');
    done();
  });
  const closing = drainOnClose(app, { clock, drainMs: options.drainMs ?? LIMITS.drainMs });
  if (docs) await app.register(swagger, openApiOf(docs.about));
  const schemas = { Problem, ...options.schemas };
  for (const [$id, schema] of Object.entries(schemas)) app.addSchema({ ...schema, $id });
  const routes = [...options.routes, ...probeRoutes(probes, metrics)];
  const known = knownOf(routes, docs?.pages);
  const paths = new Map(routes.map(({ path }) => [fastifyPath(path), path]));
  watchRequests(app, metrics, {
    clock,
    pathOf: (pattern = 'unknown') => paths.get(pattern) ?? pattern,
  });
  app.setNotFoundHandler((request, reply) => answerOther(known, request, reply));
  await app.register(async (scope) => {
    for (const route of routes) addRoute(scope, route, closing);
    if (docs) addPages(scope, docs.pages);
  });
  return app;
}

function addRoute(app: FastifyInstance, route: Route, closing: AbortSignal): void {
  app.route({
    method: route.method,
    url: fastifyPath(route.path),
    schema: schemaOf(route),
    exposeHeadRoute: !route.isEndless,
    handler: (request, reply) => route.handle(request, reply, leftOf(reply, closing)),
  });
}

/** Made when it is asked for: most requests are answered before anybody could leave. */
function leftOf(reply: FastifyReply, closing: AbortSignal): Left {
  return () => {
    const left = new AbortController();
    const why = new GristmillError('NOT_WORKING', 'Cannot go on: the client has hung up');
    reply.raw.once('close', () => left.abort(why));
    return AbortSignal.any([left.signal, closing]);
  };
}

function takeJsonAlone(app: FastifyInstance, bodies: ServiceOptions['bodies']): void {
  app.removeAllContentTypeParsers();
  if (bodies === 'bytes') {
    app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (_request, body, done) =>
      done(null, body),
    );
  } else {
    const parse = app.getDefaultJsonParser('error', 'error');
    app.addContentTypeParser<string>(
      'application/json',
      { parseAs: 'string' },
      (request, body, done) =>
        parse(request, body, (error, value) => done(error && whyNoJson(body, error), value)),
    );
  }
  app.addHook('onRequest', (request, reply, done) => {
    const encoding = request.headers['content-encoding'];
    if (encoding === undefined || encoding === 'identity') return done();
    reply.header('accept-encoding', 'identity');
    done(unsupportedMedia(`its content-encoding is ${encoding.slice(0, 40)}, expected none`));
  });
}

/** JSON.parse is fast and strict JSON has words: the second reads what the first could not. */
function whyNoJson(body: string, error: Error): Error {
  if (body === '') return error;
  try {
    parseStrictJson(new TextEncoder().encode(body), 'the body');
    return error;
  } catch (better) {
    return better as Error;
  }
}

const PARTS: Readonly<Record<string, string>> = {
  body: 'the body',
  querystring: 'the query',
  params: 'the path',
  headers: 'a header',
};

function explainWhatIsWrong(app: FastifyInstance, bodies: ServiceOptions['bodies']): void {
  app.setValidatorCompiler(({ schema, httpPart = '' }) => (data: unknown) => {
    if (httpPart === 'body' && bodies === 'bytes') return { value: data }; // the handler parses and explains
    const errors = explainSchema(schema as object, data);
    return errors.length === 0
      ? { value: data }
      : { error: invalidRequest(errors, PARTS[httpPart] ?? 'a parameter') };
  });
}

const openApiOf = ({ title, description, tags }: About) => ({
  openapi: {
    openapi: '3.1.0' as const,
    info: { title, version: '1', description },
    tags: [...tags],
  },
  refResolver: {
    buildLocalReference: (json: { $id?: unknown }, _base: unknown, _fragment: unknown, i: number) =>
      String(json.$id ?? `def-${i}`),
  },
});

/** Each path once, with its methods. */
function knownOf(routes: readonly Route[], pages: Pages | undefined): readonly Known[] {
  const methods = new Map<string, string[]>();
  for (const { path, method, isEndless } of routes) {
    const own = method === 'GET' && !isEndless ? ['GET', 'HEAD'] : [method];
    methods.set(path, [...(methods.get(path) ?? []), ...own]);
  }
  const read = pages ? ['/', '/openapi.json', ...Object.keys(pages)] : [];
  for (const path of read) methods.set(path, ['GET', 'HEAD']);
  return [...methods].map(([path, own]) => ({ path, methods: own }));
}
