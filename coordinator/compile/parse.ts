// Reads SQL expressions with DuckDB's own parser, and binds them to the columns of a snapshot.
// In: expressions with JSON pointers. Out: trees, or result types; one error that names every wrong field.
// Why in DuckDB: there is no grammar of ours to differ from the one that runs. Nothing is executed here.
import type { Duck } from '../../common/engine/duckdb.ts';
import { type FieldError, GristmillError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import {
  LABEL_KINDS,
  type LabelKind,
  OBJECTIVES,
  objectiveOfType,
} from '../../common/objective/objectives.ts';
import { quoteName } from '../../common/sql.ts';
import type { SchemaColumn } from '../../common/wire/plan.ts';
import { type Expr, exprFromDuck, shorten } from './ast.ts';

export type ExpressionText = {
  /** Where in the spec, for errors: /features/hour. */
  readonly pointer: string;
  readonly sql: string;
};

/** Plain JSON: it crosses from the expendable child to the coordinator. */
export type ParsedExpression = ExpressionText & { readonly expr: Expr };

/** Runs in the coordinator's expendable child. */
export async function parseExpressions(
  duck: Duck,
  texts: readonly ExpressionText[],
  schema: readonly SchemaColumn[] = [],
): Promise<ParsedExpression[]> {
  return collectAwaited(texts, async ({ pointer, sql }) => {
    checkText(sql);
    // As a bound parameter the text is data: it cannot end the statement that reads it.
    const rows = await duck.rows(`SELECT json_serialize_sql('SELECT ' || $1::VARCHAR) AS tree`, [
      sql,
    ]);
    const tree = String(rows[0]!.tree);
    return { pointer, sql, expr: withHint(sql, schema, () => exprFromDuck(tree, sql)) };
  });
}

/** `at > 3` is a syntax error like any other, unless a column is called so: then it wants quotes. */
function withHint<T>(sql: string, schema: readonly SchemaColumn[], read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof GristmillError) || error.code !== 'SQL_SYNTAX') throw error;
    const bare = sql.replaceAll(/"(?:[^"]|"")*"|'(?:[^']|'')*'/g, ' ');
    const words = new Set(bare.toLowerCase().match(/[\p{L}_][\p{L}\p{N}_$]*/gu));
    const [name] = schema.map((column) => column.name).filter((n) => isKeyword(n, words));
    if (name === undefined) throw error;
    const message = `${error.message}; "${name}" is a word of SQL: where the column is meant, write it in double quotes`;
    throw new GristmillError('SQL_SYNTAX', message, { cause: error });
  }
}

const isKeyword = (name: string, words: ReadonlySet<string>): boolean =>
  KEYWORDS.has(name.toLowerCase()) && words.has(name.toLowerCase());

export type BindText = ExpressionText & {
  /** filter: must be BOOLEAN. label: BOOLEAN or a number. any: whatever it is. */
  readonly expect: 'filter' | 'label' | 'any';
  /** The author's own text, for errors. */
  readonly shown?: string;
};

/**
 * The DuckDB type of each expression over an empty table `input` of this schema, in order.
 * `sql` must come from checkScalarSql. Runs in the coordinator's expendable child.
 */
export async function bindExpressions(
  duck: Duck,
  schema: readonly SchemaColumn[],
  texts: readonly BindText[],
): Promise<string[]> {
  await makeInput(duck, schema);
  return collectAwaited(texts, async ({ sql, expect, shown }) => {
    const [column] = await duck.describe(`SELECT (${sql}) AS value FROM input`);
    const type = column!.type;
    if (expect === 'filter' && type !== 'BOOLEAN') {
      const message = `Cannot filter by ${shorten(shown ?? sql)}: it is ${type}, expected BOOLEAN`;
      throw new GristmillError('SQL_TYPE', message);
    }
    if (expect === 'label') labelKindOf(type);
    return type;
  });
}

/** An empty `input`. Columns of which no type of DuckDB's can be made are left out: no expression reads them. */
async function makeInput(duck: Duck, schema: readonly SchemaColumn[]): Promise<void> {
  const columns = schema
    .filter(({ unreadable }) => unreadable === undefined)
    .map(({ name, type }) => `${quoteName(name)} ${type}`);
  await duck.run(`CREATE OR REPLACE TEMP TABLE input (${columns.join(', ') || '__none INTEGER'})`);
}

/** Types of terms over `input`, in order; none where one cannot be bound: whoever binds the whole says why. */
export async function typesOf(
  duck: Duck,
  schema: readonly SchemaColumn[],
  terms: readonly string[],
): Promise<readonly string[]> {
  if (terms.length === 0) return [];
  await makeInput(duck, schema);
  try {
    const found = await duck.describe(
      `SELECT ${terms.map((sql, i) => `(${sql}) AS t${i}`).join(', ')} FROM input`,
    );
    return found.map(({ type }) => type);
  } catch (error) {
    if (error instanceof GristmillError && error.code.startsWith('SQL_')) return [];
    throw error;
  }
}

/** What a label of this DuckDB type asks of a model. */
export function labelKindOf(type: string): LabelKind {
  const kind = objectiveOfType(type);
  if (kind) return kind;
  const hint = LABEL_KINDS.map((one) => OBJECTIVES[one].words.label).join(' or ');
  throw new GristmillError('SQL_TYPE', `Cannot learn a label of type ${type}, expected ${hint}`);
}

/** DuckDB's keywords that cannot name a column without quotes: `duckdb_keywords()`, reserved and type_function. */
export const KEYWORDS: ReadonlySet<string> = new Set(
  `all analyse analyze and any array as asc asymmetric both case cast check collate column constraint
  create default deferrable desc describe distinct do else end except false fetch for foreign from group
  having in initially intersect into lambda lateral leading limit not null offset on only or order pivot
  pivot_longer pivot_wider placing primary qualify references returning select show some summarize
  symmetric table then to trailing true union unique unpivot using variadic when where window with
  anti asof at authorization binary by collation columns concurrently cross freeze full generated glob
  ilike inner is isnull join left like map natural notnull outer overlaps positional right semi similar
  struct tablesample try_cast unpack verbose`
    .trim()
    .split(/\s+/),
);

function checkText(sql: string): void {
  const bytes = Buffer.byteLength(sql);
  if (bytes > LIMITS.expressionBytesMax) {
    const message = `Cannot read an expression of ${bytes} bytes, expected at most ${LIMITS.expressionBytesMax}`;
    throw new GristmillError('SQL_REFUSED', message);
  }
  if (sql.trim() === '') {
    throw new GristmillError('SQL_SYNTAX', 'Cannot parse "": it is empty, expected an expression');
  }
  if (sql.includes('\0')) {
    throw new GristmillError(
      'SQL_SYNTAX',
      `Cannot parse ${shorten(sql)}: it holds a NUL character`,
    );
  }
}

/** Answers for all, or one error: the code of the first that failed, and a line for each of them. */
export function collect<T extends { readonly pointer: string }, R>(
  items: readonly T[],
  act: (item: T) => R,
): R[] {
  const answers: R[] = [];
  const failures: { pointer: string; error: GristmillError }[] = [];
  for (const item of items) {
    try {
      answers.push(act(item));
    } catch (error) {
      if (!(error instanceof GristmillError)) throw error;
      failures.push({ pointer: item.pointer, error });
    }
  }
  if (failures.length > 0) throw joined(failures);
  return answers;
}

/** The same for acts that wait, one after the other. */
async function collectAwaited<T extends { readonly pointer: string }, R>(
  items: readonly T[],
  act: (item: T) => Promise<R>,
): Promise<R[]> {
  const settled: { pointer: string; outcome: PromiseSettledResult<R> }[] = [];
  for (const item of items) {
    const [outcome] = await Promise.allSettled([act(item)]);
    settled.push({ pointer: item.pointer, outcome });
  }
  return collect(settled, ({ outcome }) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}

function joined(failures: readonly { pointer: string; error: GristmillError }[]): GristmillError {
  const first = failures[0]!.error;
  const errors: FieldError[] = failures.map(({ pointer, error }) => ({
    pointer,
    detail: error.message,
  }));
  return new GristmillError(first.code, first.message, { cause: first, errors });
}
