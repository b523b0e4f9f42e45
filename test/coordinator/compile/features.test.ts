// Checks the typed tree: what is a feature, what is not and what to write instead; levels of fitting.
// In: expressions over a small schema. Out: trees, statistics, or a code with the fix in its message.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Duck } from '../../../common/engine/duckdb.ts';
import { GristmillError } from '../../../common/errors.ts';
import type { SchemaColumn } from '../../../common/wire/plan.ts';
import {
  describeFitted,
  levelCount,
  levelStatistics,
  missingStatistics,
} from '../../../coordinator/compile/levels.ts';
import { castSql, loadSql, rawColumns } from '../../../coordinator/compile/sql.ts';
import type { FeatureSet } from '../../../coordinator/compile/tree.ts';
import { compileFeatures, openTestDuck } from '../../parity/both.ts';

const SCHEMA: readonly SchemaColumn[] = [
  { name: 'x', type: 'DOUBLE' },
  { name: 'n', type: 'INTEGER' },
  { name: 'flag', type: 'BOOLEAN' },
  { name: 'origin', type: 'VARCHAR' },
  { name: 'date', type: 'TIMESTAMP' },
  { name: 'tags', type: 'VARCHAR[]' },
  { name: 'prediction', type: 'DOUBLE' },
];

let duck: Duck;
beforeAll(async () => {
  duck = await openTestDuck();
});
afterAll(() => duck[Symbol.asyncDispose]());

const compile = (features: Record<string, string>): Promise<FeatureSet> =>
  compileFeatures(duck, features, SCHEMA);
const refusal = async (sql: string): Promise<GristmillError> =>
  compile({ f: sql }).then(
    () => expect.fail(`${sql} compiled`),
    (error: unknown) => {
      if (error instanceof GristmillError) return error;
      throw error;
    },
  );

describe('buildFeatures() refuses', () => {
  test.each([
    ['origin', 'SQL_TYPE', 'vocabulary(origin, 500)'],
    ['date', 'SQL_TYPE', 'category(hour(date))'],
    ['tags', 'SQL_TYPE', 'VARCHAR[]'],
    ['1 + 2', 'SQL_TYPE', 'reads no column'],
    ['hour(x)', 'SQL_TYPE', 'a time is needed'],
    ['log1p(origin)', 'SQL_TYPE', 'vocabulary(origin, 500)'],
    ['x and n > 1', 'SQL_TYPE', 'a condition is needed'],
    ['vocabulary(n, 10)', 'SQL_TYPE', 'text column'],
    ['vocabulary(origin, 0)', 'SQL_TYPE', 'whole number from 1'],
    ['vocabulary(origin, n)', 'SQL_TYPE', 'constant'],
    ['category(x)', 'SQL_TYPE', 'date part or a condition'],
    ['category(origin)', 'SQL_TYPE', 'vocabulary(origin, 500)'],
    ['category(year(date))', 'SQL_TYPE', '9999 values'],
    ['category(hour(date)) + 1', 'SQL_TYPE', 'outermost'],
    ['clip(x, 5, 1)', 'SQL_TYPE', 'lower one first'],
    ['clip(x, 1)', 'SQL_TYPE', '2 arguments, expected 3'],
    [`impute(x, 'mode')`, 'SQL_TYPE', `'median', 'mean'`],
    [`origin = ''`, 'SQL_TYPE', 'is null'],
    ['x = null', 'SQL_TYPE', 'is null'],
    ['upper(origin)', 'FEATURE_UNSERVABLE', 'upper'],
    ['x % 2', 'FEATURE_UNSERVABLE', '%'],
    ['round(x)', 'FEATURE_UNSERVABLE', 'round'],
    ['x::integer', 'FEATURE_UNSERVABLE', 'INTEGER'],
    [`origin < 'M'`, 'FEATURE_UNSERVABLE', 'text'],
    [`date > timestamp '2001-01-01'`, 'FEATURE_UNSERVABLE', 'cast'],
    [`extract('epoch' from date)`, 'FEATURE_UNSERVABLE', 'epoch'],
    ['standardise(x)', 'SQL_REFUSED', 'did you mean standardize?'],
    ['constructor(x)', 'SQL_REFUSED', 'constructor'],
    ['random() * x', 'NON_DETERMINISTIC', 'random'],
    ['(select x)', 'SQL_REFUSED', 'subquery'],
    ['avg(x)', 'SQL_REFUSED', 'avg'],
    ['nope', 'SQL_COLUMN', 'expected one of x, n, flag'],
    ['prediction', 'SQL_COLUMN', 'another name'],
    [
      'clip(clip(clip(clip(clip(clip(x, 0, 1), 0, 1), 0, 1), 0, 1), 0, 1), 0, 1)',
      'SQL_REFUSED',
      'terms',
    ],
  ])('%s', async (sql, code, words) => {
    const error = await refusal(sql);
    expect({ code: error.code, pointer: error.errors?.[0]?.pointer }).toEqual({
      code,
      pointer: '/features/f',
    });
    expect(error.message).toContain(words);
    expect(error.message).toMatch(/\(character \d+\)/);
  });

  test('all features that are wrong, each under its pointer', async () => {
    const error = await compile({ a: 'origin', b: 'x', c: 'nope' }).catch(
      (raised: unknown) => raised,
    );
    expect((error as GristmillError).errors!.map(({ pointer }) => pointer)).toEqual([
      '/features/a',
      '/features/c',
    ]);
  });
});

test('buildFeatures() gives codes and numbers in the order of the spec, and only the columns read', async () => {
  const set = await compile({
    b: 'X * 2',
    a: 'vocabulary(ORIGIN, 10)',
    c: 'flag',
    d: 'category(month(date))',
  });
  expect(set.numbers.map(({ feature }) => feature)).toEqual(['b', 'c']);
  expect(set.codes.map(({ feature }) => feature)).toEqual(['a', 'd']);
  expect(rawColumns(set).map(({ name, type }) => `${name} ${type}`)).toEqual([
    'x number',
    'flag number',
    'origin string',
    'date time',
  ]);
  expect(() => Object.assign(set.numbers[0]!.node, { kind: 'constant' })).toThrow(TypeError);
});

test('levelStatistics() fits inner values first and equal ones once', async () => {
  const set = await compile({
    a: `standardize(log1p(impute(x, 'median')))`,
    b: `impute(x, 'median') - impute(n, 'mean')`,
    c: 'standardize(n)',
    d: 'vocabulary(origin, 7)',
  });
  expect(levelCount(set)).toBe(2);
  const first = levelStatistics(set, 0, {});
  expect(first.map(({ kind }) => kind).sort()).toEqual(['frequent', 'moments', 'quantile']);
  const [median] = first.filter(({ kind }) => kind === 'quantile');
  const [second, ...rest] = levelStatistics(set, 1, { [median!.id]: { numbers: [41] } });
  expect(rest).toEqual([]);
  expect(second).toMatchObject({ kind: 'moments', sql: expect.stringContaining(`'41'::DOUBLE`) });
  const again = await compile({ z: `standardize(log1p(impute(X, 'median')))` });
  expect(levelStatistics(again, 0, {})[0]!.id).toBe(median!.id);
});

test('fitted values end up in SQL and in words', async () => {
  const set = await compile({ a: 'standardize(x)', d: 'vocabulary(origin, 7)', e: 'x' });
  const [moments, frequent] = ['moments', 'frequent'].map(
    (kind) => levelStatistics(set, 0, {}).find((statistic) => statistic.kind === kind)!.id,
  );
  const fitted = { [moments!]: { numbers: [2, 0] }, [frequent!]: { strings: ["o'x", 'B'] } };
  expect(loadSql(set, fitted).codes).toMatchObject([{ feature: 'd', size: 4 }]);
  expect(describeFitted(set, fitted)).toEqual([
    { name: 'd', expression: 'vocabulary(origin, 7)', fitted: `2 values, most frequent o'x B` },
    { name: 'a', expression: 'standardize(x)', fitted: 'mean 2, std 1' },
    { name: 'e', expression: 'x', fitted: '' },
  ]);
  expect(missingStatistics(set, fitted).map(({ id }) => id)).toEqual(['a', 'e']);
  expect(() => loadSql(set, {})).toThrow(GristmillError);
});

test('castSql() makes NULL of all that a request cannot send', async () => {
  const cast = async (value: string, type: string): Promise<unknown> => {
    const sql = castSql({ name: 'c', type });
    const [row] = await duck.rows(`SELECT ${sql} AS v FROM (SELECT ${value} AS c)`);
    return row!.v;
  };
  expect(await cast(`'inf'::DOUBLE`, 'DOUBLE')).toBe(null);
  expect(await cast(`'nan'::FLOAT`, 'FLOAT')).toBe(null);
  expect(await cast('true', 'BOOLEAN')).toBe(1);
  expect(await cast('1.5::DECIMAL(9, 2)', 'DECIMAL(9,2)')).toBe(1.5);
  expect(await cast(`'a' || chr(0)`, 'VARCHAR')).toBe('a\uFFFD');
  expect(await cast(`DATE '2001-02-03'`, 'DATE')).toBe('2001-02-03 00:00:00');
  expect(await cast(`TIMESTAMPTZ '2001-02-03 01:00:00+02'`, 'TIMESTAMP WITH TIME ZONE')).toBe(
    '2001-02-02 23:00:00',
  );
  expect(await cast(`TIMESTAMP_NS '2001-02-03 00:00:00.123456789'`, 'TIMESTAMP_NS')).toBe(
    '2001-02-03 00:00:00.123456',
  );
  for (const value of [
    `'infinity'::TIMESTAMP`,
    `'10000-01-01'::TIMESTAMP`,
    `'0001-01-01 (BC)'::TIMESTAMP`,
  ]) {
    expect(await cast(value, 'TIMESTAMP'), value).toBe(null);
  }
  for (const value of [`'infinity'::DATE`, `'5000000-01-01'::DATE`]) {
    expect(await cast(value, 'DATE'), value).toBe(null);
  }
  expect(() => castSql({ name: 'c', type: 'VARCHAR[]' })).toThrow(GristmillError);
});
