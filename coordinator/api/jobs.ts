// Jobs over HTTP: submit, list, see, follow, cancel.
// In: requests. Out: 202 once a job is durable; views; a stream of what happens.
// Why the body stays bytes: the job side digests and parses what was sent, not what a parser made of it.
// Flow: [job] → snapshot → plan → prepare → fit → train → evaluate → prove → publish → gate → predictions
import type { FastifyRequest } from 'fastify';
import Type from 'typebox';
import { GristmillError } from '../../common/errors.ts';
import { limitOf, limitParam, numberParam } from '../../common/http/page.ts';
import {
  bytesOf,
  idempotencyKey,
  keyHeaders,
  paramOf,
  pathOf,
  type Route,
  shared,
  text,
} from '../../common/http/route.ts';
import type { JobId } from '../../common/ids.ts';
import { jobSchemaJson } from '../../common/wire/job/job.ts';
import type { ApiDeps } from './deps.ts';
import { jobStream } from './events.ts';
import { JobPage } from './schemas.ts';

const jobPath = pathOf({ id: 'the job, as its Location says' });

export const jobRoutes = ({ jobs, clock }: Pick<ApiDeps, 'jobs' | 'clock'>): readonly Route[] => [
  {
    name: 'submitJob',
    method: 'POST',
    path: '/v1/jobs',
    tag: 'jobs',
    summary: 'Submit a job',
    description:
      'Answers once the job is durable. The same Idempotency-Key with the same body gives the first job again; with another body it is refused.',
    headers: keyHeaders,
    body: shared('Job'),
    answers: { 202: shared('JobView') },
    handle: async (request, reply) => {
      const { job, created } = await jobs.submit(bytesOf(request), idempotencyKey(request));
      if (!created) reply.header('idempotency-replayed', 'true');
      return reply
        .code(202)
        .header('location', `/v1/jobs/${job}`)
        .send(await jobs.view(job));
    },
  },

  {
    name: 'listJobs',
    method: 'GET',
    path: '/v1/jobs',
    tag: 'jobs',
    summary: 'List jobs, newest first',
    query: Type.Object(
      {
        before: numberParam('only jobs submitted before this one: "next" of the page before'),
        after: numberParam('only jobs submitted after this one: "previous" of the page before'),
        limit: limitParam('jobs'),
      },
      { additionalProperties: false },
    ),
    answers: { 200: JobPage },
    handle: async (request) => {
      const { before, after } = request.query as Readonly<Record<string, string>>;
      if (before !== undefined && after !== undefined) {
        const message = 'Cannot list jobs before one and after another, expected one of the two';
        throw new GristmillError('REQUEST_INVALID', message);
      }
      const page = await jobs.list({
        before: placeOf(before),
        after: placeOf(after),
        limit: limitOf(request, 'jobs'),
      });
      return { jobs: page.jobs, next: page.next ?? null, previous: page.previous ?? null };
    },
  },

  {
    name: 'job',
    method: 'GET',
    path: '/v1/jobs/{id}',
    tag: 'jobs',
    summary: 'See a job',
    description:
      'State, progress by stage with an estimate, fitted features, losses, metrics, proof, gate.',
    params: jobPath,
    answers: { 200: shared('JobView') },
    handle: (request) => jobs.view(jobOf(request)),
  },

  {
    name: 'cancelJob',
    method: 'POST',
    path: '/v1/jobs/{id}/cancel',
    tag: 'jobs',
    summary: 'Cancel a job',
    description: 'What it has computed stays, and is used again by whoever asks for the same.',
    params: jobPath,
    answers: { 202: shared('JobView') },
    handle: async (request, reply) => reply.code(202).send(await jobs.cancel(jobOf(request))),
  },

  {
    name: 'repinJob',
    method: 'POST',
    path: '/v1/jobs/{id}/repin',
    tag: 'jobs',
    summary: 'Let a job go on under the numerics that live workers have',
    description:
      'For a job that waits for numerics that nobody has any more, after an upgrade (waitingFor.code OTHER_NUMERICS): it is planned again from its snapshot, so from the same rows. What it had computed under the others is not used. Any other job is refused (409).',
    params: jobPath,
    answers: { 202: shared('JobView') },
    handle: async (request, reply) => reply.code(202).send(await jobs.repin(jobOf(request))),
  },

  {
    name: 'jobEvents',
    method: 'GET',
    path: '/v1/jobs/{id}/events',
    tag: 'jobs',
    summary: 'Follow a job (server-sent events)',
    description:
      '"fact": an entry of the job\'s journal, its number as id. "view": the whole JobView, once at first and once at the end. "change": what has changed since, at most five times a second: {"set": {field: new value}, "append": {field: [what a list has more at its end]}}; fields that it does not name are as they were. Ends when the job has ended. With Last-Event-ID it goes on behind that fact.',
    params: jobPath,
    headers: Type.Object({ 'last-event-id': numberParam('number of the last fact seen') }),
    answers: { 200: text('text/event-stream', 'facts and views') },
    isEndless: true,
    handle: async (request, reply, left) => {
      const job = jobOf(request);
      await jobs.view(job); // 404 as a problem, before the stream begins
      const signal = left();
      const after = Number(request.headers['last-event-id'] ?? 0);
      reply.headers({ 'cache-control': 'no-cache', 'x-accel-buffering': 'no' });
      reply.type('text/event-stream; charset=utf-8');
      return reply.send(jobStream(jobs.events(job, { after, signal }), { clock, signal }));
    },
  },

  {
    name: 'jobSchema',
    method: 'GET',
    path: '/schemas/job.v1.json',
    tag: 'jobs',
    summary: 'The JSON schema of a job, for editors and checks',
    answers: { 200: Type.Object({}) },
    handle: (_request, reply) => reply.type('application/schema+json').send(jobSchemaJson()),
  },
];

const placeOf = (n: string | undefined): number | undefined =>
  n === undefined ? undefined : Number(n);

const jobOf = (request: FastifyRequest): JobId => paramOf(request, 'id') as JobId;
