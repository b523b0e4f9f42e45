// Columns that stand in the names of folders: `year=2024/store=007/part.parquet`.
// In: an object's key. Out: names and texts, as they stand there. Why text: 007 is a name, and whoever wants a number casts.
// Why here: a snapshot has these columns, and each worker reads their values off the key of its shard.

/** What Spark and Hive write where the value is missing. */
const MISSING = '__HIVE_DEFAULT_PARTITION__';

/** By name, from the outermost folder in; null is missing. The last segment is a file's name and no folder. */
export function foldersOf(key: string): ReadonlyMap<string, string | null> {
  const columns = new Map<string, string | null>();
  for (const segment of key.split('/').slice(0, -1)) {
    const at = segment.indexOf('=');
    if (at <= 0) continue;
    const value = segment.slice(at + 1);
    columns.set(decoded(segment.slice(0, at)), value === MISSING ? null : decoded(value));
  }
  return columns;
}

/** Writers escape what a path cannot hold; a text that only looks escaped stands as it is. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
