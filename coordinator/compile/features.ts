// From parsed SQL to the typed tree of all features (tree.ts), which both targets are made from.
// In: parsed expressions and the snapshot's columns. Out: a frozen FeatureSet, or one error with a line a feature.
// Why every message says how to write it instead: whoever writes a feature knows SQL, not what serving can do. Pure.
import { nearestName, unreachable } from '../../common/errors.ts';
import { deepFreeze } from '../../common/freeze.ts';
import { canonicalJson, sha256Hex } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import { NUMERIC_TYPE } from '../../common/sql.ts';
import type { ColumnType } from '../../common/stage/terms.ts';
import type { SchemaColumn } from '../../common/wire/plan.ts';
import { findColumn, SCALAR_FUNCTIONS, VOLATILE } from './allowlist.ts';
import { type CompareOp, type Expr, refuseAt, shorten } from './ast.ts';
import { DATE_PARTS, type DatePartName, datePart } from './date-parts.ts';
import {
  FITTED_CODES,
  FITTED_NUMBERS,
  type FittedCodeName,
  type FittedNumberName,
  fittedCode,
  fittedNumber,
  type Learns,
} from './fitted.ts';
import { FUNCTION_NAMES, OTHER_NAMES } from './functions.ts';
import { collect, type ParsedExpression } from './parse.ts';
import {
  type BooleanNode,
  type CategoryNode,
  expandedTerms,
  type FeatureNode,
  type FeatureSet,
  isCategory,
  type NumberNode,
  type TextNode,
  type TimeNode,
} from './tree.ts';
import { UNARY, type UnaryName } from './unary.ts';

/** Builds the tree of all features. The record's order is the model's order. */
export function buildFeatures(
  parsed: Readonly<Record<string, ParsedExpression>>,
  schema: readonly SchemaColumn[],
): FeatureSet {
  const built = collect(
    Object.entries(parsed).map(([feature, expression]) => ({ ...expression, feature })),
    ({ feature, sql, expr }) => {
      const builder = new Builder(feature, sql, schema);
      return { feature, sql, node: builder.feature(expr), columns: builder.columns };
    },
  );
  const used = new Set(built.flatMap(({ columns }) => [...columns]));
  const columns = schema
    .filter(({ name }) => used.has(name))
    .map(({ name, type }) => ({ name, type: columnTypeOf(type)!, fileType: type }));
  const codes: FeatureSet['codes'][number][] = [];
  const numbers: FeatureSet['numbers'][number][] = [];
  for (const { feature, sql, node } of built) {
    if (isCategory(node)) codes.push({ feature, sql, node });
    else numbers.push({ feature, sql, node });
  }
  return deepFreeze({ columns, codes, numbers });
}

/** How a column of this DuckDB type is handled, or undefined where it cannot be. */
export function columnTypeOf(type: string): ColumnType | undefined {
  if (type === 'BOOLEAN' || NUMERIC_TYPE.test(type)) return 'number';
  if (type === 'VARCHAR' || type === 'UUID' || type === 'BLOB' || type.startsWith('ENUM'))
    return 'string';
  if (/^(?:DATE|TIMESTAMP(?:_S|_MS|_NS| WITH TIME ZONE)?|TIMESTAMPTZ)$/.test(type)) return 'time';
  return undefined;
}

/** What an expression turns out to be. A flag is a BOOLEAN column: a number 0/1 and a condition alike. */
type Value =
  | { readonly is: 'number'; readonly node: NumberNode; readonly flag?: true }
  | { readonly is: 'boolean'; readonly node: BooleanNode }
  | { readonly is: 'text'; readonly node: TextNode }
  | { readonly is: 'time'; readonly node: TimeNode }
  | { readonly is: 'category'; readonly node: CategoryNode }
  | { readonly is: 'textConstant'; readonly value: string }
  | { readonly is: 'missing' };

const WORDS: Readonly<Record<Value['is'], string>> = {
  number: 'a number',
  boolean: 'a condition',
  text: 'text',
  time: 'a time',
  category: 'a category',
  textConstant: 'a text constant',
  missing: 'NULL',
};

class Builder {
  readonly columns = new Set<string>();
  readonly #feature: string;
  readonly #sql: string;
  readonly #schema: readonly SchemaColumn[];

  constructor(feature: string, sql: string, schema: readonly SchemaColumn[]) {
    this.#feature = feature;
    this.#sql = sql;
    this.#schema = schema;
  }

  /** The whole expression: a number for the model, or a category. */
  feature(expr: Expr): NumberNode | CategoryNode {
    const value = this.#value(expr);
    if (value.is === 'text')
      throw this.#bare(expr.at, 'text', `vocabulary(${value.node.name}, 500)`);
    if (value.is === 'time') {
      throw this.#bare(
        expr.at,
        'a time',
        `category(hour(${value.node.name})) or another part of it`,
      );
    }
    const node = value.is === 'category' ? value.node : this.#asNumber(value, expr.at);
    if (this.columns.size === 0) {
      throw this.#wrong(expr.at, 'it reads no column, expected at least one');
    }
    const terms = expandedTerms(node);
    if (terms > LIMITS.expandedTermsMax) {
      throw refuseAt(
        'SQL_REFUSED',
        expr.at,
        `Cannot compile feature ${this.#feature}: it unfolds to ${terms} terms, expected at most ${LIMITS.expandedTermsMax}; nest fewer clip(…) and sqrt(…)`,
      );
    }
    return node;
  }

  #value(expr: Expr): Value {
    switch (expr.kind) {
      case 'column':
        return this.#column(expr.path, expr.at);
      case 'number':
        return number({ kind: 'constant', value: this.#finite(Number(expr.text), expr.at) });
      case 'text':
        return { is: 'textConstant', value: expr.value };
      case 'boolean':
        return condition({ kind: 'truth', value: expr.value });
      case 'null':
        return { is: 'missing' };
      case 'call':
        return this.#call(expr.name, expr.args, expr.at);
      case 'compare':
        return condition(this.#compare(expr.op, expr.left, expr.right, expr.at));
      case 'logic':
        return condition({
          kind: 'logic',
          op: expr.op,
          of: expr.args.map((arg) => this.#condition(arg)),
        });
      case 'not':
        return condition({ kind: 'not', of: this.#condition(expr.of) });
      case 'isNull': {
        const missing = this.#isMissing(expr.of);
        return condition(expr.negated ? { kind: 'not', of: missing } : missing);
      }
      case 'in':
        return condition(this.#oneOf(expr.of, expr.list, expr.negated));
      case 'between': {
        const of = this.#number(expr.of);
        const low: BooleanNode = {
          kind: 'compare',
          op: '>=',
          left: of,
          right: this.#number(expr.low),
        };
        const high: BooleanNode = {
          kind: 'compare',
          op: '<=',
          left: of,
          right: this.#number(expr.high),
        };
        return condition({ kind: 'logic', op: 'and', of: [low, high] });
      }
      case 'coalesce':
        return number({ kind: 'first', of: expr.args.map((arg) => this.#number(arg)) });
      case 'case':
        return this.#choose(expr);
      case 'cast':
        return this.#cast(expr.of, expr.type, expr.at);
      default:
        return unreachable(expr);
    }
  }

  #column(path: readonly string[], at: number): Value {
    const where = `feature ${this.#feature}`;
    const { name, type: fileType } = findColumn(path, this.#schema, at, where);
    const type = path.length === 1 ? columnTypeOf(fileType) : undefined;
    if (type === undefined) {
      throw this.#wrong(
        at,
        `column ${path.join('.')} is ${fileType}, expected a number, text, a time or BOOLEAN`,
      );
    }
    if (RESERVED.test(name)) {
      throw refuseAt(
        'SQL_COLUMN',
        at,
        `Cannot serve column ${JSON.stringify(name)}: a model's own value has this name, expected another name`,
      );
    }
    this.columns.add(name);
    if (type === 'string') return { is: 'text', node: { kind: 'text', name } };
    if (type === 'time') return { is: 'time', node: { kind: 'time', name } };
    const node: NumberNode = { kind: 'column', name };
    return fileType === 'BOOLEAN' ? { is: 'number', node, flag: true } : number(node);
  }

  #call(name: string, args: readonly Expr[], at: number): Value {
    if (Object.hasOwn(UNARY, name)) {
      this.#arity(name, args, 1, at);
      return number({ kind: 'unary', name: name as UnaryName, of: this.#number(args[0]!) });
    }
    const known = OTHER_NAMES.get(name);
    if (known !== undefined) return this.#call(known, args, at);
    if (Object.hasOwn(DATE_PARTS, name)) {
      this.#arity(name, args, 1, at);
      return number({ kind: 'datePart', part: name as DatePartName, of: this.#time(args[0]!) });
    }
    if (Object.hasOwn(FITTED_NUMBERS, name))
      return number(this.#fitted(name as FittedNumberName, args, at));
    if (Object.hasOwn(FITTED_CODES, name))
      return { is: 'category', node: this.#fittedCode(name as FittedCodeName, args, at) };
    switch (name) {
      case '+':
      case '-':
        if (args.length === 1) {
          const of = this.#number(args[0]!);
          return number(name === '+' ? of : { kind: 'negate', of });
        }
        return number(this.#arithmetic(name, args));
      case '*':
      case '/':
        return number(this.#arithmetic(name, args));
      case 'date_part':
      case 'datepart': {
        this.#arity(name, args, 2, at);
        const part = args[0]!.kind === 'text' ? args[0]!.value.toLowerCase() : '';
        const known = OTHER_NAMES.get(part) ?? part;
        if (!Object.hasOwn(DATE_PARTS, known)) throw this.#unservable(`${name}('${part}', …)`, at);
        return this.#call(known, args.slice(1), at);
      }
      case 'clip': {
        this.#arity(name, args, 3, at);
        const [low, high] = [this.#constant(args[1]!), this.#constant(args[2]!)];
        if (low > high)
          throw this.#wrong(
            at,
            `clip's bounds are ${low} and ${high}, expected the lower one first`,
          );
        return number({ kind: 'clip', of: this.#number(args[0]!), low, high });
      }
      case 'category':
        return { is: 'category', node: this.#category(args, at) };
      default:
        throw this.#unknown(name, at);
    }
  }

  #arithmetic(op: '+' | '-' | '*' | '/', args: readonly Expr[]): NumberNode {
    const [left, right] = args.map((arg) => this.#number(arg)) as [NumberNode, NumberNode];
    return { kind: 'arithmetic', op, left, right };
  }

  #fitted(name: FittedNumberName, args: readonly Expr[], at: number): NumberNode {
    const { option } = fittedNumber(name);
    this.#arity(name, args, option.kind === 'none' ? 1 : 2, at);
    const of = this.#number(args[0]!);
    const learnt = (learns: Learns): NumberNode => ({
      kind: 'fitted',
      name,
      of,
      learns,
      statistic: statisticId(learns, of),
    });
    if (option.kind === 'none') return learnt(option.learns);
    const by = args[1]!;
    if (by.kind !== 'text') return option.constant(of, this.#constant(by));
    if (Object.hasOwn(option.words, by.value)) return learnt(option.words[by.value]!);
    const words = Object.keys(option.words).map((word) => `'${word}'`);
    throw this.#wrong(
      by.at,
      `${name}'s second argument is '${by.value}', expected ${words.join(', ')} or a number`,
    );
  }

  #category(args: readonly Expr[], at: number): CategoryNode {
    this.#arity('category', args, 1, at);
    const value = this.#value(args[0]!);
    if (value.is === 'number' && value.node.kind === 'datePart') {
      const { part, of } = value.node;
      const { min, max } = datePart(part);
      if (max - min >= CATEGORY_SPAN_MAX) {
        throw this.#wrong(
          at,
          `${part} has ${max - min + 1} values, expected at most ${CATEGORY_SPAN_MAX}; use it as a number`,
        );
      }
      return { kind: 'datePartCode', part, of };
    }
    if (value.is === 'boolean' || (value.is === 'number' && value.flag)) {
      return { kind: 'conditionCode', of: this.#asCondition(value, at) };
    }
    const hint = value.is === 'text' ? `; for text use vocabulary(${value.node.name}, 500)` : '';
    throw this.#wrong(
      at,
      `category takes a date part or a condition, not ${WORDS[value.is]}, expected category(hour(…)) or the like${hint}`,
    );
  }

  #fittedCode(name: FittedCodeName, args: readonly Expr[], at: number): CategoryNode {
    this.#arity(name, args, 2, at);
    const value = this.#value(args[0]!);
    if (value.is !== 'text') {
      throw this.#wrong(
        at,
        `${name} takes a text column, not ${WORDS[value.is]}, expected ${name}(column, 500)`,
      );
    }
    const count = this.#constant(args[1]!);
    if (!Number.isInteger(count) || count < 1 || count > LIMITS.vocabularyMax) {
      throw this.#wrong(
        at,
        `${name}'s size is ${count}, expected a whole number from 1 to ${LIMITS.vocabularyMax}`,
      );
    }
    const learns = fittedCode(name).learns(count);
    const statistic = statisticId(learns, value.node);
    return { kind: 'fittedCode', name, of: value.node, learns, statistic };
  }

  #compare(op: CompareOp, left: Expr, right: Expr, at: number): BooleanNode {
    if (op === 'IS DISTINCT FROM' || op === 'IS NOT DISTINCT FROM') {
      return this.#isTruth(op, left, right, at);
    }
    const [a, b] = [this.#value(left), this.#value(right)];
    const text = a.is === 'text' ? a : b.is === 'text' ? b : undefined;
    const constant = a.is === 'textConstant' ? a : b.is === 'textConstant' ? b : undefined;
    if (text && constant) {
      if (op !== '=' && op !== '<>') throw this.#unservable(`${op} of text`, at);
      const values = [this.#notEmpty(constant.value, at)];
      return { kind: 'oneOfTexts', of: text.node, values, negated: op === '<>' };
    }
    if (text) throw this.#unservable(`${op} of text and what is not a constant`, at);
    if (a.is === 'time' || b.is === 'time') throw this.#unservable(`${op} of times`, at);
    if (a.is === 'missing' || b.is === 'missing') {
      throw this.#wrong(at, `${op} NULL is never true, expected "is null" or "is not null"`);
    }
    return {
      kind: 'compare',
      op,
      left: this.#asNumber(a, left.at),
      right: this.#asNumber(b, right.at),
    };
  }

  /** `x is true`, which DuckDB writes as x IS NOT DISTINCT FROM true. */
  #isTruth(op: CompareOp, left: Expr, right: Expr, at: number): BooleanNode {
    if (right.kind !== 'boolean') throw this.#unservable(op.toLowerCase(), at);
    const of = this.#condition(left);
    const wanted = (op === 'IS NOT DISTINCT FROM') === right.value;
    return wanted ? of : { kind: 'not', of };
  }

  #oneOf(of: Expr, list: readonly Expr[], negated: boolean): BooleanNode {
    const value = this.#value(of);
    if (value.is !== 'text') {
      const values = list.map((item) => this.#constant(item));
      return { kind: 'oneOfNumbers', of: this.#asNumber(value, of.at), values, negated };
    }
    const values = list.map((item) => {
      if (item.kind === 'text') return this.#notEmpty(item.value, item.at);
      throw this.#wrong(
        item.at,
        `a list for text column ${value.node.name} holds something else, expected text constants`,
      );
    });
    return { kind: 'oneOfTexts', of: value.node, values: [...new Set(values)], negated };
  }

  #notEmpty(value: string, at: number): string {
    if (value !== '') return value;
    throw this.#wrong(
      at,
      `comparing with '' is never true: empty text counts as missing, expected "is null"`,
    );
  }

  #isMissing(expr: Expr): BooleanNode {
    const value = this.#value(expr);
    if (value.is === 'number' || value.is === 'text' || value.is === 'time') {
      return { kind: 'isMissing', of: value.node };
    }
    throw this.#wrong(
      expr.at,
      `${WORDS[value.is]} is never missing, expected a column or a number`,
    );
  }

  #choose(expr: Extract<Expr, { kind: 'case' }>): Value {
    const cases = expr.whens.map(({ when, result }) => ({
      when: this.#condition(when),
      value: this.#numberOrMissing(result) ?? MISSING,
    }));
    return number({ kind: 'choose', cases, otherwise: this.#numberOrMissing(expr.otherwise) });
  }

  #numberOrMissing(expr: Expr): NumberNode | null {
    const value = this.#value(expr);
    return value.is === 'missing' ? null : this.#asNumber(value, expr.at);
  }

  #cast(of: Expr, type: string, at: number): Value {
    const value = this.#value(of);
    if (value.is === 'number' && type === 'DOUBLE') return value;
    if (value.is === 'number' && value.flag && NUMERIC_TYPE.test(type)) return number(value.node);
    if (value.is === 'time' && type === 'TIMESTAMP') return value;
    if (value.is === 'text' && type === 'VARCHAR') return value;
    if (type === 'BOOLEAN' && (value.is === 'boolean' || value.is === 'number')) {
      return condition(
        value.is === 'boolean'
          ? value.node
          : { kind: 'compare', op: '<>', left: value.node, right: { kind: 'constant', value: 0 } },
      );
    }
    if (value.is === 'boolean' && NUMERIC_TYPE.test(type))
      return number({ kind: 'indicator', of: value.node });
    throw this.#unservable(`a cast of ${WORDS[value.is]} to ${type}`, at);
  }

  #number(expr: Expr): NumberNode {
    return this.#asNumber(this.#value(expr), expr.at);
  }

  #asNumber(value: Value, at: number): NumberNode {
    if (value.is === 'number') return value.node;
    if (value.is === 'boolean') return { kind: 'indicator', of: value.node };
    const hint =
      value.is === 'category'
        ? 'category(…) and vocabulary(…) can only stand outermost'
        : value.is === 'text'
          ? `vocabulary(${value.node.name}, 500)`
          : value.is === 'time'
            ? `hour(${value.node.name}) or another part of it`
            : 'a number';
    throw this.#wrong(at, `${WORDS[value.is]} stands where a number is needed, expected ${hint}`);
  }

  #condition(expr: Expr): BooleanNode {
    return this.#asCondition(this.#value(expr), expr.at);
  }

  #asCondition(value: Value, at: number): BooleanNode {
    if (value.is === 'boolean') return value.node;
    if (value.is === 'number' && value.flag) {
      return { kind: 'compare', op: '<>', left: value.node, right: { kind: 'constant', value: 0 } };
    }
    throw this.#wrong(
      at,
      `${WORDS[value.is]} stands where a condition is needed, expected a comparison`,
    );
  }

  #time(expr: Expr): TimeNode {
    const value = this.#value(expr);
    if (value.is === 'time') return value.node;
    throw this.#wrong(
      expr.at,
      `${WORDS[value.is]} stands where a time is needed, expected a DATE or TIMESTAMP column`,
    );
  }

  #constant(expr: Expr): number {
    const value = this.#value(expr);
    const node = value.is === 'number' ? value.node : undefined;
    if (node?.kind === 'constant') return node.value;
    if (node?.kind === 'negate' && node.of.kind === 'constant') return -node.of.value;
    throw this.#wrong(
      expr.at,
      `${WORDS[value.is]} that is computed stands where a constant is needed, expected digits`,
    );
  }

  #finite(value: number, at: number): number {
    if (Number.isFinite(value)) return value;
    throw this.#wrong(at, `the number ${value} is too large, expected less than 1.8e308`);
  }

  #arity(name: string, args: readonly Expr[], count: number, at: number): void {
    if (args.length === count) return;
    throw this.#wrong(at, `${name} has ${args.length} arguments, expected ${count}`);
  }

  #wrong(at: number, why: string) {
    return refuseAt(
      'SQL_TYPE',
      at,
      `Cannot compile feature ${this.#feature} (character ${at}): ${why}`,
    );
  }

  #bare(at: number, what: string, fix: string) {
    return refuseAt(
      'SQL_TYPE',
      at,
      `Cannot use ${shorten(this.#sql)} as feature ${this.#feature}: it is ${what}, expected a number or a category: ${fix}`,
    );
  }

  #unservable(what: string, at: number, nearest?: string) {
    const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
    return refuseAt(
      'FEATURE_UNSERVABLE',
      at,
      `Cannot serve ${what} in feature ${this.#feature} (character ${at}): it exists in batch only, expected one of ${[...FUNCTION_NAMES].join(', ')} or + - * / comparisons, case, coalesce${hint}`,
    );
  }

  #unknown(name: string, at: number) {
    const nearest = nearestName(name, FUNCTION_NAMES);
    if (VOLATILE.has(name)) {
      return refuseAt(
        'NON_DETERMINISTIC',
        at,
        `Cannot use ${name} in feature ${this.#feature} (character ${at}): its answer changes between calls, expected values of the row alone`,
      );
    }
    if (SCALAR_FUNCTIONS.has(name)) return this.#unservable(name, at);
    const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
    return refuseAt(
      'SQL_REFUSED',
      at,
      `Cannot find the function ${name} in feature ${this.#feature} (character ${at}), expected one of ${[...FUNCTION_NAMES].join(', ')}${hint}`,
    );
  }
}

const number = (node: NumberNode): Value => ({ is: 'number', node });
const condition = (node: BooleanNode): Value => ({ is: 'boolean', node });
const MISSING: NumberNode = { kind: 'choose', cases: [], otherwise: null };

/** Names that a model's own values bear: see serving.ts. */
const RESERVED = /^(?:codes|numbers|prediction|__.*|(?:model|features)\/.*)$|^$/;

/** A category has a row of weights a value. */
const CATEGORY_SPAN_MAX = 1000;

/** Named by what it is computed from, so that equal statistics of two features are one. */
function statisticId(learns: Learns, of: FeatureNode): string {
  return `${learns.kind}:${sha256Hex(canonicalJson([learns, of])).slice(0, 16)}`;
}
