// Keys by hash and by time as DuckDB computes them, and ranges that leave out no row and count none twice.
import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { openDuck } from '../../../common/engine/duckdb.ts';
import {
  hashRanges,
  needsQuantiles,
  overlaps,
  splitKeySql,
  timeRanges,
} from '../../../coordinator/plan/split.ts';
import { tempFolder } from '../../support/runner.ts';

const DAY = 86_400e6;
/** What these rows must hash to in every version to come: other numbers would move rows between splits. */
const GOLDEN = [1160, 5867];

test('timeRanges() counts durations back from the newest key, with a gap before each part', () => {
  const ranges = timeRanges(
    { by: 'time', column: 'at', validation: '10d', test: '5d', gap: '1d' },
    100 * DAY,
    () => Number.NaN,
  );
  expect(ranges).toEqual({
    train: { after: null, upTo: 83 * DAY },
    validation: { after: 84 * DAY, upTo: 94 * DAY },
    test: { after: 95 * DAY, upTo: 100 * DAY },
  });
});

test('timeRanges() asks for quantiles where the spec has fractions', () => {
  const ranges = timeRanges({ by: 'time', column: 'at', validation: 0.2, test: 0.1 }, 1000, (p) =>
    Math.round(p * 1000),
  );
  expect(ranges.test).toEqual({ after: 900, upTo: 1000 });
  expect(ranges.validation).toEqual({ after: 700, upTo: 900 });
  expect(ranges.train).toEqual({ after: null, upTo: 700 });
});

test('hashRanges() shares out all basis points, each once', () => {
  const ranges = hashRanges({ by: 'hash', columns: ['id'], validation: 0.15, test: 0.1 });
  const counts = { train: 0, validation: 0, test: 0 };
  for (let point = 0; point < 10_000; point++) {
    const inside = (['train', 'validation', 'test'] as const).filter((name) =>
      overlaps(ranges[name], { min: point, max: point }),
    );
    expect(inside).toHaveLength(1);
    counts[inside[0]!] += 1;
  }
  expect(counts).toEqual({ train: 7500, validation: 1500, test: 1000 });
});

test('splitKeySql() by hash gives golden basis points, and none where a column is missing', async () => {
  const sql = splitKeySql(
    { by: 'hash', columns: ['n', 's'], validation: 0.1, test: 0.1 },
    (name) => ({
      sql: name,
      type: name === 'n' ? 'number' : 'string',
    }),
  );
  await using duck = await openDuck({ memoryBytes: 2 ** 28, tempDir: tempFolder(), files: [] });
  const rows = await duck.rows(
    `SELECT ${sql} AS k FROM (VALUES (1, 'a'), (1.5, 'ä'), (NULL, 'a'), (7, NULL)) t(n, s)`,
  );
  const golden = ['1.0\u001fa', '1.5\u001fä'].map((words) => {
    const hash = createHash('md5').update(`gristmill split 1\u001f${words}`).digest();
    return Number(hash.readBigUInt64LE(8) % 10_000n);
  });
  expect(golden).toEqual(GOLDEN);
  expect(rows.map(({ k }) => k)).toEqual([...GOLDEN, null, null]);
});

test('splitKeySql() by time refuses a column that holds no time', () => {
  const split = { by: 'time', column: 'n', validation: '1d', test: '1d' } as const;
  expect(() => splitKeySql(split, () => ({ sql: '"n"', type: 'number' }))).toThrow(
    /it is a number, expected a date or timestamp/,
  );
});

test('splitKeySql() by time is microseconds, also of a column that a hash is made of', async () => {
  const canonical = () => ({ sql: 'moment', type: 'time' });
  const byTime = splitKeySql({ by: 'time', column: 'at', validation: '1d', test: '1d' }, canonical);
  const byHash = splitKeySql(
    { by: 'hash', columns: ['at'], validation: 0.1, test: 0.1 },
    canonical,
  );
  await using duck = await openDuck({ memoryBytes: 2 ** 28, tempDir: tempFolder(), files: [] });
  const [row] = await duck.rows(
    `SELECT ${byTime} AS t, ${byHash} AS h FROM (VALUES (TIMESTAMP '1970-01-01 00:00:02')) v(moment)`,
  );
  const hash = createHash('md5').update('gristmill split 1\u001f2000000').digest();
  expect(Number(row!.t)).toBe(2_000_000);
  expect(row!.h).toBe(Number(hash.readBigUInt64LE(8) % 10_000n));
});

test('splitKeySql() by hash takes an integer for the number that a batch reads', () => {
  const of = (type: string) =>
    splitKeySql({ by: 'hash', columns: ['n'], validation: 0.1, test: 0.1 }, () => ({
      sql: 'n',
      type,
    }));
  expect(of('number')).toContain('(n)::DOUBLE::VARCHAR');
  expect(of('string')).not.toContain('DOUBLE'); // '1' and '1.0' are two texts
});

test('needsQuantiles() where a fraction of time is asked for', () => {
  const time = { by: 'time', column: 'at' } as const;
  expect(needsQuantiles({ ...time, validation: '1d', test: '1d' })).toBe(false);
  expect(needsQuantiles({ ...time, validation: 0.1, test: 0.1 })).toBe(true);
  expect(needsQuantiles({ ...time, validation: 0.1, test: '1d' })).toBe(true);
  expect(needsQuantiles({ ...time, validation: '1d', test: 0.1 })).toBe(true);
  expect(needsQuantiles({ by: 'hash', columns: ['n'], validation: 0.1, test: 0.1 })).toBe(false);
});
