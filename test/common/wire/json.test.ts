// parseStrictJson(): the same values as JSON.parse, except where that would lose something in silence.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GristmillError } from '../../../common/errors.ts';
import { parseStrictJson } from '../../../common/wire/json.ts';

const parse = (text: string): unknown => parseStrictJson(new TextEncoder().encode(text), 'it');
const seed = Number(process.env.SEED ?? 7);

test('parseStrictJson() gives what JSON.parse gives', () => {
  console.info(`seed ${seed}`);
  const json = fc.oneof(
    fc.json({ maxDepth: 6 }),
    fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.stringify(value, null, 2)),
  );
  fc.assert(
    fc.property(json, (text) => {
      fc.pre(!text.includes('__proto__') && !/\d{16}/.test(text));
      expect(parse(text)).toEqual(JSON.parse(text));
    }),
    { numRuns: 1000, seed },
  );
});

test('parseStrictJson() refuses whatever JSON.parse refuses', () => {
  const text = fc
    .tuple(fc.json(), fc.nat(), fc.constantFrom('', '"', '\\', ',', '}', ' ', '0', 'e', '\n'))
    .map(
      ([json, at, with_]) => json.slice(0, at % json.length) + with_ + json.slice(at % json.length),
    );
  fc.assert(
    fc.property(text, (damaged) => {
      const expected = settle(() => JSON.parse(damaged));
      const found = settle(() => parse(damaged));
      if (expected.error) expect((found.error as GristmillError).code).toBe('BAD_JSON');
      else if (!found.error) expect(found.value).toEqual(expected.value);
    }),
    { numRuns: 2000, seed },
  );
});

test('parseStrictJson() reads a string of 900 KB', () => {
  expect(parse(JSON.stringify('x"\\é'.repeat(150_000)))).toHaveLength(600_000);
});

test('parseStrictJson() names line and column', () => {
  expect(() => parse('{\n  "a": [1, 2,, 3]\n}')).toThrow(
    new GristmillError(
      'BAD_JSON',
      'Cannot read it at line 2, column 14: found ",", expected a value',
    ),
  );
});

function settle(act: () => unknown): { value?: unknown; error?: unknown } {
  try {
    return { value: act() };
  } catch (error) {
    return { error };
  }
}
