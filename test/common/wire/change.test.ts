// Changes of a view: the least that tells them, and the view after them.
import { expect, test } from 'vitest';
import { applyChange, changeOf } from '../../../common/wire/change.ts';

type View = { state: string; error: null | string; list: readonly number[]; deep: { a: number } };
const view: View = { state: 'running', error: null, list: [1, 2], deep: { a: 1 } };

test('changeOf() of equal views is nothing, whatever objects they are made of', () => {
  expect(changeOf(view, structuredClone(view))).toBeUndefined();
});

test.each<[string, Partial<View>, object]>([
  ['a value', { state: 'failed' }, { set: { state: 'failed' }, append: {} }],
  ['null, a value like any other', { error: 'x' }, { set: { error: 'x' }, append: {} }],
  ['a list that grew', { list: [1, 2, 3, 4] }, { set: {}, append: { list: [3, 4] } }],
  ['a list that changed', { list: [1, 9, 3] }, { set: { list: [1, 9, 3] }, append: {} }],
  ['a list that shrank', { list: [1] }, { set: { list: [1] }, append: {} }],
  ['something inside', { deep: { a: 2 } }, { set: { deep: { a: 2 } }, append: {} }],
])('changeOf() tells %s, and applyChange() gives the view after it', (_, to, change) => {
  const after = { ...view, ...to };
  expect(changeOf(view, after)).toEqual(change);
  expect(applyChange(view, changeOf(view, after)!)).toEqual(after);
});

test('applyChange() sets null again, and leaves the view before it alone', () => {
  const before = { ...view, error: 'x' };
  const kept = structuredClone(before);
  expect(applyChange(before, changeOf(before, view)!)).toEqual(view);
  expect(before).toEqual(kept);
});

test('changeOf() tells a value and a list that grew at once', () => {
  const after = { ...view, state: 'failed', list: [1, 2, 3] };
  expect(changeOf(view, after)).toEqual({ set: { state: 'failed' }, append: { list: [3] } });
});

test.each<[unknown, unknown]>([
  [null, [1]],
  [[1], 'longer than the list'],
  ['ab', ['a', 'b', 'c']],
  [[], [1]],
])('changeOf() from %j to %j sets it whole: there is nothing to append to', (before, after) => {
  expect(changeOf({ list: before }, { list: after })).toEqual({ set: { list: after }, append: {} });
});
