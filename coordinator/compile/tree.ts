// What a feature is, once its SQL has been understood: one kind a meaning.
// In: nothing. Out: types, and what every walk over them needs.
// Why a tree of its own: SQL's has many ways to say one thing; here each kind has one meaning, written once in
// sql.ts and once in onnx.ts, and a kind that a target forgets does not type-check. Pure.
import { unreachable } from '../../common/errors.ts';
import type { RawColumn } from '../../common/stage/terms.ts';
import type { DatePartName } from './date-parts.ts';
import type { FittedCodeName, FittedNumberName, Learns } from './fitted.ts';
import { type UnaryName, unaryTarget } from './unary.ts';

export type NumberNode =
  | { readonly kind: 'column'; readonly name: string }
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'negate'; readonly of: NumberNode }
  | { readonly kind: 'unary'; readonly name: UnaryName; readonly of: NumberNode }
  | {
      readonly kind: 'arithmetic';
      readonly op: '+' | '-' | '*' | '/';
      readonly left: NumberNode;
      readonly right: NumberNode;
    }
  | { readonly kind: 'clip'; readonly of: NumberNode; readonly low: number; readonly high: number }
  /** The first that is not missing. */
  | { readonly kind: 'first'; readonly of: readonly NumberNode[] }
  | {
      readonly kind: 'choose';
      readonly cases: readonly { readonly when: BooleanNode; readonly value: NumberNode }[];
      /** null is missing. */
      readonly otherwise: NumberNode | null;
    }
  /** A row of FITTED_NUMBERS; `statistic` names what it learns. */
  | {
      readonly kind: 'fitted';
      readonly name: FittedNumberName;
      readonly of: NumberNode;
      readonly learns: Learns;
      readonly statistic: string;
    }
  | { readonly kind: 'datePart'; readonly part: DatePartName; readonly of: TimeNode }
  /** 1 where true, 0 where false. */
  | { readonly kind: 'indicator'; readonly of: BooleanNode };

/** Never missing: a comparison with something missing is false. */
export type BooleanNode =
  | { readonly kind: 'truth'; readonly value: boolean }
  | {
      readonly kind: 'compare';
      readonly op: '=' | '<>' | '<' | '<=' | '>' | '>=';
      readonly left: NumberNode;
      readonly right: NumberNode;
    }
  | {
      readonly kind: 'oneOfNumbers';
      readonly of: NumberNode;
      readonly values: readonly number[];
      readonly negated: boolean;
    }
  | {
      readonly kind: 'oneOfTexts';
      readonly of: TextNode;
      readonly values: readonly string[];
      readonly negated: boolean;
    }
  | { readonly kind: 'isMissing'; readonly of: NumberNode | TextNode | TimeNode }
  | { readonly kind: 'logic'; readonly op: 'and' | 'or'; readonly of: readonly BooleanNode[] }
  | { readonly kind: 'not'; readonly of: BooleanNode };

export type TextNode = { readonly kind: 'text'; readonly name: string };
export type TimeNode = { readonly kind: 'time'; readonly name: string };

/** A code: 0 missing, 1 unseen, 2… the values. */
export type CategoryNode =
  | { readonly kind: 'datePartCode'; readonly part: DatePartName; readonly of: TimeNode }
  | { readonly kind: 'conditionCode'; readonly of: BooleanNode }
  | {
      readonly kind: 'fittedCode';
      readonly name: FittedCodeName;
      readonly of: TextNode;
      readonly learns: Learns;
      readonly statistic: string;
    };

export type FeatureNode = NumberNode | BooleanNode | TextNode | TimeNode | CategoryNode;

export type FeatureSet = {
  /** Raw columns that features read, in schema order: what a request must send. */
  readonly columns: readonly (RawColumn & { readonly fileType: string })[];
  /** In the order of the spec. */
  readonly codes: readonly {
    readonly feature: string;
    readonly sql: string;
    readonly node: CategoryNode;
  }[];
  readonly numbers: readonly {
    readonly feature: string;
    readonly sql: string;
    readonly node: NumberNode;
  }[];
};

/** The nodes directly below. */
export function childrenOf(node: FeatureNode): readonly FeatureNode[] {
  switch (node.kind) {
    case 'column':
    case 'constant':
    case 'truth':
    case 'text':
    case 'time':
      return [];
    case 'arithmetic':
    case 'compare':
      return [node.left, node.right];
    case 'first':
    case 'logic':
      return node.of;
    case 'choose': {
      const cases = node.cases.flatMap(({ when, value }) => [when, value]);
      return node.otherwise ? [...cases, node.otherwise] : cases;
    }
    case 'negate':
    case 'unary':
    case 'clip':
    case 'fitted':
    case 'datePart':
    case 'indicator':
    case 'oneOfNumbers':
    case 'oneOfTexts':
    case 'isMissing':
    case 'not':
    case 'datePartCode':
    case 'conditionCode':
    case 'fittedCode':
      return [node.of];
    default:
      return unreachable(node);
  }
}

export const isCategory = (node: NumberNode | CategoryNode): node is CategoryNode =>
  node.kind === 'datePartCode' || node.kind === 'conditionCode' || node.kind === 'fittedCode';

/** Terms of the SQL: forms that write their argument more than once multiply. */
export function expandedTerms(node: FeatureNode): number {
  const copies =
    node.kind === 'clip' ? 3 : node.kind === 'unary' ? unaryTarget(node.name).copies : 1;
  const below = childrenOf(node).reduce((sum, child) => sum + expandedTerms(child), 0);
  return 1 + copies * below;
}
