// What must be learnt from the training rows before features can be computed, level by level.
// In: a FeatureSet and the values of earlier levels. Out: statistics as SQL over a part; the fitted values in words.
// Why levels: the mean of log1p(impute(x, 'median')) can only be taken when the median is known. Pure.
import type { FittedFeature, Statistic } from '../../common/stage/fit.ts';
import { fittedCode, fittedNumber } from './fitted.ts';
import { type FittedValues, learntNumbers, learntTexts, numberSql, textSql } from './sql.ts';
import { childrenOf, type FeatureNode, type FeatureSet } from './tree.ts';

/** How many scans of the training rows fitting takes; 0 where nothing is fitted. */
export function levelCount(set: FeatureSet): number {
  return fittedNodes(set).reduce((most, node) => Math.max(most, levelOf(node) + 1), 0);
}

/** The statistics of one level, each once, with the values of earlier levels put in. */
export function levelStatistics(set: FeatureSet, level: number, fitted: FittedValues): Statistic[] {
  const statistics = new Map<string, Statistic>();
  for (const node of fittedNodes(set)) {
    if (levelOf(node) === level && !statistics.has(node.statistic)) {
      statistics.set(node.statistic, statisticOf(node, fitted));
    }
  }
  return [...statistics.values()];
}

/** One a numeric model input, named after the feature: true for rows in which it has no value. */
export function missingStatistics(set: FeatureSet, fitted: FittedValues): Statistic[] {
  return set.numbers.map(({ feature, node }) => ({
    id: feature,
    kind: 'missing',
    sql: `(${numberSql(node, fitted)}) IS NULL`,
  }));
}

/** Each feature with what was fitted for it, in words. */
export function describeFitted(set: FeatureSet, fitted: FittedValues): FittedFeature[] {
  return [...set.codes, ...set.numbers].map(({ feature, sql, node }) => ({
    name: feature,
    expression: sql,
    fitted: fittedBelow(node)
      .map((inner) => describeNode(inner, fitted))
      .join(', '),
  }));
}

type FittedNode = Extract<FeatureNode, { readonly statistic: string }>;

const isFitted = (node: FeatureNode): node is FittedNode => 'statistic' in node;

/** Fitted nodes at or below a node, inner ones first. */
const fittedBelow = (node: FeatureNode): FittedNode[] => [
  ...childrenOf(node).flatMap(fittedBelow),
  ...(isFitted(node) ? [node] : []),
];

const fittedNodes = (set: FeatureSet): FittedNode[] =>
  [...set.codes, ...set.numbers].flatMap(({ node }) => fittedBelow(node));

/** How many fitted values must be known before this one. */
function levelOf(node: FittedNode): number {
  const below = childrenOf(node).flatMap(fittedBelow);
  return below.reduce((most, inner) => Math.max(most, levelOf(inner) + 1), 0);
}

function statisticOf(node: FittedNode, fitted: FittedValues): Statistic {
  const sql = node.kind === 'fittedCode' ? textSql(node.of) : numberSql(node.of, fitted);
  return { id: node.statistic, ...node.learns, sql };
}

const describeNode = (node: FittedNode, fitted: FittedValues): string =>
  node.kind === 'fittedCode'
    ? fittedCode(node.name).describe(learntTexts(fitted, node.statistic))
    : fittedNumber(node.name).describe(learntNumbers(fitted, node.statistic), node.learns);
