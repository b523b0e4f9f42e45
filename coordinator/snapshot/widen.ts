// The one type that holds all values of two, exactly.
// In: DuckDB types of one column in two files. Out: the type to read both as, or undefined where one would lose something.
// Why a table of our own: DuckDB's own common type makes BIGINT and DOUBLE a DOUBLE that loses digits, and text of anything.

/** Whole numbers: digits that a DECIMAL needs for them, by bits and sign. */
type Whole = { readonly isSigned: boolean; readonly bits: number; readonly digits: number };
const WHOLE: Readonly<Record<string, Whole>> = {
  TINYINT: { isSigned: true, bits: 8, digits: 3 },
  SMALLINT: { isSigned: true, bits: 16, digits: 5 },
  INTEGER: { isSigned: true, bits: 32, digits: 10 },
  BIGINT: { isSigned: true, bits: 64, digits: 19 },
  HUGEINT: { isSigned: true, bits: 128, digits: 39 },
  UTINYINT: { isSigned: false, bits: 8, digits: 3 },
  USMALLINT: { isSigned: false, bits: 16, digits: 5 },
  UINTEGER: { isSigned: false, bits: 32, digits: 10 },
  UBIGINT: { isSigned: false, bits: 64, digits: 20 },
};
const SIGNED = ['TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT'] as const;
/** Times without a zone, in the unit that all times are read in wherever two meet. */
const TIMES: readonly string[] = [
  'DATE',
  'TIMESTAMP_S',
  'TIMESTAMP_MS',
  'TIMESTAMP',
  'TIMESTAMP_NS',
];
/** Read as text where another file has text. */
const TEXTS: readonly string[] = ['VARCHAR', 'BLOB', 'UUID'];
const DECIMAL_DIGITS_MAX = 38;

/** A column of which a file says that it holds nothing but NULL. */
export const NO_TYPE = 'NULL';

/** Whole numbers beyond 2^53 beside floats are found where they are read: few columns hold any. */
export function widen(a: string, b: string): string | undefined {
  if (a === b || b === NO_TYPE) return a;
  if (a === NO_TYPE) return b;
  if (TEXTS.includes(a) && TEXTS.includes(b)) return 'VARCHAR';
  if (TIMES.includes(a) && TIMES.includes(b)) return 'TIMESTAMP';
  if (isNumber(a) && isNumber(b)) return number(a, b);
  return undefined;
}

const isFloat = (type: string): boolean => type === 'FLOAT' || type === 'DOUBLE';
const isNumber = (type: string): boolean => isFloat(type) || type in WHOLE || isDecimal(type);

function number(a: string, b: string): string | undefined {
  if (isDecimal(a) || isDecimal(b)) return decimal(a, b);
  if (isFloat(a) || isFloat(b)) return 'DOUBLE';
  return whole(WHOLE[a]!, WHOLE[b]!);
}

function whole(a: Whole, b: Whole): string | undefined {
  const isSigned = a.isSigned || b.isSigned;
  const bitsOf = (one: Whole): number => (isSigned && !one.isSigned ? one.bits + 1 : one.bits);
  const bits = Math.max(bitsOf(a), bitsOf(b));
  if (!isSigned)
    return Object.keys(WHOLE).find((name) => !WHOLE[name]!.isSigned && WHOLE[name]!.bits >= bits);
  return SIGNED.find((name) => WHOLE[name]!.bits >= bits);
}

const DECIMAL = /^DECIMAL\((\d+),(\d+)\)$/;
const isDecimal = (type: string): boolean => DECIMAL.test(type);

function decimal(a: string, b: string): string | undefined {
  const [one, other] = [placesOf(a), placesOf(b)];
  if (!one || !other) return undefined; // a float holds few decimals exactly
  const scale = Math.max(one.scale, other.scale);
  const digits = Math.max(one.before, other.before) + scale;
  return digits <= DECIMAL_DIGITS_MAX ? `DECIMAL(${digits},${scale})` : undefined;
}

/** Digits before and behind the point. */
function placesOf(type: string): { readonly before: number; readonly scale: number } | undefined {
  const [, digits, scale] = DECIMAL.exec(type) ?? [];
  if (digits !== undefined) return { before: Number(digits) - Number(scale), scale: Number(scale) };
  const row = WHOLE[type];
  return row && { before: row.digits, scale: 0 };
}
