// parseJob(): the example parses, every kind of mistake is told in words, and nothing crashes it.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { GristmillError } from '../../../../common/errors.ts';
import { checkJob, jobSchemaJson, parseJob } from '../../../../common/wire/job/job.ts';
import type { TrainingJob } from '../../../../common/wire/job/training.ts';

const EXAMPLE = {
  $schema: 'job.v1.schema.json',
  specVersion: 1,
  seed: 7,
  name: 'flight-delay',
  dataset: 'flights/**/*.parquet',
  clean: [
    { require: ['date', 'delay', 'origin', 'destination'] },
    { filter: 'distance > 0 and delay between -120 and 1800' },
  ],
  label: 'delay > 15',
  split: { by: 'time', column: 'date', validation: '30d', test: '30d' },
  features: {
    distance: "standardize(log1p(impute(distance, 'median')))",
    hour: 'category(hour(date))',
    weekday: 'category(weekday(date))',
    origin: 'vocabulary(origin, 500)',
    destination: 'vocabulary(destination, 500)',
  },
  model: { kind: 'mlp', hidden: [128, 64], categories: 'sum' },
  train: { optimizer: 'adam', learningRate: 0.002, batchRows: 4096, epochs: 3, lanes: 32 },
  evaluate: { slices: ['origin'] },
  publish: { model: 'flight-delay', environment: 'dev', alias: 'champion' },
};
const bytes = (value: unknown): Uint8Array =>
  new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));

/** "code pointer detail" of each wrong field. */
function complaints(value: unknown): string[] {
  try {
    parseJob(bytes(value));
    return [];
  } catch (error) {
    if (!(error instanceof GristmillError)) throw error;
    return (
      error.errors?.map((e) => `${e.pointer} ${e.detail}`) ?? [`${error.code} ${error.message}`]
    );
  }
}
function parseTraining(value: unknown): TrainingJob {
  const job = parseJob(bytes(value));
  if (job.kind !== 'training') throw new Error(`it is a ${job.kind} job`);
  return job;
}
const withField = (change: Record<string, unknown>): unknown => ({ ...EXAMPLE, ...change });

test('parseJob() reads the example of the design and freezes it', () => {
  const job = parseTraining(EXAMPLE);
  expect(job.training.model).toEqual({ kind: 'mlp', hidden: [128, 64], categories: 'sum' });
  expect(job.publish).toEqual({ model: 'flight-delay', environment: 'dev', alias: 'champion' });
  expect(job.training.slices).toEqual(['origin']);
  expect(Object.isFrozen(job.training.train)).toBe(true);
  expect(Object.keys(job.training.features)).toEqual(Object.keys(EXAMPLE.features));
});

test('parseJob() fills every default', () => {
  const { name, specVersion, dataset, label, split, features } = EXAMPLE;
  const job = parseJob(bytes({ specVersion, name, dataset, label, split, features }));
  expect(job).toEqual({
    kind: 'training',
    specVersion: 1,
    name: 'flight-delay',
    seed: 0,
    dataset,
    clean: [],
    training: {
      label,
      split,
      features,
      model: { kind: 'linear' },
      train: {
        optimizer: 'adam',
        learningRate: 0.001,
        momentum: 0.9,
        batchRows: 4096,
        epochs: 3,
        lanes: 32,
      },
      slices: [],
    },
  });
});

test('parseJob() takes clean alone, and a job without publish', () => {
  const { specVersion, name, dataset, clean } = EXAMPLE;
  expect(parseJob(bytes({ specVersion, name, dataset, clean }))).toEqual({
    kind: 'data',
    specVersion,
    name,
    seed: 0,
    dataset,
    clean,
  });
  expect(complaints(withField({ publish: undefined }))).toEqual([]);
});

test.each<[string, unknown, readonly string[]]>([
  [
    'unknown field',
    withField({ lable: 'x' }),
    ['/lable is not a known field; did you mean "label"?'],
  ],
  [
    'unknown field of a union branch',
    withField({ split: { ...EXAMPLE.split, colum: 'date' } }),
    ['/split/colum is not a field of "time"; did you mean "column"?'],
  ],
  [
    'a field in the wrong place',
    withField({ epochs: 3, model: { kind: 'linear', hidden: [3] } }),
    [
      '/epochs is not a field here, it belongs in "train"',
      '/model/hidden is not a field of "linear", expected "kind"',
    ],
  ],
  [
    'a text for an array',
    withField({ clean: [{ require: 'date' }], specVersion: '1' }),
    ['/specVersion is "1", expected 1', '/clean/0/require is "date", expected an array: ["date"]'],
  ],
  [
    'unknown clean rule',
    withField({ clean: [{ requires: ['a'] }, { filter: 'a > 1' }] }),
    ['/clean/0/requires is not a known field; did you mean "require"?'],
  ],
  [
    'two clean rules in one',
    withField({ clean: [{ require: ['a'], filter: 'a > 1' }] }),
    ['/clean/0 has "require" and "filter", expected only one of them: write one entry each'],
  ],
  [
    'unknown split',
    withField({ split: { ...EXAMPLE.split, by: 'tine' } }),
    ['/split/by is "tine", expected "time" or "hash"; did you mean "time"?'],
  ],
  [
    'wrong duration',
    withField({ split: { ...EXAMPLE.split, test: '30 days' } }),
    [
      '/split/test is "30 days", expected a duration such as "30d" (a number and s, m, h, d or w) or a fraction of the rows between 0 and 1',
    ],
  ],
  [
    'unknown model',
    withField({ model: { kind: 'gbdt' } }),
    ['/model/kind is "gbdt", expected "linear" or "mlp"'],
  ],
  [
    'model without kind',
    withField({ model: { hidden: [3] } }),
    ['/model/kind is missing, expected "linear" or "mlp"'],
  ],
  [
    'model is a text',
    withField({ model: 'mlp' }),
    ['/model is "mlp", expected an object with "kind": "linear" or "mlp"'],
  ],
  [
    'mlp without hidden',
    withField({ model: { kind: 'mlp' } }),
    ['/model/hidden is missing (units of each hidden layer)'],
  ],
  [
    'number as text',
    withField({ train: { ...EXAMPLE.train, epochs: '3' } }),
    ['/train/epochs is "3", expected an integer (passes over all rows)'],
  ],
  [
    'lanes no power of two',
    withField({ train: { lanes: 3 } }),
    ['/train/lanes is 3, expected 1, 2, 4, 8, 16, 32 or 64'],
  ],
  [
    'batchRows no multiple of lanes',
    withField({ train: { batchRows: 4000, lanes: 64 } }),
    ['/train/batchRows is 4000, expected a multiple of lanes (64), for example 4032'],
  ],
  [
    'momentum without sgd',
    withField({ train: { momentum: 0.5 } }),
    ['/train/momentum belongs to optimizer "sgd", but the optimizer is "adam"'],
  ],
  [
    'name',
    withField({ name: 'Flight Delay' }),
    [
      '/name is "Flight Delay", expected a name: 1–63 of a–z, 0–9 and "-", beginning with a letter or digit',
    ],
  ],
  [
    'feature name',
    withField({ features: { 'a b': 'x' } }),
    [
      '/features/a b has a wrong name, expected name → expression: a letter or "_", then letters, digits and "_"',
    ],
  ],
  [
    'features that differ in case',
    withField({ features: { hour: 'a', Hour: 'b' } }),
    ['/features/Hour differs from the feature "hour" only in case, expected another name'],
  ],
  [
    'fractions',
    withField({ split: { by: 'hash', columns: ['a', 'a'], validation: 0.5, test: 0.5 } }),
    [
      '/split/test is 0.5, and with validation 0.5 nothing is left to train on, expected a sum below 1',
      '/split/columns/1 repeats the column "a"',
    ],
  ],
  [
    'mixed split',
    withField({ split: { ...EXAMPLE.split, test: 0.1 } }),
    ['/split/test is 0.1 while validation is "30d", expected two durations or two fractions'],
  ],
  [
    'publish alone',
    { specVersion: 1, name: 'a', dataset: 'd', publish: { model: 'm' } },
    ['label', 'split', 'features'].map(
      (name) =>
        `/${name} is missing: a job with "publish" trains a model, which needs "label", "split" and "features"`,
    ),
  ],
  [
    'several at once',
    { name: 'a', specVersion: 2, dataset: '' },
    ['/specVersion is 2, expected 1', '/dataset is empty, expected at least one character'],
  ],
  ['no object', '[1]', [' is an array of 1, expected an object']],
])('parseJob() explains: %s', (_what, spec, expected) => {
  expect(complaints(spec)).toEqual(expected);
});

test.each<[string, string]>([
  [
    '{"a": 1,\n "a": 2}',
    'Cannot read the job at line 2, column 2: the key "a" stands twice in one object',
  ],
  ['{"a": 9007199254740993}', 'the integer 9007199254740993 cannot be held exactly'],
  ['{"a": 1e400}', 'the number 1e400 is too large'],
  ['['.repeat(65), 'it is nested deeper than 64 levels'],
  ['{"a" 1}', 'line 1, column 6: found "1", expected ":" after the key'],
  ['{"a": 1,}', 'found "}", expected a key in double quotes'],
  ['{a: 1}', 'found "a", expected a key in double quotes'],
  ["{'a': 1}", 'found "\'", expected a key in double quotes'],
  [
    '{"a": "x\ny"}',
    'found a broken string (a line break, a wrong escape, or no closing quote), expected a string',
  ],
  ['{"a": 1} x', 'found "x" behind the value, expected the end'],
  ['', 'found the end, expected a value'],
  ['{"a": NaN}', 'found "NaN", expected a value'],
  ['{"__proto__": 1}', 'the key "__proto__" is not allowed'],
])('parseJob() refuses %j as JSON', (text, expected) => {
  expect(() => parseJob(bytes(text))).toThrow(
    expect.objectContaining({ code: 'BAD_JSON', message: expect.stringContaining(expected) }),
  );
});

test('parseJob() refuses bytes that are not UTF-8, and more than 1 MB', () => {
  expect(complaints('x'.repeat(1_000_001))[0]).toMatch(/^BODY_TOO_LARGE/);
  expect(() => parseJob(new Uint8Array([0xff]))).toThrow('not UTF-8');
});

test('parseJob() survives thousands of damaged jobs', () => {
  const seed = Number(process.env.SEED ?? 20260101);
  const names = ['specVersion', 'name', 'clean', 'require', 'filter', 'split', 'by', 'label', 'x'];
  const json = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      fc.constantFrom(1, 'time', 'hash', 'mlp', 'linear', '30d', null, -1, 0.5, true, ''),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(fc.constantFrom(...names, ...Object.keys(EXAMPLE)), tie('value'), {
        maxKeys: 4,
      }),
    ),
  })).value;
  const damage = fc.tuple(fc.constantFrom(...Object.keys(EXAMPLE)), json);
  console.info(`seed ${seed}`);
  fc.assert(
    fc.property(fc.array(damage, { minLength: 1, maxLength: 3 }), (changes) => {
      const spec = { ...EXAMPLE, ...Object.fromEntries(changes) };
      try {
        expect(checkJob(parseJob(bytes(spec)) && spec)).toBeDefined();
      } catch (error) {
        expect(error).toBeInstanceOf(GristmillError);
        for (const { pointer, detail } of (error as GristmillError).errors ?? []) {
          expect(pointer).toMatch(/^(\/|$)/);
          expect(detail.length).toBeGreaterThan(4);
        }
        expect((error as GristmillError).code).toBe('SPEC_INVALID');
      }
    }),
    { numRuns: 3000, seed },
  );
});

test('jobSchemaJson() is a schema with an $id that accepts the example', () => {
  const schema = jobSchemaJson();
  expect(schema.$id).toBe('/schemas/job.v1.json');
  expect(schema.additionalProperties).toBe(false);
});
