// Tasks for tests: as many as wanted, each with an id of its own.
import { digestOf, type TaskId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import { nameTask, type Task } from '../../common/wire/task.ts';

export const NUMERICS = 'test-numerics';

export function makeTask(name: string | number, over: Partial<Task> = {}): Task {
  const key = {
    stage: 'prepare' as const,
    program: digestOf({ name: String(name) }),
    input: { kind: 'none' as const },
    numerics: NUMERICS,
  };
  return {
    formatVersion: 1,
    task: nameTask(key),
    ...key,
    memoryBytes: LIMITS.taskMemoryBytes,
    deadlineMs: 60_000,
    commit: 1,
    ...over,
  };
}

export const makeTasks = (count: number): Task[] =>
  Array.from({ length: count }, (_, index) => makeTask(index));

export const idsOf = (tasks: readonly Task[]): TaskId[] => tasks.map((t) => t.task).sort();
