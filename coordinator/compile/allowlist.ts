// Decides which SQL of a spec may run, and writes it anew.
// In: a parsed filter or label, and the columns there are. Out: safe SQL text and the columns it reads.
// Why anew: what runs is printed from the checked tree, each name and text quoted by us, each term in its own
// parentheses. Nothing of the author's text is passed on, so no comment, quote or `;` in it can break out. The other way,
// passing verified text on, is shorter, but rests on our reading comments and quotes as DuckDB's lexer does.
// Why a list of what is allowed: a new DuckDB brings new readers of files, which no list of the forbidden has.

import { nearestName, unreachable } from '../../common/errors.ts';
import { quoteName, quoteText } from '../../common/sql.ts';
import type { SchemaColumn } from '../../common/wire/plan.ts';
import { type Expr, refuseAt, shorten, walk } from './ast.ts';
import type { ParsedExpression } from './parse.ts';

export type ScalarSql = {
  /** Columns read, in the schema's spelling, in schema order. */
  readonly columns: readonly string[];
  readonly sql: string;
};

/** Checks a filter or a label: any safe scalar SQL over the columns. `where` is a word for messages. */
export function checkScalarSql(
  parsed: ParsedExpression,
  schema: readonly SchemaColumn[],
  where: string,
): ScalarSql {
  const columns = new Set<string>();
  for (const expr of walk(parsed.expr)) {
    if (expr.kind === 'column') columns.add(findColumn(expr.path, schema, expr.at, where).name);
    if (expr.kind === 'call') checkFunction(expr.name, expr.at, where, SCALAR_FUNCTIONS);
  }
  return {
    columns: schema.map(({ name }) => name).filter((name) => columns.has(name)),
    sql: printSql(parsed.expr, schema, NONE),
  };
}

const NONE: ReadonlySet<Expr> = new Set();

/** The column that a name means: as DuckDB has it, without regard to case. */
export function findColumn(
  path: readonly string[],
  schema: readonly SchemaColumn[],
  at: number,
  where: string,
): SchemaColumn {
  const [name] = path as [string];
  const column = schema.find((each) => lower(each.name) === lower(name));
  const isPlain = column && path.length === 1;
  if (isPlain || (column?.type.startsWith('STRUCT') && lower(name) !== 'input')) {
    if (column.unreadable === undefined) return column;
    const message = `Cannot read column ${JSON.stringify(column.name)} in ${where} (character ${at}): ${column.unreadable}`;
    throw refuseAt('SCHEMA_DRIFT', at, message);
  }
  if (path.length > 1) {
    const message = `Cannot use ${shorten(path.join('.'))} in ${where} (character ${at}), expected a plain column name`;
    throw refuseAt('SQL_REFUSED', at, message);
  }
  if (VOLATILE.has(lower(name))) throw volatile(name, at, where);
  const names = schema.map((each) => each.name);
  const nearest = nearestName(name, names);
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
  const message = `Cannot find column ${JSON.stringify(name)} in ${where} (character ${at}), expected one of ${list(names)}${hint}`;
  throw refuseAt('SQL_COLUMN', at, message);
}

/** Refuses a function that is volatile, or not among `known`. */
export function checkFunction(
  name: string,
  at: number,
  where: string,
  known: ReadonlySet<string>,
): void {
  if (known.has(name)) return;
  if (VOLATILE.has(name)) throw volatile(name, at, where);
  const nearest = nearestName(name, known);
  const hint = nearest === undefined ? '' : `; did you mean ${nearest}?`;
  const message = `Cannot use the function ${name} in ${where} (character ${at}), expected a scalar function that depends on its arguments alone${hint}`;
  throw refuseAt('SQL_REFUSED', at, message);
}

const volatile = (name: string, at: number, where: string) =>
  refuseAt(
    'NON_DETERMINISTIC',
    at,
    `Cannot use ${name} in ${where} (character ${at}): its answer changes between calls, expected values of the row alone`,
  );

const lower = (name: string): string => name.toLowerCase();

const list = (names: readonly string[]): string =>
  names.length <= 40 ? names.join(', ') : `${names.slice(0, 40).join(', ')} … (${names.length})`;

/**
 * SQL of a checked tree. Every term stands in parentheses: no precedence to get wrong. Terms of `floats` are NULL where they
 * are not a number: that is missing, and DuckDB would have it above all numbers.
 */
export function printSql(
  expr: Expr,
  schema: readonly SchemaColumn[],
  floats: ReadonlySet<Expr>,
): string {
  const sql = print(expr, schema, (inner) => printSql(inner, schema, floats));
  return floats.has(expr) ? `nullif(${sql}, 'nan'::DOUBLE)` : sql;
}

function print(expr: Expr, schema: readonly SchemaColumn[], show: (inner: Expr) => string): string {
  switch (expr.kind) {
    case 'column': {
      const [, ...fields] = expr.path;
      const { name } = findColumn(expr.path, schema, expr.at, 'SQL');
      return [name, ...fields].map(quoteName).join('.');
    }
    case 'number':
      return expr.type === 'double' ? `CAST('${expr.text}' AS DOUBLE)` : `(${expr.text})`;
    case 'text':
      return quoteText(expr.value);
    case 'boolean':
      return expr.value ? 'true' : 'false';
    case 'null':
      return 'NULL';
    case 'call':
      if (expr.name === 'isnan') return `(${expr.args.map(show).join(', ')} IS NULL)`;
      return printCall(expr.name, expr.operator, expr.args.map(show));
    case 'compare':
      return `(${show(expr.left)} ${expr.op} ${show(expr.right)})`;
    case 'logic':
      return `(${expr.args.map(show).join(expr.op === 'and' ? ' AND ' : ' OR ')})`;
    case 'not':
      return `(NOT ${show(expr.of)})`;
    case 'isNull':
      return `(${show(expr.of)} IS ${expr.negated ? 'NOT ' : ''}NULL)`;
    case 'in':
      return `(${show(expr.of)} ${expr.negated ? 'NOT ' : ''}IN (${expr.list.map(show).join(', ')}))`;
    case 'between':
      return `(${show(expr.of)} BETWEEN ${show(expr.low)} AND ${show(expr.high)})`;
    case 'coalesce':
      return `coalesce(${expr.args.map(show).join(', ')})`;
    case 'case': {
      const whens = expr.whens.map(({ when, result }) => `WHEN ${show(when)} THEN ${show(result)}`);
      return `(CASE ${whens.join(' ')} ELSE ${show(expr.otherwise)} END)`;
    }
    case 'cast':
      return `${expr.trying ? 'TRY_CAST' : 'CAST'}(${show(expr.of)} AS ${expr.type})`;
    default:
      return unreachable(expr);
  }
}

function printCall(name: string, operator: boolean, args: readonly string[]): string {
  if (!operator) return `${quoteName(name)}(${args.join(', ')})`;
  return args.length === 1 ? `(${name} ${args[0]})` : `(${args[0]} ${name} ${args[1]})`;
}

const words = (text: string): readonly string[] => text.trim().split(/\s+/);

/** Answers that change between calls, rows or sessions: DuckDB's VOLATILE and CONSISTENT_WITHIN_QUERY. */
export const VOLATILE: ReadonlySet<string> = new Set(
  words(`
    current_catalog current_connection_id current_database current_date current_localtime
    current_localtimestamp current_query current_query_id current_role current_schema current_schemas
    current_setting current_time current_timestamp current_transaction_id current_user currval
    gen_random_uuid get_current_time get_current_timestamp getvariable in_search_path localtime
    localtimestamp nextval now pg_postmaster_start_time random session_user setseed sleep_ms stats today
    transaction_timestamp txid_current user uuid uuidv4 uuidv7 version write_log ago
  `),
);

/**
 * Functions of the row alone. Left out although deterministic: what builds large values from small ones
 * (repeat, range, generate_series), what raises on purpose (error), and age, which with one argument reads
 * the clock.
 */
export const SCALAR_FUNCTIONS: ReadonlySet<string> = new Set([
  // operators
  ...words(`+ - * / // % ^ ** & | << >> ~ || @ && ^@ ~~ !~~ ~~* !~~* ~~~`),
  // numbers
  ...words(`
    abs acos acosh add asin asinh atan atan2 atanh bit_count cbrt ceil ceiling cos cosh cot degrees
    divide even exp factorial fdiv floor fmod gamma gcd greatest greatest_common_divisor isfinite isinf
    isnan lcm least least_common_multiple lgamma ln log log10 log2 mod multiply nextafter nullif pi pow
    power radians round round_even roundbankers sign signbit sin sinh sqrt subtract tan tanh trunc xor
  `),
  // text
  ...words(`
    array_to_string ascii bit_length char_length character_length chr concat concat_ws contains
    damerau_levenshtein decode editdist3 encode ends_with format from_base64 from_hex hamming hash hex
    ilike_escape instr jaccard jaro_similarity jaro_winkler_similarity lcase left left_grapheme len length
    length_grapheme levenshtein like_escape lower lpad ltrim md5 mismatches nfc_normalize not_ilike_escape
    not_like_escape octet_length ord parse_dirname parse_dirpath parse_filename parse_path position prefix
    printf regexp_escape regexp_extract regexp_extract_all regexp_full_match regexp_matches regexp_replace
    regexp_split_to_array replace reverse right right_grapheme rpad rtrim sha1 sha256 split split_part
    starts_with str_split str_split_regex string_split string_split_regex string_to_array strip_accents
    strlen strpos substr substring substring_grapheme suffix to_base to_base64 to_binary to_hex translate
    trim ucase unhex unicode upper url_decode url_encode
  `),
  // times
  ...words(`
    century date_add date_diff date_part date_sub date_trunc datediff datepart datesub datetrunc day
    dayname dayofmonth dayofweek dayofyear days_in_month decade epoch epoch_ms epoch_ns epoch_us era hour
    isodow isoyear julian last_day make_date make_time make_timestamp make_timestamp_ms make_timestamp_ns
    microsecond millennium millisecond minute month monthname nanosecond quarter second strftime strptime
    time_bucket timezone timezone_hour timezone_minute to_centuries to_days to_decades to_hours
    to_microseconds to_millennia to_milliseconds to_minutes to_months to_quarters to_seconds to_timestamp
    to_weeks to_years try_strptime week weekday weekofyear year yearweek
  `),
  // lists, structs and JSON that a column holds
  ...words(`
    array_contains array_extract array_has array_has_all array_has_any array_length array_position
    cardinality element_at flatten json_array_length json_contains json_exists json_extract
    json_extract_path json_extract_path_text json_extract_string json_keys json_type json_valid json_value
    list_avg list_concat list_contains list_count list_distinct list_element list_extract list_has
    list_has_all list_has_any list_max list_min list_position list_sort list_sum list_unique list_value
    map_contains map_extract map_keys map_values struct_extract typeof
  `),
]);
