// Tasks for tests: as many as wanted, each with an id of its own.
import { digestOf, type TaskId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import { nameTask, type Task } from '../../common/wire/task.ts';

export const NUMERICS = 'test-numerics';

/** Named by what it says, unless `over` names it. */
export function makeTask(name: string | number, over: Partial<Task> = {}): Task {
  const said = {
    formatVersion: 1 as const,
    stage: 'prepare' as const,
    program: digestOf({ name: String(name) }),
    input: { kind: 'none' as const },
    numerics: NUMERICS,
    memoryBytes: LIMITS.taskMemoryBytes,
    deadlineMs: 60_000,
    commit: 1,
    ...over,
  };
  return { task: nameTask(said), ...said };
}

export const makeTasks = (count: number, over: Partial<Task> = {}): Task[] =>
  Array.from({ length: count }, (_, index) => makeTask(index, over));

export const idsOf = (tasks: readonly Task[]): TaskId[] => tasks.map((t) => t.task).sort();
