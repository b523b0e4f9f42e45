// What decides bits stands in the table that numerics are made of.
// In: the sources of the algorithms. Out: every number there that the table does not gather, and why it need not.
// Why a ratchet: a constant that nobody lists changes results under an old name.
import { expect, test } from 'vitest';
import { DECIDES_BITS } from '../../common/engine/decides-bits.ts';
import { BIT_LIMITS, LIMITS } from '../../common/limits.ts';
import { sources } from './tree.ts';

/** Numbers that no result depends on. */
const HARMLESS: Readonly<Record<string, string>> = {
  ROOT: 'how nodes are called',
  FLOAT_MAX: 'the edge of a format, not ours to choose',
  FORMAT_VERSION: 'tells readers what is written',
  BINS: 'a short name for LIMITS.validationBins',
  SHIFT: 'follows from LIMITS.buckets',
};

test('every limit that decides bits is in the numerics', () => {
  expect(DECIDES_BITS.limits).toBe(BIT_LIMITS);
  expect(LIMITS).toMatchObject(BIT_LIMITS);
});

test('every number of an algorithm is in the numerics, or told why not', () => {
  const table = sources.find(({ path }) => path === 'common/engine/decides-bits.ts')!;
  const numbers = sources
    .filter(({ path }) => path.startsWith('common/algorithm/'))
    .flatMap(({ path, text }) =>
      [...text.matchAll(/^(?:export )?const ([A-Z][A-Z0-9_]+) = (?:-?[\d.]|LIMITS\.)/gm)].map(
        ([, name]) => ({ path, name: name! }),
      ),
    );
  expect(numbers.length).toBeGreaterThan(3);
  const missing = numbers.filter(
    ({ name }) => HARMLESS[name] === undefined && !new RegExp(`\\b${name}\\b`).test(table.text),
  );
  expect(missing).toEqual([]);
});
