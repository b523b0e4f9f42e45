// Groups and promises by hand. In: values. Out: what Map.groupBy and Promise.withResolvers would give.
import { expect, test } from 'vitest';
import { makeDeferred } from '../../common/deferred.ts';
import { groupBy } from '../../common/group.ts';

test('groupBy() keeps groups and values in order of first appearance', () => {
  const groups = groupBy([3, 1, 4, 1, 5, 9, 2, 6], (value) => value % 2);
  expect([...groups]).toEqual([
    [1, [3, 1, 1, 5, 9]],
    [0, [4, 2, 6]],
  ]);
});

test('makeDeferred() settles once, from outside', async () => {
  const kept = makeDeferred<number>();
  kept.resolve(1);
  kept.reject(new Error('late'));
  expect(await kept.promise).toBe(1);
  const broken = makeDeferred<number>();
  broken.reject(new Error('no'));
  await expect(broken.promise).rejects.toThrow('no');
});
