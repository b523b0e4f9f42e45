// Any expression on any row: SQL and ONNX give the same codes and, within 1e-6, the same numbers.
// In: seeded random expressions and hostile rows. Out: no difference. Why random: the traps are where nobody looks.
// SEED=… replays; RUNS=… sets how many.
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Duck } from '../../common/engine/duckdb.ts';
import { GristmillError } from '../../common/errors.ts';
import type { SchemaColumn } from '../../common/wire/plan.ts';
import type { FeatureSet } from '../../coordinator/compile/tree.ts';
import {
  byOnnx,
  bySql,
  compileFeatures,
  differences,
  fitPart,
  makePart,
  makeRaw,
  openTestDuck,
} from './both.ts';

const SCHEMA: readonly SchemaColumn[] = [
  { name: 'x', type: 'DOUBLE' },
  { name: 'y', type: 'FLOAT' },
  { name: 'i', type: 'BIGINT' },
  { name: 'd', type: 'DECIMAL(9,3)' },
  { name: 'flag', type: 'BOOLEAN' },
  { name: 'Wéird "name', type: 'VARCHAR' },
  { name: 's', type: 'VARCHAR' },
  { name: 't', type: 'TIMESTAMP' },
  { name: 'day', type: 'DATE' },
];

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31);
const numRuns = Number(process.env.RUNS ?? 150);
const settings = { seed, numRuns };
console.log(`parity seed ${seed}`);

// Rows
const orNull = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> =>
  fc.option(arbitrary, { freq: 6 });
const hostile = [
  0,
  -0,
  1,
  -1,
  0.5,
  2.5,
  1e-310,
  1e30,
  -1e30,
  1e31,
  1.7976931348623157e308,
  -1e308,
  2 ** 53,
];
const double = fc.oneof(
  fc.constantFrom(...hostile),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.integer({ min: -5, max: 5 }),
);
const float = double.map((value) => Math.fround(Math.abs(value) > 3e38 ? 3e38 : value));
const text = fc.oneof(
  fc.constantFrom(
    '',
    'A',
    'B',
    'a',
    ' ',
    'A ',
    '\uFEFFA',
    'é',
    'é',
    'Ａ',
    '𝄞',
    'null',
    "o'x",
    'a\0b',
    '\uD800',
    'more than twelve bytes',
  ),
  fc.string({ unit: 'grapheme', maxLength: 8 }).filter((value) => !value.includes('\\')),
);
const pad = (value: number, width = 2): string => String(value).padStart(width, '0');
const date = fc
  .record({
    y: fc.oneof(
      fc.constantFrom(1, 1582, 1600, 1899, 1900, 1970, 2000, 2100, 2400, 9999),
      fc.integer({ min: 1, max: 9999 }),
    ),
    n: fc.integer({ min: 0, max: 366 }),
  })
  .map(({ y, n }) => {
    const at = new Date(0);
    at.setUTCFullYear(y, 0, 1 + n);
    return at.getUTCFullYear() > 9999
      ? '9999-12-31'
      : `${pad(at.getUTCFullYear(), 4)}-${pad(at.getUTCMonth() + 1)}-${pad(at.getUTCDate())}`;
  });
const time = fc
  .tuple(date, fc.integer({ min: 0, max: 86_399 }), fc.constantFrom(0, 1, 999_999, 500_000))
  .map(
    ([day, second, micros]) =>
      `${day}T${pad(Math.floor(second / 3600))}:${pad(Math.floor(second / 60) % 60)}:${pad(second % 60)}.${pad(micros, 6)}Z`,
  );
const row = fc.record({
  x: orNull(double),
  y: orNull(float),
  i: orNull(fc.oneof(fc.integer(), fc.constantFrom(2 ** 53, -(2 ** 53)))),
  d: orNull(fc.integer({ min: -999_999_999, max: 999_999_999 }).map((n) => n / 1000)),
  flag: orNull(fc.boolean()),
  'Wéird "name': orNull(text),
  s: orNull(text),
  t: orNull(time),
  day: orNull(date),
});
/** Fits need at least one finite value of anything. */
const plain = {
  x: 1.5,
  y: 2.5,
  i: 3,
  d: 4.125,
  flag: true,
  'Wéird "name': 'A',
  s: 'B',
  t: '2001-06-30T17:45:00Z',
  day: '2000-02-29',
};

// Expressions. Comparisons and floor stay with operations that IEEE rounds alike everywhere: ln and exp may
// differ in the last bit, which a step would turn into a whole.
const constant = fc.constantFrom('0', '1', '-1', '0.1', '2.5', '1e-3', '1e308', '100');
const textColumn = fc.constantFrom('s', '"Wéird ""name"', '"wéird ""NAME"');
const timeColumn = fc.constantFrom('t', 'day');
const part = fc
  .tuple(
    fc.constantFrom('minute', 'hour', 'weekday', 'day', 'month', 'quarter', 'dayofyear', 'year'),
    timeColumn,
  )
  .map(([f, c]) => `${f}(${c})`);
const texts = fc.constantFrom(`'A'`, `'é'`, `'a longer text'`, `'o''x'`);
const { exact } = fc.letrec<{ exact: string; condition: string }>((tie) => ({
  exact: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.constantFrom('x', 'y', 'i', 'd', 'flag', 'X'),
    constant,
    part,
    fc
      .tuple(tie('exact'), fc.constantFrom('+', '-', '*', '/'), tie('exact'))
      .map(([a, op, b]) => `(${a} ${op} ${b})`),
    fc
      .tuple(fc.constantFrom('abs', 'sqrt', 'floor', 'ceil', '-', 'standardize'), tie('exact'))
      .map(([f, a]) => `${f}(${a})`),
    fc
      .tuple(tie('exact'), fc.constantFrom(`'median'`, `'mean'`, '7', '-0.5'))
      .map(([a, by]) => `impute(${a}, ${by})`),
    tie('exact').map((a) => `clip(${a}, -2.5, 1e6)`),
    fc.tuple(tie('exact'), tie('exact')).map(([a, b]) => `coalesce(${a}, ${b})`),
    fc
      .tuple(tie('condition'), tie('exact'), tie('exact'))
      .map(([c, a, b]) => `case when ${c} then ${a} else ${b} end`),
    fc.tuple(tie('condition'), tie('exact')).map(([c, a]) => `case when ${c} then ${a} end`),
    tie('condition').map((c) => `(${c})::integer`),
  ),
  condition: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc
      .tuple(tie('exact'), fc.constantFrom('=', '<>', '<', '<=', '>', '>='), tie('exact'))
      .map(([a, op, b]) => `(${a} ${op} ${b})`),
    fc
      .tuple(tie('exact'), fc.constantFrom('', 'not '))
      .map(([a, not]) => `(${a} ${not}in (1, 2.5, -1))`),
    fc
      .tuple(textColumn, fc.constantFrom('', 'not '), texts, texts)
      .map(([c, not, a, b]) => `(${c} ${not}in (${a}, ${b}))`),
    fc
      .tuple(textColumn, fc.constantFrom('=', '<>'), texts)
      .map(([c, op, a]) => `(${c} ${op} ${a})`),
    fc
      .tuple(
        fc.oneof(textColumn, timeColumn, tie('exact')),
        fc.constantFrom('is null', 'is not null'),
      )
      .map(([a, is]) => `(${a} ${is})`),
    fc.tuple(tie('exact'), tie('exact')).map(([a, b]) => `(${a} between ${b} and 10)`),
    fc
      .tuple(tie('condition'), fc.constantFrom('and', 'or'), tie('condition'))
      .map(([a, op, b]) => `(${a} ${op} ${b})`),
    tie('condition').map((a) => `(not ${a})`),
    fc.constantFrom('flag', '(flag is true)', 'true'),
  ),
}));
const feature = fc.oneof(
  exact,
  exact.map((a) => `log1p(${a})`),
  exact.map((a) => `standardize(log1p(abs(impute(${a}, 'median'))))`),
  exact.map((a) => `ln(${a})`),
  exact.map((a) => `exp(clip(${a}, -20, 10))`),
  part.filter((a) => !a.startsWith('year')).map((a) => `category(${a})`),
  textColumn.map((c) => `vocabulary(${c}, 3)`),
  fc.constant('category(flag)'),
);
const readsColumn = (sql: string): boolean =>
  /\b(?:x|y|i|d|flag|X|s|t|day)\b|Wéird|wéird/.test(sql.replaceAll(/'[^']*'/g, ''));

let duck: Duck;
beforeAll(async () => {
  duck = await openTestDuck();
});
afterAll(() => duck[Symbol.asyncDispose]());

test('any features of any rows are the same by SQL and by ONNX', { timeout: 120_000 }, async () => {
  const features = fc.array(feature.filter(readsColumn), { minLength: 1, maxLength: 6 });
  const skipped = { tooLarge: 0, unfit: 0 };
  await fc.assert(
    fc.asyncProperty(
      features,
      fc.array(row, { minLength: 1, maxLength: 40 }),
      async (expressions, some) => {
        const rows = [plain, ...some];
        const named = Object.fromEntries(expressions.map((sql, n) => [`f${n}`, sql]));
        const set = await compileFeatures(duck, named, SCHEMA).catch((error: unknown) => {
          if (error instanceof GristmillError && /terms|reads no column/.test(error.message))
            return undefined;
          throw error;
        });
        if (!set) {
          skipped.tooLarge++;
          return;
        }
        await makeRaw(duck, SCHEMA, rows);
        await makePart(duck, set, 'raw');
        const found = await compareTargets(set, rows).catch((error: unknown) => {
          if (!(error instanceof GristmillError && /^Cannot fit/.test(error.message))) throw error;
          skipped.unfit++;
          return [];
        });
        expect(found).toEqual([]);
      },
    ),
    settings,
  );
  console.log(`skipped ${JSON.stringify(skipped)}`);
  expect(skipped.tooLarge + skipped.unfit).toBeLessThan(numRuns / 2);
});

async function compareTargets(
  set: FeatureSet,
  rows: readonly Record<string, unknown>[],
): Promise<string[]> {
  const fitted = await fitPart(duck, set);
  return differences(await bySql(duck, set, fitted), await byOnnx(set, fitted, rows));
}
