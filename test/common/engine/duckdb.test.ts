// Checks the one door to DuckDB: exact values, speed-shaped scans, a locked sandbox, translated errors.
// In: tiny queries and files. Out: typed arrays, rows, or a code. Why: everything batch stands on it.
import { mkdtemp, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type ColumnData, type Duck, INT64_MIN, openDuck } from '../../../common/engine/duckdb.ts';
import { quoteText } from '../../../common/sql.ts';

const scratch = (): Promise<string> => mkdtemp(join(tmpdir(), 'gristmill-duck-'));
async function open(files: readonly string[] = [], writeDir?: string): Promise<Duck> {
  const base = { memoryBytes: 256 * 1024 * 1024, tempDir: await scratch(), files };
  return openDuck(writeDir === undefined ? base : { ...base, writeDir });
}

describe('scan()', () => {
  test('gives NULL as NaN, INT64_MIN and null, and every other value exactly', async () => {
    await using duck = await open();
    const seen: ColumnData[] = [];
    const rows = await duck.scan(
      `SELECT x::DOUBLE, x::FLOAT, t::TIMESTAMP, s FROM (VALUES
        (1.5, '2001-01-01 00:00:00.000001', 'a'), (NULL, NULL, NULL), ('inf'::DOUBLE, '1900-01-01', chr(65279) || 'é'),
        (-0.25, '2100-12-31', 'a longer string than twelve bytes 𝄞'), (0, '1970-01-01', 'a' || chr(0) || 'b'), (0, '1970-01-01', '')
      ) v(x, t, s)`,
      ['float64', 'float32', 'int64', 'string'],
      (_, columns) => void seen.push(...columns),
    );
    expect(rows).toBe(6);
    expect(Array.from(seen[0] as Float64Array)).toEqual([1.5, Number.NaN, Infinity, -0.25, 0, 0]);
    expect((seen[1] as Float32Array)[1]).toBeNaN();
    expect((seen[2] as BigInt64Array)[0]).toBe(978307200000001n);
    expect((seen[2] as BigInt64Array)[1]).toBe(INT64_MIN);
    expect(seen[3]).toEqual([
      'a',
      null,
      '\uFEFFé',
      'a longer string than twelve bytes 𝄞',
      'a\0b',
      '',
    ]);
  });

  test('keeps strings apart that collide in the table of those seen', async () => {
    await using duck = await open();
    let wrong = 0;
    await duck.scan(
      `SELECT i::BIGINT, 'k' || i FROM range(60000) r(i)`,
      ['int64', 'string'],
      (rows, columns) => {
        for (let row = 0; row < rows; row++)
          if (columns[1]![row] !== `k${columns[0]![row]}`) wrong++;
      },
    );
    expect(wrong).toBe(0);
  });

  test('passes on what its consumer throws', async () => {
    await using duck = await open();
    const fail = (): void => {
      throw new RangeError('mine');
    };
    await expect(duck.scan('SELECT 1', ['int32'], fail)).rejects.toThrow(new RangeError('mine'));
    await expect(duck.scan('SELECT 1', ['int32'], async () => fail())).rejects.toThrow('mine');
  });

  test('refuses NULL in int32 and types that differ from the kind', async () => {
    await using duck = await open();
    const none = (): void => {};
    await expect(duck.scan('SELECT NULL::INTEGER', ['int32'], none)).rejects.toMatchObject({
      code: 'INTERNAL',
    });
    await expect(duck.scan('SELECT 1::BIGINT', ['int32'], none)).rejects.toMatchObject({
      code: 'INTERNAL',
    });
    await expect(duck.scan('SELECT 1', ['int32', 'int32'], none)).rejects.toMatchObject({
      code: 'INTERNAL',
    });
  });
});

test('rows() gives plain values', async () => {
  await using duck = await open();
  expect(
    await duck.rows(
      `SELECT 7::BIGINT AS a, 9007199254740993 AS b, 1.25::DECIMAL(5,2) AS c, $1::VARCHAR AS d, [1, 2] AS e,
      sum(i)::HUGEINT AS f, TIMESTAMP '2001-02-03 04:05:06' AS g FROM range(4) r(i)`,
      ["it's"],
    ),
  ).toEqual([
    { a: 7, b: 9007199254740993n, c: 1.25, d: "it's", e: [1, 2], f: 6, g: '2001-02-03 04:05:06' },
  ]);
});

test('quoteText() keeps quotes and NUL', async () => {
  await using duck = await open();
  const hostile = 'a\'b\0c\\ "';
  expect(await duck.rows(`SELECT ${quoteText(hostile)} AS s`)).toEqual([{ s: hostile }]);
});

describe('the sandbox', () => {
  test('reads only the files named and writes only in the directory named', async () => {
    const dir = await scratch();
    const out = await scratch();
    const [good, bad, link] = [join(dir, 'good.csv'), join(dir, 'bad.csv'), join(dir, 'link.csv')];
    await writeFile(good, 'a\n1\n');
    await writeFile(bad, 'a\n2\n');
    await symlink(bad, link);
    await using duck = await open([good], out);
    expect(await duck.rows(`SELECT * FROM read_csv(${quoteText(good)})`)).toEqual([{ a: 1 }]);
    await duck.run(`COPY (SELECT 1 AS a) TO ${quoteText(join(out, 'x.parquet'))} (FORMAT parquet)`);
    for (const sql of [
      `SELECT * FROM read_csv(${quoteText(bad)})`,
      `SELECT * FROM read_text(${quoteText(link)})`,
      `SELECT * FROM read_text('/proc/self/environ')`,
      `SELECT * FROM glob('/*')`,
      `COPY (SELECT 1) TO ${quoteText(join(dir, 'y.csv'))}`,
      `ATTACH ${quoteText(join(dir, 'z.db'))}`,
      `SET enable_external_access = true`,
      `SET threads = 4`,
      'INSTALL httpfs',
      'LOAD httpfs',
      `SELECT * FROM 'https://example.org/x.parquet'`,
    ]) {
      await expect(duck.rows(sql), sql).rejects.toHaveProperty('code');
    }
  });
});

describe('errors', () => {
  test.each([
    ['SELECT 1 +', 'SQL_SYNTAX'],
    ['SELECT nope FROM (SELECT 1 AS a)', 'SQL_COLUMN'],
    ['SELECT -(true)', 'SQL_TYPE'],
    ['SELECT foo(1)', 'SQL_REFUSED'],
    [`SELECT s::INTEGER FROM (VALUES ('secret cell')) v(s)`, 'SQL_RUNTIME'],
    [`SELECT s::INTEGER FROM (VALUES ('secret snappy corrupt')) v(s)`, 'SQL_RUNTIME'],
    [`SELECT strptime(s, '%Y') FROM (VALUES ('secret corrupt')) v(s)`, 'SQL_RUNTIME'],
    ['SELECT v.b FROM (SELECT 1 AS a) v', 'SQL_COLUMN'],
    ['SELECT ln(x) FROM (VALUES (0)) v(x)', 'SQL_RUNTIME'],
    ['SELECT 9223372036854775807 + x FROM (VALUES (1::BIGINT)) v(x)', 'SQL_RUNTIME'],
  ])('%s is %s', async (sql, code) => {
    await using duck = await open();
    const error = await duck.rows(sql).then(
      () => undefined,
      (raised: Error) => raised,
    );
    expect(error).toMatchObject({ code });
    expect(error!.message).not.toContain('secret');
  });

  test('a file that is no Parquet is SHARD_UNREADABLE', async () => {
    const file = join(await scratch(), 'bad.parquet');
    await writeFile(file, 'not parquet');
    await using duck = await open([file]);
    await expect(duck.rows(`SELECT * FROM read_parquet(${quoteText(file)})`)).rejects.toMatchObject(
      {
        code: 'SHARD_UNREADABLE',
      },
    );
  });

  test('too large a sort is MEMORY', async () => {
    await using duck = await openDuck({
      memoryBytes: 8 * 1024 * 1024,
      tempDir: await scratch(),
      files: [],
    });
    const sql = `SELECT list(i::VARCHAR || 'padding') FROM range(3000000) r(i)`;
    await expect(duck.rows(sql)).rejects.toMatchObject({ code: 'MEMORY' });
  });
});
