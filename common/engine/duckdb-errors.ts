// Translates what DuckDB raises into our codes.
// In: anything thrown by the library. Out: a GristmillError whose message holds no cell value.
// Why drop the text of run-time errors: it quotes the cell that failed, and messages reach logs and users.
import { type Code, GristmillError } from '../errors.ts';
import { RAISED } from '../sql.ts';

export function translateDuckError(error: unknown): GristmillError {
  if (error instanceof GristmillError) return error;
  const raised = error instanceof Error ? error.message : String(error);
  const text = raised.replace(/^Failed to extract statements: /, '');
  const raisedByUs = text.split(RAISED)[1];
  if (raisedByUs !== undefined && text.startsWith('Invalid Input Error')) {
    const message = `Cannot run SQL: ${raisedByUs.split('\n')[0]}`;
    return new GristmillError('SCHEMA_DRIFT', message, { cause: error });
  }
  const own = text.replaceAll(/'[^']*'|"[^"]*"/g, '…').split('\n')[0]!; // a quoted cell may say anything
  const rule = RULES.find(({ when }) => when.test(own));
  if (!rule) {
    const message = `Cannot run SQL: DuckDB raised ${className(text)}`;
    return new GristmillError('INTERNAL', message, { cause: error }); // for the log
  }
  const what = rule.says ?? firstParagraph(text);
  return new GristmillError(rule.code, `Cannot ${rule.act}: ${what}${target(rule, text)}`);
}

type Rule = {
  readonly when: RegExp;
  readonly code: Code;
  readonly act: string;
  /** Said instead of DuckDB's own text, where that may quote a cell. */
  readonly says?: string;
};

// The first that fits. Binder and parser errors quote only the SQL, which its author may see.
const RULES: readonly Rule[] = [
  {
    when: /^Out of Memory|memory allocation|bad_alloc|failed to (?:allocate|pin)/i,
    code: 'MEMORY',
    act: 'run SQL',
    says: 'DuckDB reached its memory limit',
  },
  {
    when: /^Conversion Error|^Out of Range Error|^Mismatch Type|^Type [A-Z]+ with value/i,
    code: 'SQL_RUNTIME',
    act: 'run SQL',
    says: 'a value cannot be converted or is out of range',
  },
  {
    when: /^Invalid Error|No magic bytes|too small to be a Parquet|Parquet footer|Parquet metadata|parquet (?:file|reader)[^\n]*(?:corrupt|invalid)|corrupt|TProtocolException|TTransportException|thrift|decompression fail|snappy|zstd|gzip decompress|brotli|don't know what type|Failed to read Parquet|Invalid string encoding found in Parquet|dictionary (?:size|offset)|Out of buffer|could not read enough bytes/i,
    code: 'SHARD_UNREADABLE',
    act: 'read a Parquet file',
    says: 'its bytes are not sound Parquet',
  },
  {
    when: /^(?:IO Error: (?:No files found|Cannot open file|Could not (?:open|read))|Permission Error)/,
    code: 'SQL_REFUSED',
    act: 'read a file from SQL',
    says: 'it is not one of the files of this task',
  },
  { when: /^Parser Error/, code: 'SQL_SYNTAX', act: 'parse SQL' },
  {
    when: /^Binder Error: (?:Referenced column|(?:Table|Values list) … does not have a column|Referenced table|Ambiguous reference)/,
    code: 'SQL_COLUMN',
    act: 'bind SQL',
  },
  { when: /^Catalog Error/, code: 'SQL_REFUSED', act: 'bind SQL' },
  { when: /^Binder Error/, code: 'SQL_TYPE', act: 'bind SQL' },
  {
    when: /^Invalid (?:Input|Type)/i,
    code: 'SQL_RUNTIME',
    act: 'run SQL',
    says: 'a value is not what a function takes',
  },
  { when: /^Not implemented Error/i, code: 'SQL_TYPE', act: 'bind SQL' },
  {
    when: /^INTERRUPT Error/i,
    code: 'CANCELLED',
    act: 'run SQL',
    says: 'it was interrupted',
  },
];

const firstParagraph = (text: string): string =>
  text
    .split(/\n\s*(?:\n|Candidate functions|LINE )/)[0]!
    .replace(/^[A-Za-z ]+ Error: /, '')
    .replaceAll('\n', ' ')
    .trim()
    .slice(0, 500);

/** "Conversion Error", without what follows it. */
const className = (text: string): string => /^[A-Za-z ]+ Error/.exec(text)?.[0] ?? 'an error';

/** The type a cast aimed at: names of types are no cell values. */
function target(rule: Rule, text: string): string {
  if (rule.code !== 'SQL_RUNTIME') return '';
  const type = / (?:to|destination type) ([A-Z][A-Z0-9_]{2,})(?:\s|$|!)/.exec(text)?.[1];
  const operation =
    /^Out of Range Error: (?:Overflow in (\w+) of|cannot take (\w+ of [\w ]+))/.exec(text);
  if (type) return ` (as ${type})`;
  return operation ? ` (${operation[1] ?? operation[2]})` : '';
}
