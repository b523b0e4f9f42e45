// Words of a job's schema that several of its sections use, and the checks that go with them.
// In: names, SQL texts, durations. Out: schema pieces, each with what it expects in words; errors at pointers.
// Why apart: each kind of job brings its own sections, and all say "a name" alike.
import Type from 'typebox';
import type { FieldError } from '../../errors.ts';
import { NAME_PATTERN } from '../../ids.ts';
import { LIMITS } from '../../limits.ts';
import { show } from '../explain.ts';

export const closed = { additionalProperties: false } as const;
export const nameRule = 'a name: 1–63 of a–z, 0–9 and "-", beginning with a letter or digit';
export const Name = Type.String({ pattern: NAME_PATTERN, description: nameRule });
export const Sql = (description: string) =>
  Type.String({ minLength: 1, maxLength: LIMITS.expressionBytesMax, description });
export const Column = Type.String({
  minLength: 1,
  maxLength: 256,
  description: 'the name of a column',
});
export const DURATION = '^[1-9][0-9]{0,4}[smhdw]$';
export const Duration = Type.String({
  pattern: DURATION,
  description: 'a duration such as "30d" (a number and s, m, h, d or w)',
});
export const Share = Type.Number({
  exclusiveMinimum: 0,
  exclusiveMaximum: 1,
  description: 'a fraction of the rows between 0 and 1',
});

/** An SQL text of a job and where it stands. */
export type SqlText = { readonly pointer: string; readonly sql: string };

/** The schema counts characters, DuckDB bytes. */
export function checkBytes(texts: readonly SqlText[]): FieldError[] {
  const max = LIMITS.expressionBytesMax;
  return texts.flatMap(({ pointer, sql }) => {
    const bytes = new TextEncoder().encode(sql).length;
    return bytes <= max ? [] : [{ pointer, detail: `has ${bytes} bytes, expected at most ${max}` }];
  });
}

/** Columns that stand in a list for a second time. */
export function checkRepeats(pointer: string, names: readonly string[]): FieldError[] {
  const seen = new Set<string>();
  return names.flatMap((name, index) => {
    if (seen.has(name))
      return [{ pointer: `${pointer}/${index}`, detail: `repeats the column ${show(name)}` }];
    seen.add(name);
    return [];
  });
}
