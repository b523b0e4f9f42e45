// Checks the one way in for raw JSON rows: exact types, exact times, errors that point at the field.
// In: instances and a signature. Out: columns, or ROW_INVALID. Why: serving must read what batch read.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GristmillError } from '../../../common/errors.ts';
import {
  type ColumnBatch,
  formatTime,
  isTime,
  parseRows,
  parseTime,
  TIME_MISSING,
} from '../../../common/predict/rows.ts';
import type { Signature } from '../../../common/stage/terms.ts';

const SIGNATURE: Signature = {
  inputs: [
    { name: 'x', type: 'number' },
    { name: 'a/b~', type: 'string' },
    { name: 't', type: 'time' },
  ],
  label: 'binary',
  codes: [],
  numbers: [],
};
const parse = (...rows: unknown[]): ColumnBatch => parseRows(SIGNATURE, rows);
const refusal = (...rows: unknown[]): GristmillError => {
  try {
    parse(...rows);
  } catch (error) {
    if (error instanceof GristmillError) return error;
    throw error;
  }
  return expect.fail('was accepted');
};

describe('parseRows()', () => {
  test('gives missing values their form in tensors', () => {
    const { rows, columns, ignoredFields } = parse(
      { x: 1.5, 'a/b~': 'ORD', t: '2001-06-30T17:45:00Z' },
      { x: null, 'a/b~': null, t: null },
      { x: true, 'a/b~': 'a\0b\uD800', t: '1900-01-01', more: 1, toString: 2 },
    );
    expect(rows).toBe(3);
    expect(columns.x).toEqual(Float64Array.of(1.5, Number.NaN, 1));
    expect(columns['a/b~']).toEqual(['ORD', '', 'a\uFFFDb\uFFFD']);
    expect(columns.t).toEqual(BigInt64Array.of(993923100000000n, TIME_MISSING, -2208988800000000n));
    expect(ignoredFields).toBe(2);
  });

  test('points at every wrong field', () => {
    const error = refusal({ x: '5', 'a/b~': 5, t: 978307200 }, { x: 1, t: '2001-02-30' }, 7, {
      x: [1],
      'a/b~': {},
      t: 'now',
    });
    expect(error.code).toBe('ROW_INVALID');
    expect(error.errors!.map(({ pointer }) => pointer).sort()).toEqual([
      '/instances/0/a~1b~0',
      '/instances/0/t',
      '/instances/0/x',
      '/instances/1/a~1b~0',
      '/instances/1/t',
      '/instances/2',
      '/instances/3/a~1b~0',
      '/instances/3/t',
      '/instances/3/x',
    ]);
    expect(error.message).toMatch(/^Cannot predict: \/instances\/\d/);
  });

  test('refuses numbers that JSON.parse made infinite, and does not read inherited fields', () => {
    expect(refusal(JSON.parse('{"x": 1e400, "a/b~": null, "t": null}')).errors![0]!.pointer).toBe(
      '/instances/0/x',
    );
    const inherited = Object.create({ x: 1 }) as Record<string, unknown>;
    expect(refusal(Object.assign(inherited, { 'a/b~': '', t: null })).errors![0]!.detail).toContain(
      'absent',
    );
  });

  test('says what it found and what it expected', () => {
    const details = (...rows: unknown[]): string[] =>
      refusal(...rows).errors!.map(({ pointer, detail }) => `${pointer} ${detail}`);
    const good = { x: 1, 'a/b~': '', t: null };
    const number = 'expected a number, or null for missing';
    expect(details({ ...good, x: '5' })).toEqual([`/instances/0/x is string "5", ${number}`]);
    expect(details({ ...good, x: [1] })).toEqual([`/instances/0/x is an array, ${number}`]);
    expect(details({ ...good, x: {} })).toEqual([`/instances/0/x is an object, ${number}`]);
    // no JSON, and refused all the same
    expect(details({ ...good, x: undefined })[0]).toContain('/instances/0/x is undefined');
    expect(details({ 'a/b~': '', t: null })).toEqual([`/instances/0/x is absent, ${number}`]);
    const row = 'expected an object with a field a column';
    expect(details(null, [good], 'x')).toEqual([
      `/instances/0 is null, ${row}`,
      `/instances/1 is an array, ${row}`,
      `/instances/2 is string "x", ${row}`,
    ]);
    const [long] = details({ ...good, x: 'y'.repeat(500) });
    expect(long!.length).toBeLessThan(200);
    expect(details({ ...good, t: ['2001-06-30'] })[0]).toContain('/instances/0/t is an array');
  });

  test('counts the wrong fields, and lists the first twenty', () => {
    const wrong = { x: '', 'a/b~': '', t: null };
    expect(refusal(wrong).message).toMatch(/for missing$/);
    expect(refusal(wrong, wrong).message).toMatch(/ \(and 1 more fields\)$/);
    const many = refusal(...new Array(25).fill(wrong));
    expect(many.errors).toHaveLength(20);
    expect(many.message).toMatch(/ \(and 24 more fields\)$/);
  });
});

test('isTime() holds from the year 1 to the end of 9999', () => {
  const [first, end] = [-62_135_596_800_000_000n, 253_402_300_800_000_000n];
  expect([first - 1n, first, end - 1n, end].map(isTime)).toEqual([false, true, true, false]);
});

describe('parseTime()', () => {
  test.each([
    ['2001-06-30', 993859200000000n],
    ['2001-06-30T17:45', 993923100000000n],
    ['2001-06-30 17:45:00', 993923100000000n],
    ['2001-06-30T17:45:00.5Z', 993923100500000n],
    ['2001-06-30T17:45:00.123456789Z', 993923100123456n],
    ['2001-06-30T19:45:00+02:00', 993923100000000n],
    ['2001-06-30T12:15:00-0530', 993923100000000n],
    ['2000-02-29T23:59:59.999999', 951868799999999n],
    ['0001-01-01', -62135596800000000n],
    ['9999-12-31T23:59:59.999999Z', 253402300799999999n],
  ])('%s', (text, micros) => {
    expect(parseTime(text)).toBe(micros);
  });

  test.each([
    '',
    'now',
    '2001',
    '2001-6-3',
    '1900-02-29',
    '2001-13-01',
    '2001-06-31',
    '2001-06-00',
    '2001-00-10',
    '2001-06-99',
    '2001-06-30T23:00:60',
    '2001-06-30T24:00:00',
    '2001-06-30T23:60:00',
    '2001-06-30T12',
    '2001-06-30T12:00:00+25:00',
    '0000-01-01',
    '10000-01-01',
    '2001-06-30T17:45:00z',
    ' 2001-06-30',
    '993923100',
  ])('refuses %j', (text) => {
    expect(parseTime(text)).toBeUndefined();
  });

  test('reads what formatTime writes', () => {
    const micros = fc.bigInt({ min: -62_135_596_800_000_000n, max: 253_402_300_799_999_999n });
    fc.assert(
      fc.property(micros, (value) => isTime(value) && parseTime(formatTime(value)) === value),
      { seed: 7 },
    );
  });
});
