import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkKey, checkPrefix, compareKeys, namesBelow } from '../../../common/store/keys.ts';

test('compareKeys() is the order of UTF-8 bytes', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 6 }),
      fc.string({ unit: 'binary', maxLength: 6 }),
      (a, b) => {
        const bytes = Buffer.compare(Buffer.from(a), Buffer.from(b));
        expect(Math.sign(compareKeys(a, b))).toBe(bytes);
      },
    ),
  );
  expect(compareKeys('\uffff', '😀')).toBeLessThan(0);
});

test('checkKey() and checkPrefix() know what is theirs', () => {
  for (const key of ['a', 'a/b', '..a', 'a..', '...', 'day=1/x.parquet', 'ü😀']) {
    expect(checkKey(key)).toBe(key);
  }
  expect(checkPrefix('')).toBe('');
  expect(checkPrefix('a/')).toBe('a/');
  expect(() => checkKey('a/')).toThrow('no leading, trailing or doubled "/"');
  expect(() => checkPrefix('a/../')).toThrow('no "." and no ".."');
  expect(() => checkKey('ü'.repeat(600))).toThrow('at most 1024 bytes');
});

test('namesBelow() gives each name once, folders with "/"', () => {
  expect(namesBelow('a/', ['a/x', 'a/b/1', 'a/b/2', 'a/b-'])).toEqual(['b-', 'b/', 'x']);
});
