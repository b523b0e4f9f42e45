// The gateway's HTTP side: its routes and pages on the common service.
// In: a Gateway. Out: a server that is ready to listen, errors and OpenAPI from one set of schemas.
// Why no model runs here: health and readiness must answer while every child is busy, hanging or dead.
import type { FastifyInstance } from 'fastify';
import type { Clock } from '../common/clock.ts';
import { apiPage } from '../common/docs/api.ts';
import { makeService } from '../common/http/service.ts';
import { LIMITS } from '../common/limits.ts';
import type { Log } from '../common/log.ts';
import type { Gateway } from './gateway.ts';
import { modelRoutes } from './routes/models.ts';
import { predictRoutes } from './routes/predict.ts';

const ABOUT = {
  title: 'gristmill gateway',
  description: 'Predictions from raw rows, with the version that an alias names.',
  tags: [
    { name: 'predictions', description: 'Raw columns in, one number a row out' },
    { name: 'models', description: 'What is served, and what each version takes' },
    { name: 'operations', description: 'Health and figures' },
  ],
};
const PAGES = [{ text: 'API', href: '/docs' }];

export const makeServer = (
  gateway: Gateway,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): Promise<FastifyInstance> =>
  makeService({
    routes: [...predictRoutes(gateway), ...modelRoutes(gateway)],
    docs: {
      about: ABOUT,
      pages: { '/docs': (api) => apiPage(api, { address: 'GRISTMILL_GATEWAY', pages: PAGES }) },
    },
    probes: { ready: () => gateway.checkReady() },
    metrics: gateway.metrics.service,
    bodies: 'json',
    connectionsMax: LIMITS.gatewayConnectionsMax,
    drainMs: LIMITS.drainGraceMs,
    isDraining: () => gateway.isDraining,
    clock,
    log,
  });
