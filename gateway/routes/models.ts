// What is served. In: nothing. Out: models with their aliases, the versions held, and what each takes.
import Type from 'typebox';
import type { Route } from '../../common/http/route.ts';
import type { Gateway } from '../gateway.ts';

const nullable = (type: Type.TSchema) => Type.Union([type, Type.Null()]);

const ALIAS = Type.Object({
  alias: Type.String(),
  version: nullable(Type.Integer({ description: 'What answers now' })),
  wanted: nullable(
    Type.Integer({ description: 'What the store says; differs while a version loads or fails to' }),
  ),
  error: nullable(Type.Object({ code: Type.String(), detail: Type.String() })),
});
const VERSION = Type.Object({
  version: Type.Integer(),
  label: Type.String({ description: 'binary: a probability; regression: a number' }),
  inputs: Type.Array(
    Type.Object({
      name: Type.String(),
      type: Type.String({ description: 'number, string, or time (ISO 8601)' }),
    }),
  ),
});
const MODELS = Type.Object({
  environment: Type.String(),
  store: Type.Object({ uri: Type.String(), error: nullable(Type.String()) }),
  children: Type.Array(Type.Integer(), { description: 'Process ids of the inference children' }),
  models: Type.Array(
    Type.Object({
      name: Type.String(),
      aliases: Type.Array(ALIAS),
      versions: Type.Array(VERSION),
    }),
  ),
});

export const modelRoutes = (gateway: Gateway): readonly Route[] => [
  {
    name: 'served',
    method: 'GET',
    path: '/v1/models',
    tag: 'models',
    summary: 'What is served',
    answers: { 200: MODELS },
    handle: async () => {
      const { models, ...view } = gateway.view;
      return { ...view, models: models.map(viewModel) };
    },
  },
];

function viewModel({ versions, ...model }: Gateway['view']['models'][number]): object {
  const described = versions.map(({ version, signature }) => ({
    version,
    label: signature.label,
    inputs: signature.inputs,
  }));
  return { ...model, versions: described };
}
