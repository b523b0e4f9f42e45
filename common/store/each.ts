// Work on many items with a bound on how many are in hand.
// In: items and an act. Out: nothing, or the first error.
// Why not Promise.all: it would begin with everything at once, and go on after a failure.

/** Runs over all items with at most `max` at a time; the first failure stops what has not begun. */
export async function eachOf<T>(
  items: readonly T[],
  max: number,
  act: (item: T) => Promise<void>,
): Promise<void> {
  const queue = items.values();
  let isFailed = false;
  const lane = async (): Promise<void> => {
    for (const item of queue) {
      if (isFailed) return;
      await act(item).catch((error: unknown) => {
        isFailed = true;
        throw error;
      });
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: max }, lane));
  for (const result of lanes) if (result.status === 'rejected') throw result.reason;
}
