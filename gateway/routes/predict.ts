// Predictions over HTTP. In: {"instances": [{…}]}, raw rows. Out: {"predictions": […], "model": …, "version": n}.
// Why three paths: an alias moves under its callers, a version never does, and most callers want the champion.

import Type from 'typebox';
import type { Route } from '../../common/http/route.ts';
import { LIMITS } from '../../common/limits.ts';
import { LABEL_KINDS, OBJECTIVES } from '../../common/objective/objectives.ts';
import { DEFAULT_ALIAS } from '../../common/wire/environment.ts';
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
const ALL = LABEL_KINDS.map((label) => OBJECTIVES[label]);
/** A list only where some objective says more than one number. */
const PREDICTION = ALL.every(({ width }) => width === 1)
  ? Type.Number()
  : Type.Union([Type.Number(), Type.Array(Type.Number())]);
const ANSWER = Type.Object({
  predictions: Type.Array(PREDICTION, {
    description: `one a row, in order: ${ALL.map(({ words }) => words.prediction).join(', or ')}`,
  }),
  model: Type.String(),
  version: Type.Integer({ description: 'which one has answered' }),
});

const NAME = Type.String({
  pattern: '^[a-z0-9][a-z0-9-]*$',
  description: 'a name of a–z, 0–9 and "-"',
});
const VERSION = Type.String({
  pattern: '^[1-9][0-9]{0,11}$',
  description: 'the number of a version, from 1',
});
const PATHS = [
  {
    name: 'predict',
    path: '/v1/models/{name}:predict',
    params: { name: NAME },
    summary: 'Predict with the version that the alias "champion" names',
  },
  {
    name: 'predictVersion',
    path: '/v1/models/{name}/versions/{version}:predict',
    params: { name: NAME, version: VERSION },
    summary: 'Predict with one version, loaded when it is asked for',
  },
  {
    name: 'predictAlias',
    path: '/v1/models/{name}/aliases/{alias}:predict',
    params: { name: NAME, alias: NAME },
    summary: 'Predict with the version that an alias names',
  },
] as const;

export const predictRoutes = (gateway: Gateway): readonly Route[] =>
  PATHS.map(({ params, ...path }) => ({
    ...path,
    method: 'POST',
    tag: 'predictions',
    params: Type.Object(params),
    body: BODY,
    answers: { 200: ANSWER },
    handle: async ({ params, body }) => {
      const { instances } = body as Body;
      const answer = await gateway.predict(targetOf(params as Params), instances);
      return answer;
    },
  }));

function targetOf({ name, version, alias }: Params): Target {
  if (version !== undefined) return { model: name, version: Number(version) };
  return { model: name, alias: alias ?? DEFAULT_ALIAS };
}
