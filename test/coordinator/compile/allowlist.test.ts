// Checks what SQL of a spec may say, and that what runs is what was checked.
// In: expressions good and bad. Out: safe SQL that means the same, or a code with a position.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Duck, openDuck } from '../../../common/engine/duckdb.ts';
import { GristmillError } from '../../../common/errors.ts';
import type { SchemaColumn } from '../../../common/wire/plan.ts';
import {
  checkScalarSql,
  SCALAR_FUNCTIONS,
  type ScalarSql,
  VOLATILE,
} from '../../../coordinator/compile/allowlist.ts';
import {
  bindExpressions,
  KEYWORDS,
  labelKindOf,
  parseExpressions,
} from '../../../coordinator/compile/parse.ts';
import { openTestDuck } from '../../parity/both.ts';

const SCHEMA: readonly SchemaColumn[] = [
  { name: 'a', type: 'BIGINT' },
  { name: 'b', type: 'DOUBLE' },
  { name: 'date', type: 'TIMESTAMP' },
  { name: 'We"ird', type: 'VARCHAR' },
  { name: 'place', type: 'STRUCT(city VARCHAR)' },
  { name: 'origin', type: 'VARCHAR' },
];

let duck: Duck;
beforeAll(async () => {
  duck = await openTestDuck();
});
afterAll(() => duck[Symbol.asyncDispose]());

async function check(sql: string): Promise<ScalarSql> {
  const [parsed] = await parseExpressions(duck, [{ pointer: '/clean/0/filter', sql }]);
  return checkScalarSql(parsed!, SCHEMA, 'a filter');
}
const raised = async (act: Promise<unknown>): Promise<GristmillError> =>
  act.then(
    (value) => expect.fail(`gave ${JSON.stringify(value)}`),
    (error: unknown) => {
      if (error instanceof GristmillError) return error;
      throw error;
    },
  );

describe('checkScalarSql() prints what was meant', () => {
  test.each([
    ['a > 1 and b < 2 or not origin = $$x$$', ['a', 'b', 'origin']],
    ['A between 1 and 3 -- the end', ['a']],
    ['/* ) or true */ a * 2 - -3 % 4 > 0.10;', ['a']],
    [
      "case when a in (1, 2) then 'it''s' when b is null then upper(origin) end",
      ['a', 'b', 'origin'],
    ],
    ["date_trunc('day', date) >= timestamp '2001-01-01' - interval 3 day", ['date']],
    ["extract('hour' from date) not in (1, 2) and origin like 'A%'", ['date', 'origin']],
    ['"we""IRD" || place.city', ['We"ird', 'place']],
    [
      'try_cast(origin as decimal(9, 2)) is distinct from coalesce(b, 1e-3, 12345678901234567890)',
      ['b', 'origin'],
    ],
    ["regexp_matches(origin, '^[A-Z]{3}$') and list_contains(['ORD', 'ATL'], origin)", ['origin']],
    ['a is true or (a::boolean) is not true', ['a']],
  ])('%s', async (sql, columns) => {
    const checked = await check(sql);
    expect(checked.columns).toEqual(columns);
    const setup = `SELECT 7::BIGINT a, 2.5::DOUBLE b, TIMESTAMP '2001-02-03 04:05:06' AS date, 'w' AS "We""ird", {city: 'C'} AS place, 'ORD' AS origin`;
    const original = sql.replace(/--.*$|;\s*$/, '');
    const [row] = await duck.rows(
      `SELECT (${original}) AS theirs, (${checked.sql}) AS ours FROM (${setup}) input`,
    );
    expect(row!.ours).toEqual(row!.theirs);
    expect(await check(checked.sql)).toEqual(checked);
  });
});

describe('checkScalarSql() refuses', () => {
  const code = async (sql: string): Promise<string> => (await raised(check(sql))).code;

  test.each([
    // files, settings, other tables
    `(select content from read_text('/etc/passwd')) is null`,
    `exists (from 'x.parquet')`,
    `a in (select 1)`,
    `1) or exists(select 1 from read_text('/etc/passwd')`,
    `a from read_parquet('x')`,
    `a from 'x.csv'`,
    `read_text('/etc/passwd')`,
    `read_blob('x') is null`,
    `glob('*')`,
    `parquet_metadata('x')`,
    `sniff_csv('x')`,
    `getenv('HOME')`,
    `query('select 1')`,
    `query_table('input')`,
    `json_execute_serialized_sql('x')`,
    `json_serialize_plan('select 1')`,
    `which_secret('s3://x', 's3')`,
    `duckdb_settings()`,
    `pragma_version()`,
    `getvariable('x')`,
    `current_setting('threads')`,
    `set_config('threads', '4', false)`,
    `error('x')`,
    `write_log('x')`,
    `main.read_text('x')`,
    `system.main.abs(a)`,
    // more than one scalar
    `a, b`,
    `*`,
    `input.*`,
    `columns('a')`,
    `a; select 1`,
    `a; drop table input`,
    `a union select 1`,
    `a where true`,
    `a group by a`,
    `a order by a`,
    `a limit 1`,
    `distinct a`,
    `a as b`,
    // aggregates, windows, lambdas, parameters
    `sum(a) > 1`,
    `count(*)`,
    `count(a) filter (where a > 1)`,
    `row_number() over ()`,
    `list_transform([1], x -> x + 1)`,
    `list_filter([1], lambda x: x > 1)`,
    `?`,
    `$1`,
    `$name`,
    `#1`,
    `unnest([1, 2])`,
    `generate_series(1, 1000000000)`,
    `repeat('x', 1000000000)`,
    `a::json`,
    `origin collate nocase = 'a'`,
    `grouping(a)`,
    `default`,
    `1e400 > a`,
    `input.a`,
    `nope.a`,
    `place.city.x.y from input`,
  ])('%s', async (sql) => {
    expect(await code(sql)).toMatch(/^SQL_(REFUSED|SYNTAX)$|^NON_DETERMINISTIC$/);
  });

  test.each([
    "ATTACH 'x'",
    "COPY input TO 'x'",
    'PRAGMA version',
    'INSTALL httpfs',
    'SET threads = 4',
    'DROP TABLE input',
    'a > ',
    '((a)',
    '',
    '   ',
    'a > \0 1',
    `${'not '.repeat(1900)}a`,
    `${'abs('.repeat(1500)}a${')'.repeat(1500)}`,
  ])('%s as no expression at all', async (sql) => {
    expect(await code(sql)).toMatch(/^SQL_(REFUSED|SYNTAX)$/);
  });

  test('too many terms and too long a text', async () => {
    expect(await code(`a${' + 1'.repeat(200)}`)).toBe('SQL_REFUSED');
    expect(await code(`a${' '.repeat(9000)}`)).toBe('SQL_REFUSED');
    await check(`a${' + 1'.repeat(90)}`);
  });

  test.each([
    'random() > 0.5',
    'date < now()',
    'date < current_date',
    'current_timestamp',
    'uuid()',
    "nextval('s')",
    'today()',
    'version()',
  ])('%s as not deterministic', async (sql) => {
    expect(await code(sql)).toBe('NON_DETERMINISTIC');
  });

  test('an unknown function, with the nearest and the character', async () => {
    const error = await raised(check('a > 1 and lenght(origin) > 2'));
    expect(error.code).toBe('SQL_REFUSED');
    expect(error.message).toContain('did you mean length?');
    expect(error.message).toContain('(character 11)');
  });

  test('a missing column, with those there are', async () => {
    const error = await raised(check("'é' = origni"));
    expect(error.code).toBe('SQL_COLUMN');
    expect(error.message).toContain('a, b, date, We"ird, place, origin; did you mean origin?');
    expect(error.message).toContain('(character 7)');
  });

  test('all wrong expressions at once, by pointer', async () => {
    const texts = [
      { pointer: '/clean/0/filter', sql: 'a >' },
      { pointer: '/clean/1/filter', sql: 'a > 1' },
      { pointer: '/label', sql: '(select 1)' },
    ];
    const error = await raised(parseExpressions(duck, texts));
    expect(error.errors!.map(({ pointer }) => pointer)).toEqual(['/clean/0/filter', '/label']);
  });
});

describe('parseExpressions() tells of a column that is called like a keyword', () => {
  const schema = [...SCHEMA, { name: 'At', type: 'BIGINT' }];
  const parse = (sql: string) => parseExpressions(duck, [{ pointer: '/label', sql }], schema);

  test('only where it stands unquoted', async () => {
    expect((await raised(parse('at > 3'))).message).toBe(
      'Cannot parse "at > 3": syntax error at or near ">" (character 4); "At" is a word of SQL: where the column is meant, write it in double quotes',
    );
    for (const sql of ['a >', '"at" > 3 and', "origin = 'at' and"])
      expect((await raised(parse(sql))).message).not.toContain('double quotes');
    expect((await parse('"at" > 3'))[0]!.expr).toMatchObject({ left: { path: ['at'] } });
  });

  test('by the keywords that DuckDB has', async () => {
    const rows = await duck.rows(
      "SELECT keyword_name AS word FROM duckdb_keywords() WHERE keyword_category IN ('reserved', 'type_function')",
    );
    expect([...KEYWORDS].sort()).toEqual(rows.map(({ word }) => word as string).sort());
  });
});

describe('bindExpressions()', () => {
  const bind = async (sql: string, expect_: 'filter' | 'label' | 'any'): Promise<string[]> =>
    bindExpressions(duck, SCHEMA, [
      { pointer: '/label', sql: (await check(sql)).sql, expect: expect_ },
    ]);

  test('tells result types', async () => {
    expect(await bind('a > 1', 'filter')).toEqual(['BOOLEAN']);
    expect(await bind('a + 0.5', 'label')).toEqual([expect.stringMatching(/^DECIMAL/)]);
    expect(labelKindOf('BOOLEAN')).toBe('binary');
    expect(labelKindOf('DECIMAL(22,1)')).toBe('regression');
  });

  test.each([
    ['a + 1', 'filter'],
    ['origin', 'label'],
    ['date', 'label'],
    ['upper(a)', 'filter'],
    ['date + b', 'any'],
  ] as const)('refuses %s as %s', async (sql, wanted) => {
    expect((await raised(bind(sql, wanted))).code).toBe('SQL_TYPE');
  });
});

test('every allowed function exists in DuckDB, is scalar and depends on its arguments alone', async () => {
  const rows =
    await duck.rows(`SELECT function_name AS name, bool_and(function_type IN ('scalar', 'macro')) AS scalar,
    bool_and(coalesce(stability, 'CONSISTENT') = 'CONSISTENT') AS stable FROM duckdb_functions() GROUP BY ALL`);
  const known = new Map(rows.map((row) => [row.name as string, row]));
  for (const name of SCALAR_FUNCTIONS) {
    expect(known.get(name), name).toMatchObject({ scalar: true, stable: true });
    expect(VOLATILE.has(name), name).toBe(false);
  }
  const unstable = rows.filter((row) => !row.stable).map((row) => row.name as string);
  expect(unstable.filter((name) => !VOLATILE.has(name) && name !== 'error')).toEqual([]);
});

test('parseExpressions() runs beside a locked engine of 64 MiB', async () => {
  const options = { memoryBytes: 64 * 1024 * 1024, tempDir: '/nowhere', files: [] };
  await using small = await openDuck(options);
  const [parsed] = await parseExpressions(small, [{ pointer: '/label', sql: 'delay > 15' }]);
  expect(parsed!.expr).toMatchObject({ kind: 'compare', op: '>', at: 7 });
});
