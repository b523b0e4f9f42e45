// How attempts at a task ended badly: failures/<task>/<n>.json, written by workers and by the dispatcher.
// In: a failure. Out: its number; all failures of a task in order.
// Why in the store: the broker's delivery counts rise with every lapsed lease and die with the stream.
import type { TaskId } from '../ids.ts';
import { type Failure, failureKey } from '../wire/task.ts';
import { createJson, getJson, type Store } from './store.ts';

export async function recordFailure(store: Store, failure: Failure): Promise<number> {
  for (let n = (await failureNumbers(store, failure.task)).length + 1; ; n++) {
    if ((await createJson(store, failureKey(failure.task, n), failure)) === 'created') return n;
  }
}

/** Failures numbered above `after`, in order. */
export async function readFailures(
  store: Store,
  task: TaskId,
  after: number,
): Promise<readonly Failure[]> {
  const numbers = (await failureNumbers(store, task)).filter((n) => n > after);
  const failures = await Promise.all(
    numbers.map((n) => getJson<Failure>(store, failureKey(task, n))),
  );
  return failures.filter((failure) => failure !== undefined);
}

/** How many failures of which tasks there are so far: a run counts only those that come later. */
export async function countFailures(
  store: Store,
  tasks: ReadonlySet<TaskId>,
): Promise<ReadonlyMap<TaskId, number>> {
  const counts = new Map<TaskId, number>();
  for (const name of await store.listNames('failures/')) {
    const task = name.replace(/\/$/, '') as TaskId;
    if (tasks.has(task)) counts.set(task, (await failureNumbers(store, task)).at(-1) ?? 0);
  }
  return counts;
}

async function failureNumbers(store: Store, task: TaskId): Promise<readonly number[]> {
  const names = await store.listNames(`failures/${task}/`);
  return names.map((name) => Number.parseInt(name, 10)).sort((a, b) => a - b);
}
