import { expect, test } from 'vitest';
import { makeArena } from '../../../worker/train/simd.ts';

test.each([1, 2, 3, 4, 5, 17, 4096, 105_219])(
  'makeArena() adds %i numbers to the same bits as a loop',
  (length) => {
    const arena = makeArena(length, 3);
    const [left, right, bystander] = arena.slots as [Float32Array, Float32Array, Float32Array];
    for (let i = 0; i < length; i++) {
      left[i] = Math.fround((i + 1) / 3) * (i % 2 ? 1e-20 : -1);
      right[i] = i % 5 === 0 ? -left[i]! : Math.fround(1 / (i + 7));
    }
    bystander.fill(5);
    const expected = left.map((value, i) => value + right[i]!);
    const before = right.slice();
    arena.add(0, 1);
    expect(left).toEqual(expected);
    expect(right).toEqual(before);
    expect(bystander.every((value) => value === 5)).toBe(true);
  },
);

test('makeArena() refuses what no memory can hold', () => {
  expect(() => makeArena(2 ** 30, 8)).toThrow(expect.objectContaining({ code: 'MEMORY' }));
});
