// Opens DuckDB: one locked instance with one thread, for one task.
// In: SQL text, the files it may read, a memory limit. Out: small results as rows, large ones as typed arrays.
// Why so tight: the SQL comes from specs and the files from a lake; settings are the second wall, after the
// allowlist of the compiler and before the limits of the expendable child in which all of this runs.
import { type DuckDBConnection, DuckDBInstance, type DuckDBResult } from '@duckdb/node-api';
import { GristmillError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import { quoteText } from '../sql.ts';
import { type ColumnData, type ColumnKind, readColumn, readValue } from './duckdb-columns.ts';
import { translateDuckError } from './duckdb-errors.ts';

export { type ColumnData, type ColumnKind, INT64_MIN } from './duckdb-columns.ts';

export type DuckOptions = {
  /** DuckDB's memory_limit. It decides the order of rows where no ORDER BY does, so it is planned. */
  readonly memoryBytes: number;
  /** Private to this instance: whatever spills there, the SQL can read. */
  readonly tempDir: string;
  /** The only files that can be read. */
  readonly files: readonly string[];
  /** The only directory in which files can be written (and read). */
  readonly writeDir?: string;
};

/** A value bound to `$1`, `$2` …; strings are VARCHAR, numbers DOUBLE, bigints BIGINT. */
export type DuckParam = string | number | bigint | boolean | null;

export type Duck = AsyncDisposable & {
  run(sql: string): Promise<void>;
  /** Small results. BIGINT is a number where safe, else a bigint; times and dates are DuckDB's text. */
  rows(sql: string, params?: readonly DuckParam[]): Promise<Record<string, unknown>[]>;
  /** Column names and DuckDB types of a query, which is bound and planned but not run. */
  describe(sql: string): Promise<readonly { readonly name: string; readonly type: string }[]>;
  /**
   * Streams a query, one kind a column. Chunks hold about 2,048 rows, and their arrays are only valid
   * until `onChunk` (or what it promises) is done. Returns the number of rows.
   */
  scan(
    sql: string,
    kinds: readonly ColumnKind[],
    onChunk: (rows: number, columns: readonly ColumnData[]) => void | Promise<void>,
  ): Promise<number>;
};

export async function openDuck(options: DuckOptions): Promise<Duck> {
  try {
    const instance = await DuckDBInstance.create(':memory:', startSettings(options));
    const connection = await instance.connect();
    await lock(connection, options);
    return asDuck(instance, connection);
  } catch (error) {
    throw translateDuckError(error);
  }
}

/** Settings that only the creation of a database takes, or that must precede the lock. */
function startSettings(options: DuckOptions): Record<string, string> {
  return {
    threads: '1', // sums of doubles and the order of rows differ between runs with more
    memory_limit: `${options.memoryBytes}B`,
    temp_directory: options.tempDir,
    max_temp_directory_size: `${LIMITS.spillBytesMax}B`,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
    allow_persistent_secrets: 'false',
    allow_unredacted_secrets: 'false',
    extension_directory: options.tempDir,
    secret_directory: options.tempDir,
  };
}

/** The order matters: paths can only be allowed before external access ends, and the lock comes last. */
async function lock(connection: DuckDBConnection, options: DuckOptions): Promise<void> {
  const list = (paths: readonly string[]): string => `[${paths.map(quoteText).join(', ')}]`;
  await connection.run(`SET timezone = 'UTC'`);
  await connection.run('SET enable_geoparquet_conversion = false'); // reads metadata of columns that nobody asked for
  await connection.run(`SET allowed_paths = ${list(options.files)}`);
  if (options.writeDir !== undefined) {
    await connection.run(`SET allowed_directories = ${list([options.writeDir])}`);
  }
  await connection.run('SET enable_external_access = false');
  await connection.run('SET lock_configuration = true');
  await checkSettings(connection);
}

/** Reads the wall back: a setting that a new version renames must not vanish silently. */
async function checkSettings(connection: DuckDBConnection): Promise<void> {
  const expected: Readonly<Record<string, string>> = {
    threads: '1',
    TimeZone: 'UTC',
    enable_external_access: 'false',
    lock_configuration: 'true',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
  };
  const names = Object.keys(expected).map(quoteText).join(', ');
  const result = await connection.runAndReadAll(
    `SELECT name, value FROM duckdb_settings() WHERE name IN (${names})`,
  );
  const found = new Map(result.getRows().map(([name, value]) => [String(name), String(value)]));
  for (const [name, value] of Object.entries(expected)) {
    if (found.get(name) === value) continue;
    throw new GristmillError(
      'INTERNAL',
      `Cannot open DuckDB: setting ${name} is ${found.get(name)}, expected ${value}`,
    );
  }
}

function asDuck(instance: DuckDBInstance, connection: DuckDBConnection): Duck {
  const inFlight = new Set<Promise<unknown>>();
  const translated = <T>(act: () => Promise<T>): Promise<T> => {
    const work = act().catch((error: unknown) => {
      throw error instanceof ConsumerFailure ? error.cause : translateDuckError(error);
    });
    const settled = work.catch(() => {}).finally(() => inFlight.delete(settled));
    inFlight.add(settled);
    return work;
  };
  return {
    run: (sql) => translated(async () => void (await connection.run(sql))),
    rows: (sql, params) => translated(() => readRows(connection, sql, params)),
    describe: (sql) => translated(() => describe(connection, sql)),
    scan: (sql, kinds, onChunk) =>
      translated(async () => scan(await connection.stream(sql), kinds, onChunk)),
    async [Symbol.asyncDispose]() {
      await Promise.all(inFlight); // closing under a query that runs is a crash in native code
      connection.closeSync();
      instance.closeSync();
    },
  };
}

async function readRows(
  connection: DuckDBConnection,
  sql: string,
  params: readonly DuckParam[] = [],
): Promise<Record<string, unknown>[]> {
  const result = await connection.stream(sql, params.length > 0 ? [...params] : undefined);
  const names = result.columnNames();
  const rows: Record<string, unknown>[] = [];
  for (let chunk = await result.fetchChunk(); chunk?.rowCount; chunk = await result.fetchChunk()) {
    const columns = names.map((_, index) => chunk!.getColumnVector(index));
    for (let row = 0; row < chunk.rowCount; row++) {
      const entries = columns.map((vector, index) => [names[index]!, readValue(vector, row)]);
      rows.push(Object.fromEntries(entries) as Record<string, unknown>);
    }
  }
  return rows;
}

async function describe(
  connection: DuckDBConnection,
  sql: string,
): Promise<{ name: string; type: string }[]> {
  const prepared = await connection.prepare(sql);
  try {
    return Array.from({ length: prepared.columnCount }, (_, index) => ({
      name: prepared.columnName(index),
      type: String(prepared.columnType(index)),
    }));
  } finally {
    prepared.destroySync();
  }
}

async function scan(
  result: DuckDBResult,
  kinds: readonly ColumnKind[],
  onChunk: (rows: number, columns: readonly ColumnData[]) => void | Promise<void>,
): Promise<number> {
  if (result.columnCount !== kinds.length) {
    throw new GristmillError(
      'INTERNAL',
      `Cannot scan ${result.columnCount} columns: expected ${kinds.length}`,
    );
  }
  let rows = 0;
  for (let chunk = await result.fetchChunk(); chunk?.rowCount; chunk = await result.fetchChunk()) {
    const columns = kinds.map((kind, index) => readColumn(chunk!.getColumnVector(index), kind));
    try {
      const pending = onChunk(chunk.rowCount, columns);
      if (pending) await pending;
    } catch (cause) {
      throw new ConsumerFailure('the consumer of a scan failed', { cause });
    }
    rows += chunk.rowCount;
  }
  return rows;
}

/** Carries what the caller's own code threw past the translation of DuckDB's errors. */
class ConsumerFailure extends Error {}
