// How names and texts are quoted for DuckDB.
// In: any name or text. Out: SQL text. Why apart from the engine: whoever writes SQL need not load DuckDB.

/** Quotes an identifier for DuckDB. */
export const quoteName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** Quotes text for DuckDB. NUL cannot be written in a literal, so it is put together from pieces. */
export function quoteText(text: string): string {
  const pieces = text.split('\0').map((piece) => `'${piece.replaceAll("'", "''")}'`);
  return pieces.length === 1 ? pieces[0]! : `(${pieces.join(' || chr(0) || ')})`;
}

/** Every digit, as DOUBLE: `0.1` alone would be DECIMAL. */
export const sqlNumber = (value: number): string => `'${value}'::DOUBLE`;

/** DuckDB's numeric types. */
export const NUMERIC_TYPE =
  /^(?:U?(?:TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT)|FLOAT|DOUBLE|DECIMAL\b.*)$/;

/** What begins an error that our own SQL raises: the rest is ours, too, and holds no cell. */
export const RAISED = 'gristmill: ';

/** SQL that ends a query with SCHEMA_DRIFT and these words. */
export const raiseSql = (what: string): string => `error(${quoteText(RAISED + what)})`;
