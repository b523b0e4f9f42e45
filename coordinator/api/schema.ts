// Datasets over HTTP: what one looks like, before a job is written for it.
// In: a pattern, perhaps a label. Out: columns with figures, and a few rows.
// Why a GET that may take a while: it changes nothing, and who hangs up ends it.
import Type from 'typebox';
import { type Route, shared } from '../../common/http/route.ts';
import { LIMITS } from '../../common/limits.ts';
import type { ApiDeps } from './deps.ts';

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

export const schemaRoutes = ({
  surveyDataset,
}: Pick<ApiDeps, 'surveyDataset'>): readonly Route[] => [
  {
    name: 'dataset',
    method: 'GET',
    path: '/v1/schema',
    tag: 'datasets',
    summary: 'See what a dataset looks like',
    description: `Reads the footers, and has workers look at some ${LIMITS.surveyRowsMax / 1000},000 rows of each of ${LIMITS.surveyShards} shards, spread over it. Needs a live worker. Asked again, it answers from what was kept.`,
    query: Query,
    answers: { 200: shared('DatasetView') },
    handle: (request, _reply, left) => {
      const { uri, label } = request.query as { uri: string; label?: string };
      return surveyDataset({ uri, label: label ?? null, signal: left() });
    },
  },
];
