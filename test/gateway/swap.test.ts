import { expect, test } from 'vitest';
import { checkFinite } from '../../gateway/gateway.ts';
import { compareGolden } from '../../gateway/swap.ts';

const golden = (...predictions: number[]) => ({
  formatVersion: 1 as const,
  rows: predictions.map((prediction) => ({ row: {}, prediction })),
});

test('compareGolden() allows 1e-6 of one, or of what is larger, and names the row that is off', () => {
  compareGolden(golden(0.5, 1e6), Float64Array.of(0.5 + 9e-7, 1e6 + 0.9));
  expect(() => compareGolden(golden(0.5, 0.5), Float64Array.of(0.5, 0.5 + 2e-6))).toThrow(
    /golden row 1 gives 0.500002, expected 0.5/,
  );
  expect(() => compareGolden(golden(0.5), Float64Array.of(Number.NaN))).toThrow(/row 0 gives NaN/);
  expect(() => compareGolden(golden(0.5, 0.5), Float64Array.of(0.5))).toThrow(/row 1/);
});

test('checkFinite() names the first row that gives no number', () => {
  const of = { model: 'm', version: 3, width: 1 };
  checkFinite(Float32Array.of(0, 1), of);
  for (const odd of [Number.NaN, Number.POSITIVE_INFINITY]) {
    expect(() => checkFinite(Float32Array.of(0, odd), of)).toThrow(/row 1 with m version 3/);
  }
});
