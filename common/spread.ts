// A few of many, from first to last.
// In: items in order. Out: some of them. Why spread: files follow each other in time or by region, and the first is like no other.

/** At most `max` items: the first, the last, and others evenly between. */
export function spread<T>(items: readonly T[], max: number): readonly T[] {
  if (items.length <= max) return items;
  if (max === 1) return items.slice(0, 1);
  return Array.from(
    { length: max },
    (_, i) => items[Math.round((i * (items.length - 1)) / (max - 1))]!,
  );
}
