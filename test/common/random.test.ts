// Philox against the known answers of its authors, and as a stream.
import { expect, test } from 'vitest';
import { Philox, philox4x32 } from '../../common/random.ts';

test('philox4x32() gives the known answer of Random123 for zeros', () => {
  expect(philox4x32(0, 0, 0)).toEqual([0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8]);
});

test('Philox streams differ by seed, purpose and path, and repeat by key', () => {
  const first = (...key: ConstructorParameters<typeof Philox>): number =>
    new Philox(...key).uint32();
  const words = [first(1, 'init'), first(2, 'init'), first(1, 'order'), first(1, 'init', 'w1')];
  expect(new Set(words).size).toBe(4);
  expect(first(1, 'init')).toBe(words[0]);
});

test('Philox.below() stays below its bound and reaches all of it', () => {
  const random = new Philox(3, 'order');
  const counts = new Uint32Array(7);
  for (let i = 0; i < 7000; i++) counts[random.below(7)]! += 1;
  expect(Math.min(...counts)).toBeGreaterThan(850);
});
