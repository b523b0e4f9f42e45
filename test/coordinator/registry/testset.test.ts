// moveTestset() keeps the definition; whyNotScore() keeps seen rows out.
import { expect, test } from 'vitest';
import type { SplitRange, SplitRanges } from '../../../common/stage/terms.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import {
  checkTestset,
  getTestset,
  moveTestset,
  whyNotScore,
} from '../../../coordinator/registry/testset.ts';

const place = { model: 'm', environment: 'dev' };
const definition = {
  clean: [{ filter: 'a > 0' }],
  label: 'b',
  split: { by: 'time', column: 'date', validation: '30d', test: '30d' },
} as const;
const to = (snapshot: string, change = {}) =>
  ({ definition: { ...definition, ...change }, snapshot, job: 'j-1', at: 1 }) as never;

const mayScore = (...args: Parameters<typeof whyNotScore>): boolean =>
  whyNotScore(...args) === undefined;

test('moveTestset() is fixed by the first job, and later jobs move the snapshot', async () => {
  const store = memoryStore();
  expect((await moveTestset(store, place, to('s1'))).n).toBe(1);
  expect((await moveTestset(store, place, to('s1'))).n).toBe(1);
  expect((await moveTestset(store, place, to('s2'))).n).toBe(2);
  expect((await getTestset(store, place))?.value.snapshot).toBe('s2');
});

test('moveTestset() refuses another definition and says what it was', async () => {
  const store = memoryStore();
  await moveTestset(store, place, to('s1'));
  const other = to('s2', { label: 'b > 1' });
  await expect(moveTestset(store, place, other)).rejects.toMatchObject({
    code: 'TESTSET_INCOMPARABLE',
    errors: [{ pointer: '/label', detail: expect.stringContaining('expected "b"') }],
  });
  await expect(checkTestset(store, place, { ...definition, label: 'x' } as never)).rejects.toThrow(
    'its label differ',
  );
  await checkTestset(store, place, definition as never);
});

const version = (definition_: unknown, ranges: Partial<SplitRanges>) =>
  ({ version: 1, split: { definition: definition_, ranges } }) as never;
const testset = (split: unknown, after: number | null, upTo: number | null) =>
  ({ definition: { split }, range: { after, upTo } satisfies SplitRange }) as never;

test('whyNotScore() by time: both cut-offs lie before the test rows', () => {
  const ranges = {
    train: { after: null, upTo: 100 },
    validation: { after: 100, upTo: 200 },
  };
  const of = version(definition.split, ranges);
  expect(mayScore(of, testset(definition.split, 200, 300))).toBe(true);
  expect(mayScore(of, testset(definition.split, 199, 300))).toBe(false);
  expect(whyNotScore(of, testset(definition.split, 150, 300))).toBe(
    'version 1 may have seen these rows: its validation rows reach into the test rows',
  );
  const later = { ...definition.split, column: 'landed' };
  expect(whyNotScore(of, testset(later, 200, 300))).toBe(
    'version 1 was split by time of date, the test set by time of landed',
  );
  // another duration of the same key is still comparable: only the rows count
  expect(mayScore(of, testset({ ...definition.split, test: '7d' }, 250, 300))).toBe(true);
});

test('whyNotScore() by hash: the same columns, and no basis point trained on', () => {
  const split = { by: 'hash', columns: ['id'], validation: 0.1, test: 0.1 };
  const ranges = {
    test: { after: null, upTo: 999 },
    validation: { after: 999, upTo: 1999 },
    train: { after: 1999, upTo: null },
  };
  expect(mayScore(version(split, ranges), testset(split, null, 999))).toBe(true);
  expect(mayScore(version(split, ranges), testset(split, null, 1500))).toBe(false);
  expect(mayScore(version(split, ranges), testset({ ...split, columns: ['x'] }, null, 999))).toBe(
    false,
  );
  expect(mayScore(version(split, ranges), testset(definition.split, 200, 300))).toBe(false);
});
