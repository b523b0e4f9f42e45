// The tree of one SQL expression, in our own few node kinds.
// In: DuckDB's serialized parse tree. Out: an Expr, or SQL_REFUSED with the position of what is not in it.
// Why translate: what has no kind here cannot get any further, so this file is the allowlist of node types.
import { GristmillError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';

/** `at` is the 1-based character of the operator or name in the expression's text. */
export type Expr = { readonly at: number } & (
  | { readonly kind: 'column'; readonly path: readonly string[] }
  /** Digits as DuckDB would read them again; a double also holds its value. */
  | { readonly kind: 'number'; readonly type: 'exact' | 'double'; readonly text: string }
  | { readonly kind: 'text'; readonly value: string }
  | { readonly kind: 'boolean'; readonly value: boolean }
  | { readonly kind: 'null' }
  | {
      readonly kind: 'call';
      readonly name: string;
      readonly operator: boolean;
      readonly args: readonly Expr[];
    }
  | {
      readonly kind: 'compare';
      readonly op: CompareOp;
      readonly left: Expr;
      readonly right: Expr;
    }
  | { readonly kind: 'logic'; readonly op: 'and' | 'or'; readonly args: readonly Expr[] }
  | { readonly kind: 'not'; readonly of: Expr }
  | { readonly kind: 'isNull'; readonly of: Expr; readonly negated: boolean }
  | {
      readonly kind: 'in';
      readonly of: Expr;
      readonly list: readonly Expr[];
      readonly negated: boolean;
    }
  | { readonly kind: 'between'; readonly of: Expr; readonly low: Expr; readonly high: Expr }
  | { readonly kind: 'coalesce'; readonly args: readonly Expr[] }
  | {
      readonly kind: 'case';
      readonly whens: readonly { readonly when: Expr; readonly result: Expr }[];
      readonly otherwise: Expr;
    }
  | { readonly kind: 'cast'; readonly of: Expr; readonly type: string; readonly trying: boolean }
);

export type CompareOp = (typeof COMPARISONS)[keyof typeof COMPARISONS];

const COMPARISONS = {
  COMPARE_EQUAL: '=',
  COMPARE_NOTEQUAL: '<>',
  COMPARE_LESSTHAN: '<',
  COMPARE_GREATERTHAN: '>',
  COMPARE_LESSTHANOREQUALTO: '<=',
  COMPARE_GREATERTHANOREQUALTO: '>=',
  COMPARE_DISTINCT_FROM: 'IS DISTINCT FROM',
  COMPARE_NOT_DISTINCT_FROM: 'IS NOT DISTINCT FROM',
} as const;

/** Types that a cast may name. All cast the same on every machine: text of times is read as UTC. */
const CAST_TYPES: ReadonlySet<string> = new Set([
  'BOOLEAN',
  'TINYINT',
  'SMALLINT',
  'INTEGER',
  'BIGINT',
  'HUGEINT',
  'UTINYINT',
  'USMALLINT',
  'UINTEGER',
  'UBIGINT',
  'FLOAT',
  'DOUBLE',
  'DECIMAL',
  'VARCHAR',
  'BLOB',
  'DATE',
  'TIME',
  'TIMESTAMP',
  'TIMESTAMP_S',
  'TIMESTAMP_MS',
  'TIMESTAMP_NS',
  'TIMESTAMP WITH TIME ZONE',
  'INTERVAL',
  'UUID',
]);

/** Translates DuckDB's tree of `SELECT <text>`, given as JSON. */
export function exprFromDuck(tree: string, text: string): Expr {
  const reader = new Reader(text);
  return reader.expression(selectItem(reader, parseTree(tree, text)), 1);
}

/** Every node below and including `expr`, parents first. */
export function* walk(expr: Expr): Generator<Expr> {
  yield expr;
  for (const child of childrenOf(expr)) yield* walk(child);
}

export function childrenOf(expr: Expr): readonly Expr[] {
  switch (expr.kind) {
    case 'call':
    case 'logic':
    case 'coalesce':
      return expr.args;
    case 'compare':
      return [expr.left, expr.right];
    case 'not':
    case 'isNull':
    case 'cast':
      return [expr.of];
    case 'in':
      return [expr.of, ...expr.list];
    case 'between':
      return [expr.of, expr.low, expr.high];
    case 'case':
      return [...expr.whens.flatMap(({ when, result }) => [when, result]), expr.otherwise];
    default:
      return [];
  }
}

/** A refusal that says where; shared by all that read expressions. */
export function refuseAt(
  code:
    | 'SQL_REFUSED'
    | 'SQL_COLUMN'
    | 'SQL_TYPE'
    | 'SCHEMA_DRIFT'
    | 'NON_DETERMINISTIC'
    | 'FEATURE_UNSERVABLE',
  at: number,
  message: string,
): GristmillError {
  const said = message.includes(`(character ${at})`) ? message : `${message} (character ${at})`;
  return new GristmillError(code, said);
}

type Json = Readonly<Record<string, unknown>>;

/** Integers beyond 2^53 would lose digits as JSON numbers; they stay text. */
function parseTree(tree: string, text: string): Json {
  const exact = (_key: string, value: unknown, context?: { source?: string }): unknown =>
    typeof value === 'number' &&
    !Number.isSafeInteger(value) &&
    /^-?\d+$/.test(context?.source ?? '')
      ? context!.source
      : value;
  try {
    return JSON.parse(tree, exact as (key: string, value: unknown) => unknown) as Json;
  } catch (cause) {
    const message = `Cannot read ${shorten(text)}: it holds a number beyond 1e308, expected finite numbers`;
    throw new GristmillError('SQL_REFUSED', message, { cause });
  }
}

/** The one item of `SELECT <item>`, if that is all there is. */
function selectItem(reader: Reader, tree: Json): Json {
  if (tree.error === true) {
    const at = reader.position(Number(tree.position));
    const why = String(tree.error_message).slice(0, 200);
    throw new GristmillError(
      'SQL_SYNTAX',
      `Cannot parse ${shorten(reader.text)}: ${why} (character ${at})`,
    );
  }
  const statements = tree.statements as readonly Json[];
  const node = statements[0]?.node as Json | undefined;
  if (statements.length !== 1 || node?.type !== 'SELECT_NODE') {
    throw reader.refuse(1, `${statements.length} statements`);
  }
  const { select_list: items, from_table: from, ...clauses } = node;
  const clause = Object.entries(clauses).find(([name, value]) => !isEmptyClause(name, value));
  if (clause) throw reader.refuse(1, `a ${CLAUSES[clause[0]] ?? clause[0]} clause`);
  if ((from as Json | null)?.type !== 'EMPTY') throw reader.refuse(1, 'a FROM clause');
  const list = items as readonly Json[];
  if (list.length !== 1) throw reader.refuse(1, `${list.length} values`);
  return list[0]!;
}

const CLAUSES: Readonly<Record<string, string>> = {
  modifiers: 'DISTINCT, ORDER BY or LIMIT',
  cte_map: 'WITH',
  where_clause: 'WHERE',
  group_expressions: 'GROUP BY',
  group_sets: 'GROUP BY',
};

function isEmptyClause(name: string, value: unknown): boolean {
  if (name === 'type' || value === null || value === undefined) return true;
  if (name === 'aggregate_handling') return value === 'STANDARD_HANDLING';
  if (Array.isArray(value)) return value.length === 0;
  return name === 'cte_map' && (value as { map?: readonly unknown[] }).map?.length === 0;
}

class Reader {
  readonly text: string;
  readonly #bytes: Buffer;
  #nodes = 0;

  constructor(text: string) {
    this.text = text;
    this.#bytes = Buffer.from(text);
  }

  /** From DuckDB's byte offset in `SELECT <text>` to a 1-based character; undefined where it has none. */
  position(offset: unknown): number | undefined {
    const byte = Number(offset) - PREFIX;
    if (!(byte >= 0 && byte <= this.#bytes.length)) return undefined;
    return [...this.#bytes.subarray(0, byte).toString()].length + 1;
  }

  refuse(at: number, what: string): GristmillError {
    const message = `Cannot use ${what} in ${shorten(this.text)} (character ${at}), expected one scalar expression`;
    return refuseAt('SQL_REFUSED', at, message);
  }

  expression(node: Json, parentAt: number): Expr {
    const at = this.position(node.query_location) ?? parentAt;
    if (++this.#nodes > LIMITS.expressionNodesMax) {
      throw this.refuse(at, `more than ${LIMITS.expressionNodesMax} terms`);
    }
    if (node.alias) throw this.refuse(at, `the name ${JSON.stringify(node.alias)}`);
    const child = (inner: unknown): Expr => this.expression(inner as Json, at);
    const children = (): Expr[] => (node.children as readonly Json[]).map(child);
    switch (node.class) {
      case 'COLUMN_REF':
        return { kind: 'column', path: node.column_names as readonly string[], at };
      case 'CONSTANT':
        return this.constant(node.value as Json, at);
      case 'FUNCTION':
        return this.call(node, children(), at);
      case 'COMPARISON': {
        const op = COMPARISONS[node.type as keyof typeof COMPARISONS];
        if (!op) throw this.refuse(at, String(node.type));
        return { kind: 'compare', op, left: child(node.left), right: child(node.right), at };
      }
      case 'CONJUNCTION': {
        const op = node.type === 'CONJUNCTION_AND' ? 'and' : 'or';
        return { kind: 'logic', op, args: children(), at };
      }
      case 'BETWEEN': {
        const [of, low, high] = [node.input, node.lower, node.upper].map(child) as [
          Expr,
          Expr,
          Expr,
        ];
        return { kind: 'between', of, low, high, at };
      }
      case 'CASE': {
        const whens = (node.case_checks as readonly Json[]).map((check) => ({
          when: child(check.when_expr),
          result: child(check.then_expr),
        }));
        return { kind: 'case', whens, otherwise: child(node.else_expr), at };
      }
      case 'CAST':
        return this.cast(node, child(node.child), at);
      case 'OPERATOR':
        return this.operator(String(node.type), children(), at);
      default:
        throw this.refuse(at, WORDS[String(node.class)] ?? String(node.class).toLowerCase());
    }
  }

  operator(type: string, args: readonly Expr[], at: number): Expr {
    const [of, ...list] = args as [Expr, ...Expr[]];
    switch (type) {
      case 'OPERATOR_NOT':
        return { kind: 'not', of, at };
      case 'OPERATOR_IS_NULL':
      case 'OPERATOR_IS_NOT_NULL':
        return { kind: 'isNull', of, negated: type === 'OPERATOR_IS_NOT_NULL', at };
      case 'COMPARE_IN':
      case 'COMPARE_NOT_IN':
        return { kind: 'in', of, list, negated: type === 'COMPARE_NOT_IN', at };
      case 'OPERATOR_COALESCE':
        return { kind: 'coalesce', args, at };
      default:
        throw this.refuse(at, WORDS[type] ?? type.toLowerCase());
    }
  }

  call(node: Json, args: readonly Expr[], at: number): Expr {
    const name = String(node.function_name).toLowerCase();
    const schema = String(node.schema ?? '');
    if ((schema !== '' && schema !== 'main') || node.catalog)
      throw this.refuse(at, `${schema}.${name}`);
    const orders = (node.order_bys as Json | null)?.orders as readonly unknown[] | undefined;
    if (node.filter || node.distinct || node.export_state || (orders?.length ?? 0) > 0) {
      throw this.refuse(at, `the aggregate ${name}`);
    }
    return { kind: 'call', name, operator: node.is_operator === true, args, at };
  }

  cast(node: Json, of: Expr, at: number): Expr {
    const { id, type_info: info } = node.cast_type as { id: string; type_info: Json | null };
    const trying = node.try_cast === true;
    if (id === 'BOOLEAN' && of.kind === 'text' && /^[tf]$/.test(of.value) && !trying) {
      return { kind: 'boolean', value: of.value === 't', at };
    }
    if (!CAST_TYPES.has(id) || (info !== null && id !== 'DECIMAL')) {
      throw this.refuse(at, `a cast to ${id.toLowerCase()}`);
    }
    const type =
      id === 'DECIMAL' && info ? `DECIMAL(${Number(info.width)}, ${Number(info.scale)})` : id;
    return { kind: 'cast', of, type, trying, at };
  }

  constant(value: Json, at: number): Expr {
    const type = value.type as { id: string; type_info: Json | null };
    if (value.is_null === true) return { kind: 'null', at };
    switch (type.id) {
      case 'BOOLEAN':
        return { kind: 'boolean', value: value.value === true, at };
      case 'VARCHAR':
        return { kind: 'text', value: String(value.value), at };
      case 'DOUBLE':
      case 'FLOAT':
        return { kind: 'number', type: 'double', text: String(Number(value.value)), at };
      case 'TINYINT':
      case 'SMALLINT':
      case 'INTEGER':
      case 'BIGINT':
      case 'UINTEGER':
      case 'UBIGINT':
      case 'HUGEINT':
        return { kind: 'number', type: 'exact', text: String(integerOf(value.value)), at };
      case 'DECIMAL':
        return {
          kind: 'number',
          type: 'exact',
          text: decimalText(integerOf(value.value), Number((type.type_info as Json).scale)),
          at,
        };
      default:
        throw this.refuse(at, `a constant of type ${type.id.toLowerCase()}`);
    }
  }
}

/** Bytes of "select " before the text. */
const PREFIX = 7;

const WORDS: Readonly<Record<string, string>> = {
  SUBQUERY: 'a subquery',
  WINDOW: 'a window function',
  LAMBDA: 'a lambda',
  STAR: '*',
  PARAMETER: 'a parameter',
  POSITIONAL_REFERENCE: 'a positional reference',
  COLLATE: 'a collation',
  DEFAULT: 'DEFAULT',
  GROUPING_FUNCTION: 'the aggregate grouping',
  ARRAY_EXTRACT: 'a subscript',
  ARRAY_SLICE: 'a slice',
  STRUCT_EXTRACT: 'a struct field',
};

/** 128-bit integers come as {upper, lower}. */
function integerOf(value: unknown): bigint {
  if (typeof value === 'object' && value !== null) {
    const { upper, lower } = value as { upper: string | number; lower: string | number };
    return (BigInt(upper) << 64n) + BigInt(lower);
  }
  return BigInt(value as string | number);
}

function decimalText(unscaled: bigint, scale: number): string {
  if (scale === 0) return `${unscaled}.`;
  const sign = unscaled < 0n ? '-' : '';
  const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(scale + 1, '0');
  return `${sign}${digits.slice(0, -scale)}.${digits.slice(-scale)}`;
}

/** An expression as it appears in messages. */
export function shorten(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  return JSON.stringify(line.length > 60 ? `${line.slice(0, 57)}…` : line);
}
