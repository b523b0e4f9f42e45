// Everything that a feature may call, once, as data: documentation, error messages and tests are derived from it.
// In: the tables of unary, fitted and date functions. Out: their rows, and what is syntax instead of a function.
// Why one list: a function without a serving target cannot be written down.
import { DATE_PART_FUNCTIONS } from './date-parts.ts';
import { FITTED_FUNCTIONS } from './fitted.ts';
import { type FeatureFunction, probes } from './probes.ts';
import { UNARY_FUNCTIONS } from './unary.ts';

/** Every function that a feature may call. Operators, CASE, coalesce and casts are syntax: OPERATORS. */
export const FUNCTIONS: readonly FeatureFunction[] = [
  ...FITTED_FUNCTIONS,
  {
    name: 'clip',
    takes: ['number', 'a constant', 'a constant'],
    gives: 'number',
    says: 'x, or the nearer of the two bounds where it lies outside them',
    example: 'clip(x, -1, 5)',
    on: probes(null, 0, -1, 5, -1),
  },
  ...UNARY_FUNCTIONS,
  ...DATE_PART_FUNCTIONS,
  {
    name: 'category',
    takes: ['number'],
    gives: 'category',
    says: 'a code for each value of a date part (2 + value − its least) or of a condition (2 false, 3 true); 0 where missing',
    example: 'category(hour(t))',
    on: { missing: 0, 'leap day': 25, 'year 10000': 0 },
  },
];

export const FUNCTION_NAMES: ReadonlySet<string> = new Set(FUNCTIONS.map(({ name }) => name));

/** Other names that DuckDB has for one of ours. */
export const OTHER_NAMES: ReadonlyMap<string, string> = new Map(
  FUNCTIONS.flatMap(({ name, also = [] }) => also.map((other) => [other, name])),
);

/** Syntax that both targets have, for documentation and messages. */
export const OPERATORS: readonly { readonly form: string; readonly says: string }[] = [
  {
    form: '+ − * /',
    says: 'float64; missing if either side is, where the result is undefined, and for x / 0',
  },
  {
    form: '= <> < <= > >= between, in (…)',
    says: 'a condition; false where either side is missing',
  },
  { form: 'and or not', says: 'of conditions; `not` of a false condition is true' },
  { form: 'is null, is not null', says: 'whether a column or number is missing; empty text is' },
  { form: 'case when … then … else … end', says: 'of numbers; without `else` missing' },
  { form: 'coalesce(x, …)', says: 'the first number that is not missing' },
  { form: 'x::double, condition::integer', says: 'a condition is 1 or 0, a number stays as it is' },
  { form: `s = 'text', s in ('a', 'b')`, says: 'a text column against constants' },
];
