// A linear model: logistic or linear regression.
// In: nothing but its kind. Out: one layer. Why it starts at zero: it is convex, and any start leads to the same end.
import Type from 'typebox';
import { layerParameters, writeLayers, ZERO } from './dense.ts';
import type { ModelKind } from './model.ts';

export type LinearSpec = { readonly kind: 'linear' };

const schema = Type.Object(
  { kind: Type.Literal('linear') },
  {
    additionalProperties: false,
    title: 'linear',
    description: 'logistic or linear regression',
  },
);

export const linear = {
  schema,
  fill: (): LinearSpec => ({ kind: 'linear' }),
  parameters: (_spec, widths) =>
    layerParameters([widths.outputs], widths, { dense: () => ZERO, category: ZERO }),
  write: (b, _spec, widths) => writeLayers(b, 1, widths),
} as const satisfies ModelKind<LinearSpec, Type.Static<typeof schema>>;
