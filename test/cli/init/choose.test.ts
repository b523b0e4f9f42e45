// What becomes of a dataset's columns, and of a dataset whose label cannot be learnt.
// In: figures as a coordinator gives them. Out: jobs that the schema takes and the feature compiler reads.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chooseJob, sampleRows } from '../../../cli/init/choose.ts';
import type { Duck } from '../../../common/engine/duckdb.ts';
import { checkJob } from '../../../common/wire/job/job.ts';
import type { ColumnView, DatasetView } from '../../../common/wire/survey.ts';
import { compileFeatures, openTestDuck } from '../../parity/both.ts';
import { column, dataset, lateLabel, ROWS, text, time, whole } from './dataset.ts';

const OPTIONS = {
  name: 'trips',
  schemaUrl: 'http://127.0.0.1:8080/schemas/job.v1.json',
  now: Date.UTC(2030, 0, 1),
};
const choose = (view: DatasetView) => chooseJob(view, OPTIONS);

/** One column beside a plain one that is always a feature. */
const reasonOf = (one: ColumnView, change: Partial<DatasetView> = {}) =>
  choose(dataset([one, column('plain')], change)).reasons.columns.find(
    ({ column }) => column === one.name,
  )!;
const featuresOf = (one: ColumnView, change: Partial<DatasetView> = {}) =>
  Object.values(reasonOf(one, change).features);

describe('chooseJob() makes features', () => {
  test.each<[string, ColumnView, string[]]>([
    ['a number', column('x'), ["standardize(impute(x, 'median'))"]],
    [
      'a number with a long tail',
      column('price', { min: 0, max: 90_000, mean: 500, std: 900 }),
      ["standardize(log1p(impute(price, 'median')))"],
    ],
    [
      'a number with far outliers',
      column('depth', { min: -400, max: 900, mean: 60, std: 2 }),
      ["standardize(clip(impute(depth, 'median'), 50, 70))"],
    ],
    [
      'a number that is often missing',
      column('Speed (kn)', { nulls: 2_000 }),
      [`standardize(impute("Speed (kn)", 'median'))`, '"Speed (kn)" is null'],
    ],
    ['a number nearly always missing', column('note', { nulls: 9_500 }), ['note is null']],
    ['two values', whole('paid', 0, 1), ['paid = 1']],
    ['a code', whole('vendor_id', 1, 3), ['vendor_id = 1', 'vendor_id = 2', 'vendor_id = 3']],
    ['text', text('stop', 3), ['vocabulary(stop, 5)']],
    ['text with room', text('origin', 229), ['vocabulary(origin, 500)']],
    ['text whose values are rare', text('tail', 3_000), ['vocabulary(tail, 1250)']],
    ['yes or no', column('flag', { type: 'BOOLEAN', kind: 'boolean' }), ['category(flag)']],
  ])('of %s', (_what, one, expected) => {
    expect(featuresOf(one)).toEqual(expected);
  });

  test('of a time: parts that come again, and no month that training has not seen', () => {
    const year = time('departed', '2001-01-01T00:00:00Z', '2001-12-31T20:00:00Z');
    expect(featuresOf(year)).toEqual(['category(hour(departed))', 'category(weekday(departed))']);
    const years = time('departed', '2001-01-01', '2009-12-31', { type: 'DATE', top: [] });
    expect(featuresOf(years)).toEqual(['category(weekday(departed))', 'category(month(departed))']);
  });

  test('of the month as a number only where the split is no cut in time', () => {
    const when = time('departed', '2001-01-01T00:00:00Z', '2001-12-31T20:00:00Z');
    const month = whole('month', 1, 12);
    const { reasons } = choose(dataset([month, when, column('plain')]));
    expect(reasons.columns[1]).toMatchObject({ column: 'month', features: {} });
    expect(featuresOf(month)).toHaveLength(12);
  });
});

describe('chooseJob() leaves out, and says why', () => {
  test.each<[ColumnView, string]>([
    [column('delay', { labelExplained: 0.97 }), 'says 97 % of the label'],
    [column('tags', { type: 'VARCHAR[]', kind: null }), 'no feature can read VARCHAR[]'],
    [column('none', { nulls: ROWS, distinct: 0 }), 'always missing'],
    [whole('year', 2013, 2013, { top: [{ value: 2013, count: ROWS }] }), 'constant: always 2013'],
    [whole('row', 1, ROWS), 'counts the rows: 10,000 different values in 10,000 rows'],
    [whole('userId', 17, 900_017, { distinct: 4_000 }), 'an identifier by its name'],
    [text('uuid', ROWS), 'an identifier: 10,000 different values in 10,000 rows'],
    [text('review', 9_000, { lengthMean: 240 }), 'free text: 240 characters in the mean'],
    [
      text('when', 900, { top: [{ value: '2001/02/23 06:30', count: 3 }] }),
      'cast it to TIMESTAMP in the Parquet',
    ],
    [column('prediction'), "a model's own value has this name"],
  ])('$name', (one, why) => {
    const reason = reasonOf(one);
    expect(reason.features).toEqual({});
    expect(reason.why).toContain(why);
  });

  test('what the label is made of, and tells loudly what says the same', () => {
    const { job, reasons } = choose(
      dataset([
        column('delay', { labelExplained: 0.97 }),
        column('speed', { labelExplained: 0.7 }),
      ]),
    );
    expect(Object.keys(job.features!)).toEqual(['speed']);
    expect(reasons.warnings.join('\n')).toContain('delay is left out: it says 97 % of the label');
    expect(reasons.warnings.join('\n')).toContain('speed is close to the label (up to 70 % of it)');
  });
});

describe('chooseJob() splits', () => {
  const from = '2001-01-01T00:00:00Z';
  const to = '2001-06-30T00:00:00Z';

  test('by the time of the event, not by one that comes later', () => {
    const { job, reasons } = choose(
      dataset([time('arrived', from, to), time('departed', from, to)]),
    );
    expect(job.split).toEqual({ by: 'time', column: 'departed', validation: 0.15, test: 0.15 });
    expect(reasons.split).toContain('chosen over arrived');
  });

  test('not by a time of which one value is a whole share, nor by one that is mostly missing', () => {
    const lumpy = time('day', from, to, { top: [{ value: from, count: 2_000 }] });
    const rare = time('returned', from, to, { nulls: 4_000 });
    expect(choose(dataset([lumpy, rare, column('x')])).job.split!.by).toBe('hash');
  });

  test('requires the time where it is missing, and warns of times in the future', () => {
    const when = time('departed', from, '2046-12-31T00:00:00Z', { nulls: 100 });
    const { job, reasons } = choose(dataset([when, column('x')]));
    expect(job.clean).toEqual([{ require: ['departed'] }]);
    expect(reasons.warnings.join('\n')).toMatch(/1 % of the rows have no departed/);
    expect(reasons.warnings.join('\n')).toContain("departed < '2030-01-01'");
  });

  test('by an entity, else by what tells rows apart, else by several columns', () => {
    const splitOf = (...columns: ColumnView[]) =>
      choose(dataset([column('x'), ...columns])).job.split;
    expect(splitOf(text('customer_id', 800))).toMatchObject({ columns: ['customer_id'] });
    expect(splitOf(text('uuid', ROWS))).toMatchObject({ columns: ['uuid'] });
    expect(splitOf(column('y'))).toMatchObject({ by: 'hash', columns: ['x', 'y'] });
    const { job, reasons } = choose(dataset([text('a', 3), text('b', 5)]));
    expect(job.split).toMatchObject({ columns: ['b', 'a'] });
    expect(reasons.warnings.join('\n')).toContain('lumpy');
  });

  test('takes columns that miss a few values where no others tell rows apart', () => {
    const { job } = choose(
      dataset([text('island', 3), column('length', { nulls: 50 }), column('depth', { nulls: 20 })]),
    );
    expect(job.split).toMatchObject({ columns: ['depth', 'length'] });
    expect(job.clean).toEqual([{ require: ['depth', 'length'] }]);
  });
});

describe('chooseJob() sizes the training', () => {
  const trained = (rows: number, columns = [column('x')], explained = 0.4) => {
    const view = dataset(columns.map((one) => ({ ...one, labelExplained: explained })));
    return choose({ ...view, rows, sampledRows: Math.min(rows, ROWS) }).job;
  };

  test('by rows: linear for few, wider and in larger batches for many', () => {
    expect(trained(500).model).toEqual({ kind: 'linear' });
    expect(trained(5_000)).toMatchObject({ model: { hidden: [32] }, train: { batchRows: 64 } });
    expect(trained(3_000_000)).toMatchObject({
      model: { hidden: [128, 64] },
      train: { lanes: 32 },
    });
  });

  test('stays linear where a vocabulary leaves each weight few rows', () => {
    expect(trained(5_000, [text('director', 1_000)]).model).toEqual({ kind: 'linear' });
  });

  test('sees rows less often where no column says much', () => {
    expect(trained(20_000, [column('x')], 0.02).train!.epochs).toBe(3);
    expect(trained(20_000).train!.epochs).toBe(10);
  });
});

describe('chooseJob() refuses', () => {
  test.each<[string, Partial<DatasetView>, string]>([
    [
      'a label that is always missing',
      { label: { ...lateLabel, missing: ROWS } },
      'missing in all rows',
    ],
    ['a constant label', { label: { ...lateLabel, mean: 0 } }, 'always false'],
    ['a class of a few rows', { label: { ...lateLabel, mean: 0.0005 } }, 'rarer class has 5 rows'],
    ['a handful of rows', { rows: 20, sampledRows: 20 }, '20 rows have one, expected at least 40'],
    ['a dataset without a feature', { columns: [column('late')] }, 'none of its 1 columns'],
  ])('%s', (_what, change, message) => {
    expect(() => choose(dataset([column('x')], change))).toThrow(message);
  });

  test('no class that is only rare in the sample', () => {
    const view = dataset([column('x')], { rows: 10 * ROWS, label: { ...lateLabel, mean: 0.0005 } });
    expect(choose(view).reasons.warnings.join('\n')).toContain('look at auc');
  });
});

describe('whatever the columns are called', () => {
  const NAMES = ['Beak Depth (mm)', 'order', 'x"y', "o'clock", 'a', 'A b', '2nd', 'größe', 'null'];
  const columns = [
    ...NAMES.map((name) => column(name, { nulls: 500 })),
    ...NAMES.map((name) => text(`t ${name}`, 12)),
    ...NAMES.map((name) => whole(`${name} code`, -1, 3)),
    time('from', '2001-01-01T00:00:00Z', '2009-06-30T00:00:00Z'),
    column('to', { type: 'BOOLEAN', kind: 'boolean', distinct: 2 }),
  ];
  let duck: Duck;
  beforeAll(async () => {
    duck = await openTestDuck();
  });
  afterAll(() => duck[Symbol.asyncDispose]());

  test('the job is one that a coordinator takes, and its features compile', async () => {
    const view = dataset(columns);
    const { job } = choose(view);
    checkJob(JSON.parse(JSON.stringify(job)));
    const schema = view.columns.map(({ name, type }) => ({ name, type }));
    const set = await compileFeatures(duck, job.features!, schema);
    expect(set.codes.length + set.numbers.length).toBe(Object.keys(job.features!).length);
  });

  test('the rows hold the columns that features read, and no others', async () => {
    const row = Object.fromEntries(
      [...columns, column('late'), column('a b')].map(({ name }) => [name, 1]),
    );
    const view = dataset([...columns, text('a b', ROWS)], { sample: [row, row, row, row] });
    const { job } = choose(view);
    const rows = sampleRows(view, job);
    expect(rows).toHaveLength(3);
    const schema = view.columns.map(({ name, type }) => ({ name, type }));
    const { columns: read } = await compileFeatures(duck, job.features!, schema);
    expect(Object.keys(rows[0]!).sort()).toEqual(read.map(({ name }) => name).sort());
  });
});
