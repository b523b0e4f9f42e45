// Levels over trees written by hand: how deep they go, what is asked at each, what is said of it.
import { expect, test } from 'vitest';
import {
  describeFitted,
  levelCount,
  levelStatistics,
  missingStatistics,
} from '../../../coordinator/compile/levels.ts';
import type { CategoryNode, FeatureSet, NumberNode } from '../../../coordinator/compile/tree.ts';

const column: NumberNode = { kind: 'column', name: 'x' };
const plus = (left: NumberNode, right: NumberNode): NumberNode => ({
  ...{ kind: 'arithmetic', op: '+' },
  ...{ left, right },
});
const median = (of: NumberNode, statistic: string): NumberNode => ({
  ...{ kind: 'fitted', name: 'impute', of, learns: { kind: 'quantile', p: 0.5 }, statistic },
});
const standard = (of: NumberNode, statistic: string): NumberNode => ({
  ...{ kind: 'fitted', name: 'standardize', of, learns: { kind: 'moments' }, statistic },
});
const words: CategoryNode = {
  ...{ kind: 'fittedCode', name: 'vocabulary', of: { kind: 'text', name: 's' } },
  ...{ learns: { kind: 'frequent', limit: 2 }, statistic: 'frequent s' },
};
const setOf = (numbers: Record<string, NumberNode>, codes: Record<string, CategoryNode> = {}) => {
  const list = <N>(nodes: Record<string, N>) =>
    Object.entries(nodes).map(([feature, node]) => ({ feature, sql: `sql of ${feature}`, node }));
  return { columns: [], codes: list(codes), numbers: list(numbers) } satisfies FeatureSet;
};
const idsAt = (set: FeatureSet, level: number, fitted = {}): string[] =>
  levelStatistics(set, level, fitted).map(({ id }) => id);

const one = { numbers: [1] };
const two = { numbers: [1, 2] };

test('levelCount() is 0 where nothing is fitted, and else that of the deepest feature', () => {
  expect(levelCount(setOf({}))).toBe(0);
  expect(levelCount(setOf({ a: plus(column, column) }))).toBe(0);
  expect(levelCount(setOf({}, { s: words }))).toBe(1);
  expect(levelCount(setOf({ a: median(column, 'm') }))).toBe(1);
  const deep = standard(plus(column, median(column, 'm')), 's');
  expect(levelCount(setOf({ deep, flat: median(column, 'm') }))).toBe(2);
  expect(levelCount(setOf({ flat: median(column, 'm'), deep }))).toBe(2);
  expect(levelCount(setOf({ deeper: median(deep, 'n') }))).toBe(3);
});

test('levelStatistics() asks for a value only after all those below it, wherever the deepest stands', () => {
  const deep = standard(median(column, 'm'), 's');
  for (const of of [plus(deep, median(column, 'n')), plus(median(column, 'n'), deep)]) {
    const set = setOf({ a: median(of, 'top') });
    expect(idsAt(set, 0).sort()).toEqual(['m', 'n']);
    expect(idsAt(set, 1, { m: one, n: one })).toEqual(['s']);
    expect(idsAt(set, 2, { m: one, n: one, s: two })).toEqual(['top']);
    expect(idsAt(set, 3, { m: one, n: one, s: two, top: one })).toEqual([]);
  }
});

test('levelStatistics() asks for a statistic of two features once, and puts in what was fitted before', () => {
  const set = setOf(
    { a: standard(median(column, 'm'), 's'), b: median(column, 'm') },
    { s: words },
  );
  expect(levelStatistics(set, 0, {})).toEqual([
    { id: 'frequent s', kind: 'frequent', limit: 2, sql: `nullif("s", '')` },
    { id: 'm', kind: 'quantile', p: 0.5, sql: expect.stringContaining('"x"') },
  ]);
  const [moments, ...rest] = levelStatistics(set, 1, { m: { numbers: [41] } });
  expect(rest).toEqual([]);
  expect(moments).toMatchObject({ id: 's', kind: 'moments', sql: expect.stringContaining('41') });
});

test('missingStatistics() asks of each number, and of no code, whether it has a value', () => {
  const set = setOf({ a: column, b: plus(column, column) }, { s: words });
  const missing = missingStatistics(set, {});
  expect(missing.map(({ id, kind }) => [id, kind])).toEqual([
    ['a', 'missing'],
    ['b', 'missing'],
  ]);
  for (const { sql } of missing) expect(sql).toMatch(/^\(.+\) IS NULL$/);
});

test('describeFitted() tells codes first, and of each feature the inner values first', () => {
  const a = standard(median(column, 'm'), 's');
  const fitted = { m: { numbers: [7] }, s: { numbers: [10, 2] }, 'frequent s': { strings: ['u'] } };
  expect(describeFitted(setOf({ a, b: column }, { s: words }), fitted)).toEqual([
    { name: 's', expression: 'sql of s', fitted: '1 values, most frequent u' },
    { name: 'a', expression: 'sql of a', fitted: 'median 7, mean 10, std 2' },
    { name: 'b', expression: 'sql of b', fitted: '' },
  ]);
});
