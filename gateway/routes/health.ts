// Health, readiness and figures, answered by a process that never runs a model.
// In: nothing. Out: 200 while alive; 200 or 503 with a sentence; Prometheus text.
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { GristmillError } from '../../common/errors.ts';
import type { Gateway } from '../gateway.ts';
import { sendProblem } from '../problem.ts';

const STATUS = Type.Object({ status: Type.String(), detail: Type.String() });

export function addHealthRoutes(app: FastifyInstance, gateway: Gateway, problem: object): void {
  const tags = ['operations'];
  const live = { summary: 'The process is alive', tags, response: { 200: STATUS } };
  app.get('/healthz', { schema: live }, async () => ({ status: 'ok', detail: 'Alive' }));

  const ready = {
    summary: 'Some model answers',
    tags,
    response: { 200: STATUS, 503: problem },
  };
  app.get('/readyz', { schema: ready }, async (_request, reply) => {
    const { ready, detail } = gateway.readiness();
    if (ready) return { status: 'ready', detail };
    return sendProblem(reply, new GristmillError('NOT_READY', detail));
  });

  const metrics = { summary: 'Figures in the text form of Prometheus', tags };
  app.get('/metrics', { schema: metrics }, async (_request, reply) => {
    reply.type('text/plain; version=0.0.4; charset=utf-8');
    return gateway.renderMetrics();
  });
}
