// What every service says about itself: alive, ready, figures, documentation.
// In: how to find out. Out: routes. Why /healthz asks nobody else: a store that is away is a reason to wait, not to be restarted.
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import type { OpenApi } from '../docs/api.ts';
import { docsPolicy } from '../docs/html.ts';
import type { Metrics } from './metrics.ts';
import { sendProblem } from './problem.ts';
import { type Route, text } from './route.ts';

export type Probes = {
  /** Throws where the process should be started anew. */
  alive?(): string;
  /** A sentence about what it does; throws why it cannot work. */
  ready(): string | Promise<string>;
};

/** Pages of documentation by path; `/docs` is the first. */
export type Pages = Readonly<Record<string, (api: OpenApi) => string>>;

const status = (value: string) =>
  Type.Object({
    status: Type.Literal(value),
    detail: Type.String({ description: 'a sentence for people' }),
  });

export const probeRoutes = ({ alive, ready }: Probes, metrics: Metrics): readonly Route[] => [
  {
    name: 'health',
    method: 'GET',
    path: '/healthz',
    tag: 'operations',
    summary: 'Is the process alive?',
    answers: { 200: status('ok') },
    handle: (_request, reply) =>
      reply.send({ status: 'ok', detail: alive === undefined ? 'Alive' : alive() }),
  },
  {
    name: 'readiness',
    method: 'GET',
    path: '/readyz',
    tag: 'operations',
    summary: 'Can it work? 503 where it cannot, with the reason',
    answers: { 200: status('ready') },
    handle: async (_request, reply) => {
      try {
        return { status: 'ready', detail: await ready() };
      } catch (error) {
        return sendProblem(reply, error, { status: 503 });
      }
    },
  },
  {
    name: 'metrics',
    method: 'GET',
    path: '/metrics',
    tag: 'operations',
    summary: 'Figures for Prometheus',
    answers: { 200: text('text/plain', "Prometheus' text format") },
    handle: async (_request, reply) => reply.type(metrics.type).send(await metrics.page()),
  },
];

export function addPages(app: FastifyInstance, pages: Pages): void {
  const hidden = { schema: { hide: true } };
  const api = (): OpenApi => app.swagger() as unknown as OpenApi;
  app.get('/openapi.json', hidden, async () => api());
  for (const [path, page] of Object.entries(pages)) {
    app.get(path, hidden, async (_request, reply) => {
      reply.headers({ 'content-security-policy': docsPolicy }).type('text/html; charset=utf-8');
      return reply.send(page(api()));
    });
  }
  app.get('/', hidden, async (_request, reply) => reply.redirect('/docs'));
}
