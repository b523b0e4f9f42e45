// A multilayer perceptron: layers of rectified linear units.
// In: the units of each hidden layer. Out: those layers, and one more that gives the score.
import Type from 'typebox';
import { layerParameters, type Starts, writeLayers } from './dense.ts';
import type { ModelKind } from './model.ts';

export type MlpSpec = {
  readonly kind: 'mlp';
  readonly hidden: readonly number[];
  readonly categories: 'sum';
};

const schema = Type.Object(
  {
    kind: Type.Literal('mlp'),
    hidden: Type.Array(Type.Integer({ minimum: 1, maximum: 4096 }), {
      minItems: 1,
      maxItems: 8,
      description: 'units of each hidden layer',
    }),
    categories: Type.Optional(
      Type.Literal('sum', {
        default: 'sum',
        description: 'a category adds its row to the first layer',
      }),
    ),
  },
  {
    additionalProperties: false,
    title: 'mlp',
    description: 'layers of rectified linear units',
  },
);

/**
 * Dense layers: uniform within √(6 / fan-in) (He et al. 2015, "Delving Deep into Rectifiers"). Rows of the table:
 * uniform within 0.05·√3, a deviation of 0.05, small because a rare category keeps much of what it started with.
 */
const STARTS: Starts = {
  dense: (fanIn) => ({ kind: 'uniform', bound: Math.sqrt(6 / fanIn) }),
  category: { kind: 'uniform', bound: 0.05 * Math.sqrt(3) },
};

export const mlp = {
  schema,
  fill: ({ hidden }): MlpSpec => ({ kind: 'mlp', hidden: [...hidden], categories: 'sum' }),
  parameters: ({ hidden }, widths) => layerParameters([...hidden, widths.outputs], widths, STARTS),
  write: (b, { hidden }, widths) => writeLayers(b, hidden.length + 1, widths),
} as const satisfies ModelKind<MlpSpec, Type.Static<typeof schema>>;
