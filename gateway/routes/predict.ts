// Predictions over HTTP. In: {"instances": [{…}]}, raw rows. Out: {"predictions": […], "model": …, "version": n}.
// Why three paths: an alias moves under its callers, a version never does, and most callers want the champion.
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { LIMITS } from '../../common/limits.ts';
import type { Gateway, Target } from '../gateway.ts';

type Body = { readonly instances: readonly unknown[] };
type Params = { readonly name: string; readonly version?: string; readonly alias?: string };

const BODY = Type.Object(
  {
    instances: Type.Array(
      Type.Object({}, { additionalProperties: true, description: 'A row: raw column → value' }),
      {
        minItems: 1,
        maxItems: LIMITS.predictRowsMax,
        description: `rows, up to ${LIMITS.predictRowsMax}: raw column → value, times as ISO 8601`,
      },
    ),
  },
  {
    additionalProperties: false,
    examples: [{ instances: [{ date: '2001-06-01T08:30:00Z', distance: 733, origin: 'ATL' }] }],
  },
);
const ANSWER = Type.Object({
  predictions: Type.Array(Type.Number(), {
    description: "one a row, in order: a probability, or a number in the label's unit",
  }),
  model: Type.String(),
  version: Type.Integer({ description: 'which one has answered' }),
});

const NAME = '^[a-z0-9][a-z0-9-]*$';
const ROUTES = [
  {
    url: '/v1/models/:name(^[a-z0-9-]+)::predict',
    params: { name: Type.String({ pattern: NAME }) },
    summary: 'Predict with the version that the alias "champion" names',
  },
  {
    url: '/v1/models/:name(^[a-z0-9-]+)/versions/:version(^[0-9]+)::predict',
    params: {
      name: Type.String({ pattern: NAME }),
      version: Type.String({ pattern: '^[1-9][0-9]{0,11}$' }),
    },
    summary: 'Predict with one version, loaded when it is asked for',
  },
  {
    url: '/v1/models/:name(^[a-z0-9-]+)/aliases/:alias(^[a-z0-9-]+)::predict',
    params: { name: Type.String({ pattern: NAME }), alias: Type.String({ pattern: NAME }) },
    summary: 'Predict with the version that an alias names',
  },
] as const;

export function addPredictRoutes(app: FastifyInstance, gateway: Gateway, problem: object): void {
  for (const { url, params, summary } of ROUTES) {
    app.route<{ Body: Body; Params: Params }>({
      method: 'POST',
      url,
      schema: {
        summary,
        tags: ['predictions'],
        params: Type.Object(params),
        body: BODY,
        response: { 200: ANSWER, '4xx': problem, '5xx': problem },
      },
      handler: async (request) => {
        const answer = await gateway.predict(targetOf(request.params), request.body.instances);
        return { ...answer, predictions: Array.from(answer.predictions) };
      },
    });
  }
}

function targetOf({ name, version, alias }: Params): Target {
  if (version !== undefined) return { model: name, version: Number(version) };
  return { model: name, alias: alias ?? 'champion' };
}
