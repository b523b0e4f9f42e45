// Which task to run again when an object that a task wrote has rotted in the store.
// In: a corrupt blob as a reader recorded it. Out: the writing task under its next commit number, or why not.
// Why the same task: its result is a function of what it reads, so the new copy has the bytes that every ref names.
import { GristmillError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import type { Store } from '../../common/store/store.ts';
import { readStored } from '../../common/stored/stored.ts';
import {
  type CorruptBlob,
  commitKey,
  copyKey,
  type Descriptor,
  nameTask,
  type Task,
  writerOf,
} from '../../common/wire/task.ts';

/** Undefined where somebody has written a newer copy meanwhile. */
export async function planMend(store: Store, corrupt: CorruptBlob): Promise<Task | undefined> {
  const writer = writerOf(corrupt.key);
  if (!writer) throw cannotMend(corrupt, 'no task wrote it');
  let last: Descriptor | undefined;
  let commit = 0;
  for (;;) {
    const next = await readStored(
      store,
      commitKey(writer.stage, writer.task, commit + 1),
      'commit',
    );
    if (!next) break;
    last = next;
    commit += 1;
  }
  if (commit > corrupt.copies) {
    await checkMended(store, corrupt, commit);
    return undefined;
  }
  if (!last?.message) throw cannotMend(corrupt, 'how it was written is not recorded');
  if (nameTask(last.message) !== writer.task)
    throw cannotMend(corrupt, 'an older program wrote it');
  if (commit >= LIMITS.copiesMax) throw cannotMend(corrupt, `${commit} copies have rotted`);
  return { ...last.message, commit: commit + 1 };
}

/** The new copy must be one of this blob: else the task gave other bytes than it did once. */
export async function checkMended(
  store: Store,
  corrupt: CorruptBlob,
  commit: number,
): Promise<void> {
  if (await store.head(copyKey(corrupt.key, commit))) return;
  throw cannotMend(corrupt, `commit ${commit} of the task that wrote it has other bytes`);
}

function cannotMend({ key }: CorruptBlob, why: string): GristmillError {
  const folder = key.slice(0, key.lastIndexOf('/') + 1);
  return new GristmillError(
    'CHECKSUM_MISMATCH',
    `Cannot compute ${key} again: it is corrupt in the store, and ${why}; ` +
      `restore it, or delete ${folder} and send the job again`,
  );
}
