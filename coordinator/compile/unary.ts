// Numeric functions of one argument: a row each, with both targets.
// In: nothing. Out: for each function its SQL, its ONNX nodes, and its value on odd input.
// Why one table: a function without a serving target cannot be written down here.
import type { GraphBuilder } from '../../common/onnx/build.ts';
import { type FeatureFunction, probes } from './probes.ts';

/** Numeric functions of one argument, with both targets. */
export const UNARY = {
  abs: {
    also: ['@'],
    says: 'without its sign',
    on: probes(null, 0, 2, Infinity, Infinity),
    sql: (x) => `abs(${x})`,
    onnx: (b, x) => b.node('Abs', [x]),
    copies: 1,
  },
  log1p: {
    says: 'ln(1 + x); missing where x ≤ −1',
    on: probes(null, 0, null, Infinity, null),
    // ln raises on 0 and below; greatest skips NULL, so NULL becomes 0 and then NULL again
    sql: (x) => `ln(nullif(greatest('1'::DOUBLE + ${x}, 0), 0))`,
    onnx: (b, x) => {
      const sum = b.node('Add', [b.scalar('double', 1), x]);
      return b.node('Log', [onlyWhere(b, 'Greater', sum)]);
    },
    copies: 1,
  },
  ln: {
    says: 'natural logarithm; missing where x ≤ 0',
    on: probes(null, null, null, Infinity, null),
    sql: (x) => `ln(nullif(greatest(${x}, 0), 0))`,
    onnx: (b, x) => b.node('Log', [onlyWhere(b, 'Greater', x)]),
    copies: 1,
  },
  exp: {
    says: 'e to the power of x',
    on: probes(null, 1, Math.exp(-2), Infinity, 0),
    sql: (x) => `exp(${x})`,
    onnx: (b, x) => b.node('Exp', [x]),
    copies: 1,
  },
  sqrt: {
    says: 'square root; missing where x < 0',
    on: probes(null, 0, null, Infinity, null),
    sql: (x) => `sqrt(CASE WHEN ${x} >= 0 THEN ${x} END)`,
    onnx: (b, x) => b.node('Sqrt', [onlyWhere(b, 'GreaterOrEqual', x)]),
    copies: 2,
  },
  floor: {
    says: 'the next integer below',
    on: probes(null, 0, -2, Infinity, -Infinity),
    sql: (x) => `floor(${x})`,
    onnx: (b, x) => b.node('Floor', [x]),
    copies: 1,
  },
  ceil: {
    also: ['ceiling'],
    says: 'the next integer above',
    on: probes(null, 0, -2, Infinity, -Infinity),
    sql: (x) => `ceil(${x})`,
    onnx: (b, x) => b.node('Ceil', [x]),
    copies: 1,
  },
} as const satisfies Record<string, UnaryTarget>;
export type UnaryName = keyof typeof UNARY;
export const unaryTarget = (name: UnaryName): UnaryTarget => UNARY[name];

const unaryRow = (name: UnaryName): FeatureFunction => {
  const { also = [], says, on } = unaryTarget(name);
  return { name, also, takes: ['number'], gives: 'number', says, example: `${name}(x)`, on };
};

export const UNARY_FUNCTIONS: readonly FeatureFunction[] = (Object.keys(UNARY) as UnaryName[]).map(
  unaryRow,
);

type UnaryTarget = Pick<FeatureFunction, 'also'> & {
  readonly says: string;
  readonly on: FeatureFunction['on'];
  readonly sql: (x: string) => string;
  readonly onnx: (b: GraphBuilder, x: string) => string;
  /** How often `x` stands in the SQL: nesting multiplies. */
  readonly copies: number;
};

const NAN = (b: GraphBuilder): string => b.scalar('double', Number.NaN);
const ZERO = (b: GraphBuilder): string => b.scalar('double', 0);
const onlyWhere = (b: GraphBuilder, op: 'Greater' | 'GreaterOrEqual', x: string): string =>
  b.node('Where', [b.node(op, [x, ZERO(b)]), x, NAN(b)]);
