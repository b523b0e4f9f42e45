// Functions that learn from the training rows: a row each, with what is learnt, both targets and the words.
// In: nothing. Out: for each function what it takes, learns, gives. Why a row of its own kind: a unary function
// is complete by itself; these also need a statistic of their argument, which a scan of the parts must give first.
import type { GraphBuilder } from '../../common/onnx/build.ts';
import { quoteText, sqlNumber } from '../../common/sql.ts';
import type { Statistic } from '../../common/stage/fit.ts';
import { type FeatureFunction, probes } from './probes.ts';
import type { NumberNode } from './tree.ts';

type WithoutPlace<S> = S extends Statistic ? Omit<S, 'id' | 'sql'> : never;
/** What is learnt of an argument: a statistic, whatever rows and SQL it is of. */
export type Learns = WithoutPlace<Exclude<Statistic, { readonly kind: 'missing' }>>;

/** What the second argument says. */
type Option =
  | { readonly kind: 'none'; readonly learns: Learns }
  /** One of these words; or a constant, with which nothing is learnt. */
  | {
      readonly kind: 'word';
      readonly words: Readonly<Record<string, Learns>>;
      readonly constant: (of: NumberNode, value: number) => NumberNode;
    };

type Documented = Pick<FeatureFunction, 'takes' | 'says' | 'example' | 'on'>;

/** A number from a number. What it learns are numbers: the values of its statistic. */
export type FittedNumber = Documented & {
  readonly option: Option;
  readonly describe: (learnt: readonly number[], learns: Learns) => string;
} & (
    | {
        /** (x − less) / by: done for all outermost ones of a model at once. */
        readonly affine: (learnt: readonly number[]) => readonly [less: number, by: number];
      }
    | {
        readonly sql: (x: string, learnt: readonly number[]) => string;
        readonly onnx: (b: GraphBuilder, x: string, learnt: readonly number[]) => string;
      }
  );

/** A code from text. What it learns are texts. Codes: 0 missing or empty, 1 unseen, then its own. */
export type FittedCode = Documented & {
  /** From the second argument: a whole number from 1 to LIMITS.vocabularyMax. */
  readonly learns: (count: number) => Learns;
  readonly describe: (learnt: readonly string[]) => string;
  readonly size: (learnt: readonly string[]) => number;
  /** INTEGER for a column that is neither NULL nor empty. */
  readonly sql: (column: string, learnt: readonly string[]) => string;
  /** The texts that have codes of their own, from 2 on. */
  readonly keys: (learnt: readonly string[]) => readonly string[];
};

export const FITTED_NUMBERS = {
  impute: {
    takes: ['number', 'median, mean or a constant'],
    says: 'x, or where it is missing the median or mean of the training rows, or a constant',
    example: `impute(x, 'median')`,
    on: probes(3, 0, -2, Infinity, -Infinity),
    option: {
      kind: 'word',
      words: { median: { kind: 'quantile', p: 0.5 }, mean: { kind: 'moments' } },
      constant: (of, value) => ({ kind: 'first', of: [of, { kind: 'constant', value }] }),
    },
    sql: (x, [value]) => `coalesce(${x}, ${sqlNumber(value!)})`,
    onnx: (b, x, [value]) => b.node('Where', [b.node('IsNaN', [x]), b.scalar('double', value!), x]),
    describe: ([value], { kind }) => `${kind === 'moments' ? 'mean' : 'median'} ${rounded(value!)}`,
  },
  standardize: {
    takes: ['number'],
    says: '(x − mean) / standard deviation of the training rows; the deviation 0 counts as 1',
    example: 'standardize(x)',
    on: probes(null, -0.5, -1.5, Infinity, -Infinity),
    option: { kind: 'none', learns: { kind: 'moments' } },
    affine: ([mean, deviation]) => [mean!, spread(deviation!)],
    describe: ([mean, deviation]) => `mean ${rounded(mean!)}, std ${rounded(spread(deviation!))}`,
  },
} as const satisfies Record<string, FittedNumber>;

export const FITTED_CODES = {
  vocabulary: {
    takes: ['text', 'a count'],
    says: 'a code for each of the most frequent values of the training rows, from 2; 0 where missing or empty, 1 for any other',
    example: 'vocabulary(s, 2)',
    on: { missing: 0, empty: 0, known: 3, unseen: 1 },
    learns: (limit) => ({ kind: 'frequent', limit }),
    size: (values) => 2 + values.length,
    // an ENUM's dictionary finds a code as fast as a join would, and keeps the order of rows
    sql: (column, values) =>
      values.length === 0
        ? '1'
        : `coalesce(enum_code(try_cast(${column} AS ENUM (${values.map(quoteText).join(', ')})))::INTEGER + 2, 1)`,
    keys: (values) => values,
    describe: (values) => {
      const first = values.slice(0, 3).join(' ');
      return `${values.length} values${values.length > 0 ? `, most frequent ${first}` : ''}`;
    },
  },
} as const satisfies Record<string, FittedCode>;

export type FittedNumberName = keyof typeof FITTED_NUMBERS;
export type FittedCodeName = keyof typeof FITTED_CODES;
export const fittedNumber = (name: FittedNumberName): FittedNumber => FITTED_NUMBERS[name];
export const fittedCode = (name: FittedCodeName): FittedCode => FITTED_CODES[name];

/** What does not vary is divided by 1. */
const spread = (deviation: number): number => (deviation > 0 ? deviation : 1);

const rounded = (value: number): string => String(Number(value.toPrecision(4)));

/** Rows of the documentation, and of the parity test. */
export const FITTED_FUNCTIONS: readonly FeatureFunction[] = [
  ...documented(FITTED_NUMBERS, 'number'),
  ...documented(FITTED_CODES, 'category'),
];

function documented(
  rows: Readonly<Record<string, Documented>>,
  gives: FeatureFunction['gives'],
): FeatureFunction[] {
  return Object.entries(rows).map(([name, { takes, says, example, on }]) => ({
    name,
    takes,
    gives,
    says,
    example,
    on,
  }));
}
