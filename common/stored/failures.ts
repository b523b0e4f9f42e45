// How attempts at a task ended badly: failures/<task>/<n>.json, written by workers and by the dispatcher.
// In: a failure. Out: its number; all failures of a task in order.
// Why in the store: the broker's delivery counts rise with every lapsed lease and die with the stream. Each names the
// offer that it answers, so that a run tells its own failures from earlier ones without listing the folder first.
import type { TaskId } from '../ids.ts';
import { createJson, type Store } from '../store/store.ts';
import { type Failure, failureKey } from '../wire/task.ts';
import { readStored } from './stored.ts';

export async function recordFailure(store: Store, failure: Failure): Promise<number> {
  for (let n = (await failureNumbers(store, failure.task)).length + 1; ; n++) {
    if ((await createJson(store, failureKey(failure.task, n), failure)) === 'created') return n;
  }
}

/** Failures of one task, in order: numbered above `after`, of offers from `offeredFrom` on. */
export async function readFailures(
  store: Store,
  task: TaskId,
  { after = 0, offeredFrom = 0 }: { after?: number; offeredFrom?: number } = {},
): Promise<readonly Failure[]> {
  const numbers = (await failureNumbers(store, task)).filter((n) => n > after);
  const failures = await Promise.all(
    numbers.map((n) => readStored(store, failureKey(task, n), 'failure')),
  );
  return failures.filter(
    (failure) => failure !== undefined && (failure.offer ?? 0) >= offeredFrom,
  ) as Failure[];
}

/** The number of a task's last failure, 0 where it has none. */
export const lastFailure = async (store: Store, task: TaskId): Promise<number> =>
  (await failureNumbers(store, task)).at(-1) ?? 0;

async function failureNumbers(store: Store, task: TaskId): Promise<readonly number[]> {
  const names = await store.listNames(`failures/${task}/`);
  return names.map((name) => Number.parseInt(name, 10)).sort((a, b) => a - b);
}
