// explainSchema(): every wrong field in words, at a cost that the value sets and nobody's malice raises.
import { Ajv } from 'ajv';
import fc from 'fast-check';
import Type from 'typebox';
import { expect, test } from 'vitest';
import {
  ERRORS_MAX,
  explainSchema,
  Found,
  show,
  shownErrors,
} from '../../../common/wire/explain.ts';
import { JobSchema } from '../../../common/wire/job/job.ts';
import { TriggerSchema } from '../../../coordinator/trigger/spec.ts';

const JOB = { specVersion: 1, name: 'a', dataset: 'd' };

/** How many values were looked at, and what was found. */
function visitsOf(schema: object, value: unknown): { visits: number; errors: number } {
  const found = new Found();
  const errors = explainSchema(schema, value, '', found);
  return { visits: found.visits, errors: errors.length };
}

test('a list that is too long is not looked into: 200,000 wrong rules cost what one does', () => {
  const of = (count: number) =>
    visitsOf(JobSchema, { ...JOB, clean: Array.from({ length: count }, () => 1) });
  expect(of(200_000)).toEqual(of(65));
  expect(of(200_000)).toMatchObject({ errors: 1 });
});

test('a list of wrong unions costs a few looks an item, until a hundred errors are found', () => {
  const Many = Type.Object({
    list: Type.Array(
      Type.Union([Type.Object({ a: Type.Number() }), Type.Object({ b: Type.Number() })]),
    ),
  });
  const of = (count: number) => visitsOf(Many, { list: Array.from({ length: count }, () => 1) });
  expect(of(1000).visits).toBeLessThanOrEqual(4 * ERRORS_MAX);
  expect(of(200_000)).toEqual(of(1000));
  expect(of(50).visits - of(49).visits).toBe(of(20).visits - of(19).visits); // linear below the bound
});

test('after a hundred errors it says that nobody looked further', () => {
  const fields = Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`x${i}`, 1]));
  const errors = explainSchema(JobSchema, { ...JOB, ...fields });
  expect(errors).toHaveLength(ERRORS_MAX + 1);
  expect(errors.at(-1)).toEqual({
    pointer: '',
    detail: 'has more wrong fields, perhaps: after 100 nobody looked',
  });
});

test('a key or a value of 900 KB is cut where it is shown, and compared with nothing', () => {
  const long = 'k'.repeat(900_000);
  const errors = explainSchema(JobSchema, { ...JOB, [long]: 1, name: long });
  expect(errors).toHaveLength(2);
  for (const { pointer, detail } of errors) {
    expect(pointer.length).toBeLessThan(100);
    expect(detail.length).toBeLessThan(250);
  }
  expect(show(long).length).toBeLessThan(90);
});

test('a union of an object and another kind explains the object that was sent', () => {
  const Maybe = Type.Object({ of: Type.Union([Type.Object({ a: Type.Number() }), Type.Null()]) });
  expect(explainSchema(Maybe, { of: { a: 'x' } })).toEqual([
    { pointer: '/of/a', detail: 'is "x", expected a number' },
  ]);
  expect(explainSchema(Maybe, { of: null })).toEqual([]);
});

test('a keyword that the walk does not know is told in the words of the validator', () => {
  const Even = { type: 'number', multipleOf: 2 };
  expect(explainSchema(Even, 3)).toEqual([
    { pointer: '', detail: 'must be multiple of 2: it is 3' },
  ]);
});

test('shownErrors() names the first and counts the others', () => {
  const one = { pointer: '/a', detail: 'is wrong' };
  expect(shownErrors([one])).toBe('/a is wrong');
  expect(shownErrors([{ ...one, pointer: '' }, one])).toBe(
    'it is wrong (and 1 more: see "errors")',
  );
});

test.each([
  ['job', JobSchema],
  ['trigger', TriggerSchema],
])('what the walk finds wrong with a %s is what the validator finds wrong', (_name, schema) => {
  const validate = new Ajv({ strict: false }).compile(schema);
  const seed = Number(process.env.SEED ?? 20260102);
  console.info(`seed ${seed}`);
  const names = Object.keys((schema as { properties: object }).properties);
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(
        1,
        0,
        'UTC',
        'skip',
        'time',
        'mlp',
        '30d',
        null,
        -1,
        0.5,
        true,
        '',
        '* * * * *',
      ),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(
        fc.constantFrom('require', 'filter', 'by', 'kind', 'cron', ...names),
        tie('value'),
        {
          maxKeys: 5,
        },
      ),
    ),
  })).value;
  fc.assert(
    fc.property(fc.dictionary(fc.constantFrom(...names), json), (changes) => {
      const value = { ...JOB, ...changes };
      const found = new Found();
      const errors = explainSchema(schema, value, '', found);
      expect(errors.length === 0).toBe(validate(value));
      if (errors.length > 0) expect(found.errors.length, JSON.stringify(value)).toBeGreaterThan(0);
    }),
    { numRuns: 2000, seed },
  );
});
