// The coordinator's HTTP side: its routes, pages and figures on the common service.
// In: jobs, triggers, registry, workers. Out: a server that is ready to listen.
// Why bodies arrive as bytes: strict JSON refuses what JSON.parse would silently lose, and jobs are digested as they came.
import type { FastifyInstance } from 'fastify';
import { Metrics } from '../../common/http/metrics.ts';
import { makeService } from '../../common/http/service.ts';
import { LIMITS } from '../../common/limits.ts';
import type { ApiDeps } from './deps.ts';
import { apiDocs, jobDocs } from './docs.ts';
import { coordinatorSamples } from './figures.ts';
import { jobRoutes } from './jobs.ts';
import { modelRoutes } from './models.ts';
import { checkReady } from './ready.ts';
import { schemaRoutes } from './schema.ts';
import { SHARED } from './schemas.ts';
import { triggerRoutes } from './triggers.ts';
import { workerRoutes } from './workers.ts';

const ABOUT = {
  title: 'gristmill coordinator',
  description:
    'Submit jobs that grind Parquet into served models; see what they do; decide what is served.',
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
};

export function buildServer(deps: ApiDeps): Promise<FastifyInstance> {
  const metrics = new Metrics('coordinator');
  metrics.read(() => coordinatorSamples(deps));
  if (deps.samples) metrics.read(deps.samples);
  return makeService({
    routes: [
      ...jobRoutes(deps),
      ...schemaRoutes(deps),
      ...triggerRoutes(deps),
      ...modelRoutes(deps),
      ...workerRoutes(deps),
    ],
    schemas: SHARED,
    docs: { about: ABOUT, pages: { '/docs': apiDocs, '/docs/job': jobDocs } },
    probes: { ready: () => checkReady(deps) },
    metrics,
    bodies: 'bytes',
    connectionsMax: LIMITS.connectionsMax,
    clock: deps.clock,
    log: deps.log,
  });
}
