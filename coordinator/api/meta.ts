// What the service says about itself: schema, health, figures, documentation.
// In: probes, scrapers, readers. Out: JSON, Prometheus text, OpenAPI 3.1, one page of HTML.
// Why /healthz asks nobody: a store that is away is a reason to wait, not to be restarted.
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import type { OpenApi } from '../../common/docs/api.ts';
import { docsPolicy } from '../../common/docs/html.ts';
import { GristmillError, toWireError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import { jobSchemaJson } from '../../common/wire/job/job.ts';
import type { ApiDeps, Sample } from './deps.ts';
import { apiDocs, jobDocs } from './docs.ts';
import type { Meters } from './meters.ts';
import { describe } from './routes.ts';
import { Health } from './schemas.ts';

const text = (description: string) => Type.String({ description });

export function addMetaRoutes(app: FastifyInstance, deps: ApiDeps, meters: Meters): void {
  app.get(
    '/healthz',
    {
      schema: describe({
        tag: 'operations',
        summary: 'Is the process alive?',
        answers: { 200: Health },
      }),
    },
    async () => ({ status: 'ok' }),
  );

  app.get(
    '/readyz',
    {
      schema: describe({
        tag: 'operations',
        summary: 'Can it work? Asks the store and the queue',
        answers: { 200: Health },
      }),
    },
    async () => {
      await checkReady(deps);
      return { status: 'ok' };
    },
  );

  app.get(
    '/metrics',
    {
      schema: describe({
        tag: 'operations',
        summary: 'Figures for Prometheus',
        answers: { 200: text('Prometheus text format') },
      }),
    },
    async (_request, reply) => {
      const samples = [...workerSamples(deps), ...processSamples(), ...(deps.samples?.() ?? [])];
      reply.type('text/plain; version=0.0.4; charset=utf-8');
      return reply.serializer((page: string) => page).send(meters.render(samples));
    },
  );

  app.get(
    '/schemas/job.v1.json',
    {
      schema: describe({
        tag: 'jobs',
        summary: 'The JSON schema of a job, for editors and checks',
        answers: { 200: Type.Object({}) },
      }),
    },
    async (_request, reply) => reply.type('application/schema+json').send(jobSchemaJson()),
  );

  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
  const pages = {
    '/docs': () => apiDocs(app.swagger() as unknown as OpenApi),
    '/docs/job': jobDocs,
  };
  for (const [path, page] of Object.entries(pages)) {
    app.get(path, { schema: { hide: true } }, async (_request, reply) => {
      reply.headers({ 'content-security-policy': docsPolicy }).type('text/html; charset=utf-8');
      return reply.serializer((text: string) => text).send(page());
    });
  }
  app.get('/', { schema: { hide: true } }, async (_request, reply) => reply.redirect('/docs'));
}

async function checkReady({ registry: { store }, queue, clock }: ApiDeps): Promise<void> {
  if (!queue.isConnected()) {
    const message = `Cannot work: the queue at ${queue.uri} does not answer`;
    throw new GristmillError('QUEUE_UNAVAILABLE', message);
  }
  const stop = new AbortController();
  const late = clock.sleep(LIMITS.readyTimeoutMs, stop.signal).then(() => {
    if (!stop.signal.aborted) throw new Error(`no answer within ${LIMITS.readyTimeoutMs} ms`);
  });
  try {
    await Promise.race([store.head('jobs/index/000000000001.json'), late]);
  } catch (cause) {
    const message = `Cannot work: the store at ${store.uri} does not answer: ${toWireError(cause).message}`;
    throw new GristmillError('STORE_UNAVAILABLE', message, { cause });
  } finally {
    stop.abort();
  }
}

function workerSamples({ workers }: ApiDeps): Sample[] {
  const live = workers.live();
  const sum = (of: (heartbeat: (typeof live)[number]) => number): number =>
    live.reduce((total, heartbeat) => total + of(heartbeat), 0);
  const gauge = (name: Sample['name'], help: string, value: number): Sample => ({
    name,
    help,
    type: 'gauge',
    value,
  });
  return [
    gauge('gristmill_workers', 'Workers whose heartbeat is fresh', live.length),
    gauge(
      'gristmill_worker_threads',
      'Threads of live workers',
      sum(({ threads }) => threads),
    ),
    gauge(
      'gristmill_worker_threads_free',
      'Threads without a task',
      sum((w) => w.threadsFree),
    ),
    gauge(
      'gristmill_tasks_running',
      'Tasks that workers claim',
      sum(({ tasks }) => tasks.length),
    ),
  ];
}

function processSamples(): Sample[] {
  const { user, system } = process.cpuUsage();
  return [
    {
      name: 'gristmill_build_info',
      help: 'Always 1; the labels say what runs',
      type: 'gauge',
      labels: { role: 'coordinator', node: process.versions.node },
      value: 1,
    },
    {
      name: 'process_cpu_seconds_total',
      help: 'CPU seconds, user and system',
      type: 'counter',
      value: (user + system) / 1e6,
    },
    {
      name: 'process_resident_memory_bytes',
      help: 'Resident memory',
      type: 'gauge',
      value: process.memoryUsage.rss(),
    },
  ];
}
