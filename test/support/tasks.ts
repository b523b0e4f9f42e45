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

/** Of one program, as those of a stage are, each with an input of its own. */
export const makeTasks = (count: number, over: Partial<Task> = {}): Task[] =>
  Array.from({ length: count }, (_, index) => {
    const key = `lake/${index}.parquet`;
    return makeTask('all', { input: { kind: 'shard', shard: { ...SHARD, key } }, ...over });
  });
const SHARD = {
  ...{ etag: 'e', bytes: 1, footerBytes: 1, rowGroupStart: 0, rowGroupEnd: 1 },
  ...{ rowStart: 0, rowEnd: 1, ranges: [] },
};

export const idsOf = (tasks: readonly Task[]): TaskId[] => tasks.map((t) => t.task).sort();
