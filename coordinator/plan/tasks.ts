// Makes tasks of programs and inputs, and stores the programs.
// In: a compiled program. Out: its digest at stages/<digest>.json; tasks named by what decides their result.
// Why stored: a task message carries a digest and an address, never SQL or ONNX bytes.
import { type Digest, digestOf } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { Program, Stage } from '../../common/stage/stages.ts';
import { createJson, type Store } from '../../common/store/store.ts';
import { nameTask, programKey, type Task, type TaskInput } from '../../common/wire/task.ts';

export const saveProgram = async (store: Store, program: Program): Promise<Digest> =>
  (await storeProgram(store, program)).digest;

/** `isNew`: nobody has stored it before, so no task of it can have a result yet. */
export async function storeProgram(
  store: Store,
  program: Program,
): Promise<{ readonly digest: Digest; readonly isNew: boolean }> {
  const digest = digestOf(program);
  const created = await createJson(store, programKey(digest), program);
  return { digest, isNew: created === 'created' };
}

export function makeTask(of: {
  stage: Stage;
  program: Digest;
  input: TaskInput;
  numerics: string;
  /** Where a plan holds others than today's. */
  memoryBytes?: number;
  deadlineMs?: number;
}): Task {
  const { stage, program, input, numerics } = of;
  const { memoryBytes = LIMITS.taskMemoryBytes, deadlineMs = LIMITS.taskDeadlineMs } = of;
  // by name, as canonical JSON has them: then naming it copies nothing
  const said = {
    ...{ deadlineMs, formatVersion: 1 as const, input, memoryBytes, numerics, program, stage },
    commit: 1,
  };
  return { task: nameTask(said), ...said };
}
