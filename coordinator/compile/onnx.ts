// The serving target: features as one ONNX graph from raw columns to model inputs.
// In: a FeatureSet and its fitted values. Out: a Graph; inputs raw columns [n], outputs codes [n,C], numbers [n,D].
// Why few wide nodes: at 32 rows the cost of a graph is its number of nodes, so equal terms are one node, and the
// last steps (standardize, missing → 0, clip, float32) are done once for all numbers side by side.
// Every value is [n,1] or a scalar constant. Missing is NaN, '' or a time outside years 1 to 9999.
import { unreachable } from '../../common/errors.ts';
import { canonicalJson } from '../../common/ids.ts';
import { GraphBuilder, int, ints, texts } from '../../common/onnx/build.ts';
import type { ElementType, Graph, ValueInfo } from '../../common/onnx/graph.ts';
import type { ColumnType } from '../../common/stage/terms.ts';
import { type CalendarNames, datePart } from './date-parts.ts';
import { fittedCode, fittedNumber } from './fitted.ts';
import { type FittedValues, learntNumbers, learntTexts, TIME_END, TIME_MIN } from './sql.ts';
import type {
  BooleanNode,
  CategoryNode,
  FeatureNode,
  FeatureSet,
  NumberNode,
  TextNode,
} from './tree.ts';
import { unaryTarget } from './unary.ts';

export function featureGraph(set: FeatureSet, fitted: FittedValues): Graph {
  return new FeatureCompiler(set, fitted).compile();
}

/** How a raw column enters the graph. */
export const INPUT_TYPES: Readonly<Record<ColumnType, ElementType>> = {
  number: 'double',
  string: 'string',
  time: 'int64',
};

/** Numbers of element types in a Cast. */
const CAST = { float: 1, int64: 7, bool: 9, double: 11 } as const;

const DAY = 86_400_000_000;
/** Days from 0000-03-01 to 1970-01-01: added first, so that no day is negative. */
const EPOCH_DAY = 719_468;

class FeatureCompiler {
  readonly #b = new GraphBuilder();
  readonly #set: FeatureSet;
  readonly #fitted: FittedValues;
  readonly #columns = new Map<string, string>();
  /** Equal terms, also of different features, are computed once. */
  readonly #made = new Map<string, string>();

  constructor(set: FeatureSet, fitted: FittedValues) {
    this.#set = set;
    this.#fitted = fitted;
  }

  compile(): Graph {
    const b = this.#b;
    for (const { name, type } of this.#set.columns) b.input(name, INPUT_TYPES[type], ['n']);
    for (const { name } of this.#set.columns) {
      this.#columns.set(name, b.node('Unsqueeze', [name, b.int64([1])], { name: 'column' }));
    }
    const outputs: ValueInfo[] = [];
    const { codes, numbers } = this.#set;
    if (codes.length > 0) {
      const columns = codes.map(({ node }) => this.#category(node));
      b.nodeNamed('codes', 'Concat', columns, { attributes: { axis: int(1) } });
      outputs.push({ name: 'codes', type: 'int64', shape: ['n', codes.length] });
    }
    if (numbers.length > 0) {
      this.#numbers(numbers.map(({ node }) => node));
      outputs.push({ name: 'numbers', type: 'float', shape: ['n', numbers.length] });
    }
    return b.finish('features', outputs);
  }

  /** All numbers side by side: their outermost affine step, then missing → 0, clip and float32, once. */
  #numbers(nodes: readonly NumberNode[]): void {
    const b = this.#b;
    const steps = nodes.map((node) => this.#affineStep(node));
    const inner = nodes.map((node, i) => (steps[i] && node.kind === 'fitted' ? node.of : node));
    const concat = { attributes: { axis: int(1) } };
    let all = b.node(
      'Concat',
      inner.map((node) => this.#number(node)),
      concat,
    );
    if (steps.some((step) => step)) {
      const less = steps.map((step) => step?.[0] ?? 0);
      const by = steps.map((step) => step?.[1] ?? 1);
      all = b.node('Div', [
        b.node('Sub', [all, b.numbers('double', less)]),
        b.numbers('double', by),
      ]);
    }
    const present = b.node('Where', [b.node('IsNaN', [all]), this.#scalar(0), all]);
    const clipped = b.node('Clip', [present, this.#scalar(-1e30), this.#scalar(1e30)]);
    b.nodeNamed('numbers', 'Cast', [clipped], { attributes: { to: int(CAST.float) } });
  }

  /** What an outermost (x − less) / by takes off and divides by. */
  #affineStep(node: NumberNode): readonly [less: number, by: number] | undefined {
    if (node.kind !== 'fitted') return undefined;
    const row = fittedNumber(node.name);
    return 'affine' in row ? row.affine(learntNumbers(this.#fitted, node.statistic)) : undefined;
  }

  #once(
    node: FeatureNode | { readonly kind: 'isTime'; readonly name: string },
    make: () => string,
  ): string {
    const key = canonicalJson(node);
    const known = this.#made.get(key);
    if (known !== undefined) return known;
    const name = make();
    this.#made.set(key, name);
    return name;
  }

  #number(node: NumberNode): string {
    return this.#once(node, () => this.#makeNumber(node));
  }

  #makeNumber(node: NumberNode): string {
    const b = this.#b;
    switch (node.kind) {
      case 'column':
        return this.#columns.get(node.name)!;
      case 'constant':
        return this.#scalar(node.value);
      case 'negate':
        return b.node('Neg', [this.#number(node.of)]);
      case 'unary':
        return unaryTarget(node.name).onnx(b, this.#number(node.of));
      case 'arithmetic':
        return this.#arithmetic(node);
      case 'clip': {
        const x = this.#number(node.of); // not Clip: it may turn NaN into a bound
        const [low, high] = [this.#scalar(node.low), this.#scalar(node.high)];
        const above = b.node('Where', [b.node('Greater', [x, high]), high, x]);
        return b.node('Where', [b.node('Less', [x, low]), low, above]);
      }
      case 'first':
        return node.of
          .map((inner) => this.#number(inner))
          .reduceRight((rest, x) => b.node('Where', [b.node('IsNaN', [x]), rest, x]));
      case 'choose': {
        const otherwise = node.otherwise ? this.#number(node.otherwise) : this.#scalar(Number.NaN);
        return node.cases.reduceRight(
          (rest, { when, value }) =>
            b.node('Where', [this.#boolean(when), this.#number(value), rest]),
          otherwise,
        );
      }
      case 'fitted': {
        const row = fittedNumber(node.name);
        const learnt = learntNumbers(this.#fitted, node.statistic);
        const x = this.#number(node.of);
        if (!('affine' in row)) return row.onnx(b, x, learnt);
        const [less, by] = row.affine(learnt);
        return b.node('Div', [b.node('Sub', [x, this.#scalar(less)]), this.#scalar(by)]);
      }
      case 'datePart': {
        const part = this.#cast(
          datePart(node.part).onnx(b, this.#calendar(node.of.name)),
          'double',
        );
        return b.node('Where', [this.#isTime(node.of.name), part, this.#scalar(Number.NaN)]);
      }
      case 'indicator':
        return this.#cast(this.#boolean(node.of), 'double');
      default:
        return unreachable(node);
    }
  }

  #arithmetic(node: Extract<NumberNode, { kind: 'arithmetic' }>): string {
    const b = this.#b;
    const ops = { '+': 'Add', '-': 'Sub', '*': 'Mul', '/': 'Div' } as const;
    const [left, right] = [this.#number(node.left), this.#number(node.right)];
    if (node.op !== '/') return b.node(ops[node.op], [left, right]);
    const isZero = b.node('Equal', [right, this.#scalar(0)]); // x / 0 is missing, as in SQL
    return b.node('Div', [left, b.node('Where', [isZero, this.#scalar(Number.NaN), right])]);
  }

  #boolean(node: BooleanNode): string {
    return this.#once(node, () => this.#makeBoolean(node));
  }

  #makeBoolean(node: BooleanNode): string {
    const b = this.#b;
    switch (node.kind) {
      case 'truth':
        return b.tensor({ type: 'bool', dims: [], data: Uint8Array.of(node.value ? 1 : 0) });
      case 'compare':
        return this.#compare(node.op, this.#number(node.left), this.#number(node.right));
      case 'oneOfNumbers': {
        const x = this.#number(node.of);
        const values = b.numbers('double', node.values, [1, node.values.length]);
        const equal = this.#cast(b.node('Equal', [x, values]), 'float');
        const any = b.node('ReduceMax', [equal, b.int64([1])], {
          attributes: { keepdims: int(1) },
        });
        const found = this.#cast(any, 'bool');
        if (!node.negated) return found;
        return b.node('Not', [b.node('Or', [found, b.node('IsNaN', [x])])]);
      }
      case 'oneOfTexts':
        return this.#textTable(
          node.of,
          node.negated ? ['', ...node.values] : node.values,
          node.negated,
        );
      case 'isMissing':
        if (node.of.kind === 'text') return this.#textTable(node.of, [''], false);
        if (node.of.kind === 'time') return b.node('Not', [this.#isTime(node.of.name)]);
        return b.node('IsNaN', [this.#number(node.of)]);
      case 'logic':
        return node.of
          .map((inner) => this.#boolean(inner))
          .reduce((left, right) => b.node(node.op === 'and' ? 'And' : 'Or', [left, right]));
      case 'not':
        return b.node('Not', [this.#boolean(node.of)]);
      default:
        return unreachable(node);
    }
  }

  /** NaN compares false with everything; only "differs" needs two tests for that. */
  #compare(
    op: Extract<BooleanNode, { kind: 'compare' }>['op'],
    left: string,
    right: string,
  ): string {
    const b = this.#b;
    switch (op) {
      case '=':
        return b.node('Equal', [left, right]);
      case '<':
        return b.node('Less', [left, right]);
      case '<=':
        return b.node('LessOrEqual', [left, right]);
      case '>':
        return b.node('Greater', [left, right]);
      case '>=':
        return b.node('GreaterOrEqual', [left, right]);
      case '<>':
        return b.node('Or', [b.node('Less', [left, right]), b.node('Greater', [left, right])]);
      default:
        return unreachable(op);
    }
  }

  /** Whether text is one of `keys`, or with `negated` none of them. */
  #textTable(of: TextNode, keys: readonly string[], negated: boolean): string {
    const code = this.#encode(
      of.name,
      keys,
      keys.map(() => (negated ? 0 : 1)),
      negated ? 1 : 0,
    );
    return this.#cast(code, 'bool');
  }

  #encode(
    column: string,
    keys: readonly string[],
    values: readonly number[],
    otherwise: number,
  ): string {
    return this.#b.node('LabelEncoder', [this.#columns.get(column)!], {
      domain: 'ai.onnx.ml',
      attributes: {
        keys_strings: texts(keys),
        values_int64s: ints(values),
        default_int64: int(otherwise),
      },
    });
  }

  #category(node: CategoryNode): string {
    return this.#once(node, () => this.#makeCategory(node));
  }

  #makeCategory(node: CategoryNode): string {
    const b = this.#b;
    switch (node.kind) {
      case 'datePartCode': {
        const { min, onnx } = datePart(node.part);
        const part = onnx(b, this.#calendar(node.of.name));
        const code = b.node('Add', [part, this.#whole(2 - min)]);
        return b.node('Where', [this.#isTime(node.of.name), code, this.#whole(0)]);
      }
      case 'conditionCode': {
        const code = this.#cast(this.#boolean(node.of), 'int64');
        return b.node('Add', [code, this.#whole(2)]);
      }
      case 'fittedCode': {
        const learnt = learntTexts(this.#fitted, node.statistic);
        const keys = fittedCode(node.name).keys(learnt);
        return this.#encode(node.of.name, ['', ...keys], [0, ...keys.map((_, i) => i + 2)], 1);
      }
      default:
        return unreachable(node);
    }
  }

  #isTime(column: string): string {
    return this.#once({ kind: 'isTime', name: column }, () => {
      const time = this.#columns.get(column)!;
      const b = this.#b;
      const late = b.node('GreaterOrEqual', [time, this.#whole(TIME_MIN)]);
      return b.node('And', [late, b.node('Less', [time, this.#whole(TIME_END)])]);
    });
  }

  /** Calendar numbers of a column; finish() drops those that no feature uses. */
  #calendar(column: string): CalendarNames {
    const known = this.#calendars.get(column);
    if (known) return known;
    const b = this.#b;
    const time = b.node('Where', [
      this.#isTime(column),
      this.#columns.get(column)!,
      this.#whole(0),
    ]);
    const shifted = b.node('Add', [time, this.#whole(EPOCH_DAY * DAY)]);
    const days = b.node('Div', [shifted, this.#whole(DAY)], { name: 'days' });
    const ofDay = b.node('Mod', [shifted, this.#whole(DAY)], { name: 'ofDay' });
    const calendar = { ofDay, days, ...this.#marchYear(days) };
    this.#calendars.set(column, calendar);
    return calendar;
  }
  readonly #calendars = new Map<string, CalendarNames>();

  /** Years of 400 years repeat after 146,097 days; beginning in March puts the leap day last. */
  #marchYear(days: string): Pick<CalendarNames, 'marchDay' | 'marchYear' | 'leap'> {
    const b = this.#b;
    const div = (x: string, by: number): string => b.node('Div', [x, this.#whole(by)]);
    const mod = (x: string, by: number): string => b.node('Mod', [x, this.#whole(by)]);
    const sub = (x: string, y: string): string => b.node('Sub', [x, y]);
    const add = (x: string, y: string): string => b.node('Add', [x, y]);
    const mul = (x: string, by: number): string => b.node('Mul', [x, this.#whole(by)]);
    const era = div(days, 146_097);
    const eraDay = mod(days, 146_097);
    const leapless = add(
      sub(eraDay, div(eraDay, 1460)),
      sub(div(eraDay, 36_524), div(eraDay, 146_096)),
    );
    const eraYear = div(leapless, 365);
    const before = sub(add(mul(eraYear, 365), div(eraYear, 4)), div(eraYear, 100));
    const isLeap = b.node('Or', [
      b.node('And', [
        b.node('Equal', [mod(eraYear, 4), this.#whole(0)]),
        b.node('Not', [b.node('Equal', [mod(eraYear, 100), this.#whole(0)])]),
      ]),
      b.node('Equal', [eraYear, this.#whole(0)]),
    ]);
    return {
      marchDay: sub(eraDay, before),
      marchYear: add(mul(era, 400), eraYear),
      leap: this.#cast(isLeap, 'int64'),
    };
  }

  #cast(name: string, to: keyof typeof CAST): string {
    return this.#b.node('Cast', [name], { attributes: { to: int(CAST[to]) } });
  }

  #scalar(value: number): string {
    return this.#b.scalar('double', value);
  }

  #whole(value: number): string {
    return this.#b.int64([value], []);
  }
}
