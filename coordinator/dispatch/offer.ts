// Runs tasks: each has a result in the store in the end, or the whole ends with the error of one.
// In: tasks, as many as there are, one after the other. Out: their descriptors, read from the store, as they come.
// Why a source and a callback: neither a million tasks nor a million descriptors are ever held; a stage that has few
// takes them as a map. The queue moves work and hints; it is not asked what is true.
// Flow: job → snapshot → plan → [prepare → fit → train → evaluate → prove] → publish → gate → predictions
import type { Clock } from '../../common/clock.ts';
import type { TaskId } from '../../common/ids.ts';
import type { Log } from '../../common/log.ts';
import type { Bus } from '../../common/queue/bus.ts';
import type { TaskQueue } from '../../common/queue/tasks.ts';
import type { Store } from '../../common/store/store.ts';
import type { CorruptBlob, Descriptor, Failure, Task } from '../../common/wire/task.ts';
import { Dispatch } from './dispatch.ts';
import { checkMended, planMend } from './mend.ts';
import { Results } from './results.ts';
import type { Stand } from './waiting.ts';
import type { Workers } from './workers.ts';

export type DispatchContext = {
  readonly queue: TaskQueue & Bus;
  readonly store: Store;
  readonly clock: Clock;
  readonly workers: Workers;
  readonly log: Log;
  readonly signal: AbortSignal;
  /** Told what this stands on while it runs. */
  readonly stand?: Stand | undefined;
  /** Called for each attempt that failed, once. */
  readonly onFailure?: (failure: Failure) => void;
};

export type TaskStream = DispatchContext & {
  /** Read as there is room for more; each task's index is its place in it. */
  readonly tasks: Iterable<Task> | AsyncIterable<Task>;
  /**
   * True where no result can be there yet: the program of these tasks was stored just now for the
   * first time, and a task is named by its program. Then none is looked for before offering.
   */
  readonly isNew?: boolean;
  /** Called once for each task, in the order in which its result became known. */
  readonly onResult: (descriptor: Descriptor, of: ResultOf) => void;
};

export type ResultOf = {
  readonly index: number;
  /** It was in the store before the task was offered. */
  readonly isReused: boolean;
  /** The group that it lies in, where it does. */
  readonly group?: string | undefined;
};

/** Throws the error that ended a task, CANCELLED, or what `signal` was aborted with. */
export const dispatchTasks = (stream: TaskStream): Promise<void> =>
  new Dispatch(stream, {
    results: new Results(stream.store, stream.clock),
    mend: (corrupt) => mendBlob(stream, corrupt),
  }).untilDone();

export type TaskRun = DispatchContext & {
  readonly tasks: readonly Task[];
  readonly isNew?: boolean;
  /** Called for each task that is done, in the order in which that became known. */
  readonly onProgress?: (progress: Progress) => void;
};

export type Progress = {
  readonly total: number;
  readonly done: number;
  /** Of those done: found in the store before anything was offered. */
  readonly reused: number;
  readonly descriptor: Descriptor;
};

/** As dispatchTasks, for as many as may lie in memory. */
export async function runTasks(run: TaskRun): Promise<Map<TaskId, Descriptor>> {
  const results = new Map<TaskId, Descriptor>();
  const tasks = [...new Map(run.tasks.map((task) => [task.task, task])).values()];
  let reused = 0;
  await dispatchTasks({
    ...run,
    tasks,
    onResult: (descriptor, { isReused }) => {
      results.set(descriptor.task, descriptor);
      if (isReused) reused += 1;
      run.onProgress?.({ total: tasks.length, done: results.size, reused, descriptor });
    },
  });
  return results;
}

/** Has the task run again that wrote a blob of which every copy is corrupt. */
export async function mendBlob(context: DispatchContext, corrupt: CorruptBlob): Promise<void> {
  const task = await planMend(context.store, corrupt);
  if (!task) return;
  context.log.warn('computing a corrupt object again', { key: corrupt.key, commit: task.commit });
  const { store, queue, clock, workers, log, signal, stand } = context;
  await runTasks({ tasks: [task], store, queue, clock, workers, log, signal, stand });
  await checkMended(store, corrupt, task.commit);
}
