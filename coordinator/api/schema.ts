// Datasets over HTTP: what one looks like, before a job is written for it.
// In: a pattern, perhaps a label. Out: columns with figures, and a few rows.
// Why a GET that may take a while: it changes nothing, and who hangs up ends it.
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { GristmillError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import type { ApiDeps } from './deps.ts';
import { describe, ref } from './routes.ts';

const Query = Type.Object(
  {
    uri: Type.String({
      minLength: 1,
      maxLength: 1024,
      description: 'the dataset, as in a job: "flights/**/*.parquet", relative to the lake',
    }),
    label: Type.Optional(
      Type.String({
        minLength: 1,
        maxLength: LIMITS.expressionBytesMax,
        description: 'a label, as in a job: "delay > 15"; checked, and told how it behaves',
      }),
    ),
  },
  { additionalProperties: false },
);

export function addSchemaRoutes(
  app: FastifyInstance,
  { surveyDataset }: ApiDeps,
  closing: AbortSignal,
): void {
  app.get(
    '/v1/schema',
    {
      schema: describe({
        tag: 'datasets',
        summary: 'See what a dataset looks like',
        description: `Reads the footers, and has workers look at some ${LIMITS.surveyRowsMax / 1000},000 rows of each of ${LIMITS.surveyShards} shards, spread over it. Needs a live worker. Asked again, it answers from what was kept.`,
        query: Query,
        answers: { 200: ref('DatasetView') },
      }),
    },
    async (request, reply) => {
      const { uri, label } = request.query as { uri: string; label?: string };
      const left = new AbortController();
      const leave = (): void => left.abort(gone('the client has hung up'));
      const stop = (): void => left.abort(gone('the coordinator stops'));
      reply.raw.once('close', leave);
      closing.addEventListener('abort', stop, { once: true });
      try {
        if (closing.aborted) stop();
        return await surveyDataset({ uri, label: label ?? null, signal: left.signal });
      } finally {
        reply.raw.off('close', leave);
        closing.removeEventListener('abort', stop);
      }
    },
  );
}

const gone = (why: string): GristmillError =>
  new GristmillError('NOT_WORKING', `Cannot look into the dataset: ${why}`);
