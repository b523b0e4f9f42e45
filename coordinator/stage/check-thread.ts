// Checks spec SQL against a schema. Runs in a thread of the coordinator's expendable child.
// In: expressions as text, the columns there are. Out: safe SQL printed from the parsed tree, typed features.
// Why here: DuckDB's own parser and binder read it, and hostile text can take a planner's process with it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duck, openDuck } from '../../common/engine/duckdb.ts';
import type { LabelKind } from '../../common/objective/objectives.ts';
import type { SchemaColumn } from '../../common/wire/plan.ts';
import { checkScalarSql, printSql, type ScalarSql } from '../compile/allowlist.ts';
import { buildFeatures } from '../compile/features.ts';
import { isFloatType, suspects } from '../compile/nan.ts';
import {
  bindExpressions,
  collect,
  type ExpressionText,
  labelKindOf,
  type ParsedExpression,
  parseExpressions,
  typesOf,
} from '../compile/parse.ts';
import type { FeatureSet } from '../compile/tree.ts';

export type CheckRequest = {
  readonly schema: readonly SchemaColumn[];
  readonly filters: readonly ExpressionText[];
  readonly label: ExpressionText | null;
  readonly features: Readonly<Record<string, string>>;
};

export type CheckAnswer = {
  readonly filters: readonly ScalarSql[];
  readonly label: (ScalarSql & { readonly kind: LabelKind }) | null;
  readonly features: FeatureSet | null;
};

const MEMORY_BYTES = 256 * 1024 * 1024;

export async function check(request: CheckRequest): Promise<CheckAnswer> {
  const tempDir = await mkdtemp(join(tmpdir(), 'gristmill-check-'));
  try {
    await using duck = await openDuck({ memoryBytes: MEMORY_BYTES, tempDir, files: [] });
    return await checkWith(duck, request);
  } finally {
    await rm(tempDir, { recursive: true, force: true });
  }
}

async function checkWith(
  duck: Duck,
  { schema, filters, label, features }: CheckRequest,
): Promise<CheckAnswer> {
  const names = Object.keys(features);
  const texts = [
    ...filters,
    ...(label ? [label] : []),
    ...names.map((name) => ({ pointer: `/features/${name}`, sql: features[name]! })),
  ];
  const parsed = await parseExpressions(duck, texts, schema);
  const scalars = collect(parsed.slice(0, parsed.length - names.length), (text) =>
    checkScalarSql(text, schema, text.pointer.slice(1).replaceAll('/', '.')),
  );
  const guarded = await guardFloats(duck, schema, scalars, parsed);
  const safe = guarded.slice(0, filters.length);
  const safeLabel = guarded[filters.length] ?? null;
  const bound = await bindExpressions(duck, schema, [
    ...safe.map(({ sql }, i) => ({
      pointer: filters[i]!.pointer,
      sql,
      shown: filters[i]!.sql,
      expect: 'filter' as const,
    })),
    ...(safeLabel ? [{ pointer: '/label', sql: safeLabel.sql, expect: 'label' as const }] : []),
  ]);
  const byName: Record<string, ParsedExpression> = {};
  names.forEach((name, i) => {
    byName[name] = parsed[parsed.length - names.length + i]!;
  });
  return {
    filters: safe,
    label: safeLabel ? { ...safeLabel, kind: labelKindOf(bound.at(-1)!) } : null,
    features: names.length > 0 ? buildFeatures(byName, schema) : null,
  };
}

/** What is not a number counts as missing wherever an expression computes it, too: see nan.ts. */
async function guardFloats(
  duck: Duck,
  schema: readonly SchemaColumn[],
  scalars: readonly ScalarSql[],
  parsed: readonly ParsedExpression[],
): Promise<readonly ScalarSql[]> {
  const terms = scalars.flatMap((_, i) => [...suspects(parsed[i]!.expr)]);
  const plain = terms.map((term) => printSql(term, schema, new Set()));
  const types = await typesOf(duck, schema, plain);
  const floats = new Set(terms.filter((_, at) => isFloatType(types[at] ?? '')));
  return scalars.map((scalar, i) => ({
    ...scalar,
    sql: printSql(parsed[i]!.expr, schema, floats),
  }));
}
