// Many small I/O calls, a bounded number at a time.
// In: items and what to do with each. Out: answers in the order of the items; the first error ends it.
// Why not Promise.all: a job has a hundred thousand tasks, and each look-up holds a socket or a file.

export async function mapParallel<T, R>(
  items: readonly T[],
  parallelMax: number,
  act: (item: T, index: number) => Promise<R>,
): Promise<R[]> {
  const answers = new Array<R>(items.length);
  let next = 0;
  async function lane(): Promise<void> {
    for (let index = next++; index < items.length; index = next++) {
      answers[index] = await act(items[index]!, index);
    }
  }
  const lanes = Array.from({ length: Math.min(parallelMax, items.length) }, lane);
  try {
    await Promise.all(lanes);
  } finally {
    next = items.length; // after an error nothing new is begun
  }
  return answers;
}
