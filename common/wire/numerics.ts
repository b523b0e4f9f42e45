// Numerics in words: of what is alike, nothing; of what differs, which and how.
// In: strings such as "duckdb-1.5.6+code-1+cpu-avx2". Out: the parts in which some differ, and what one has of them.
// Why only those: two numerics are mostly the same, and what was changed is what a reader looks for.

/** "duckdb-1.5.6+code-1" → duckdb: 1.5.6, code: 1 */
const partsOf = (numerics: string): ReadonlyMap<string, string> =>
  new Map(
    numerics.split('+').map((part) => {
      const at = part.indexOf('-');
      return at < 0 ? [part, ''] : [part.slice(0, at), part.slice(at + 1)];
    }),
  );

/** Names of the parts that are not the same in all. */
export function unlikeParts(all: readonly string[]): readonly string[] {
  const each = all.map(partsOf);
  const names = new Set(each.flatMap((parts) => [...parts.keys()]));
  return [...names].filter((name) => new Set(each.map((parts) => parts.get(name))).size > 1);
}

export const sayParts = (numerics: string, names: readonly string[]): string =>
  names.map((name) => `${name} ${partsOf(numerics).get(name) ?? 'none'}`).join(', ');
