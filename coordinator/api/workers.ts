// Workers over HTTP: who is alive, what they hold and do.
// In: heartbeats. Out: a list. Why no more: a worker is joined by starting it and leaves by stopping it.
import type { FastifyInstance } from 'fastify';
import type { ApiDeps } from './deps.ts';
import { describe } from './routes.ts';
import { WorkerList } from './schemas.ts';

export function addWorkerRoutes(app: FastifyInstance, { workers }: ApiDeps): void {
  app.get(
    '/v1/workers',
    {
      schema: describe({
        tag: 'operations',
        summary: 'List live workers',
        description: 'Those whose heartbeat was heard within the last seconds.',
        answers: { 200: WorkerList },
      }),
    },
    async () => ({
      workers: workers.live().map((heartbeat) => ({
        ...heartbeat,
        runs: heartbeat.runs.map(({ run, generation, round, lanesLoaded, phase }) => ({
          run,
          generation,
          round,
          lanesLoaded,
          phase,
        })),
      })),
    }),
  );
}
