// Runs one runner by hand: a scratch folder, a program, an input, local files.
// In: what the supervisor would have fetched. Out: the outcome, and where its files lie.
// Why: runners are tested without a queue, a store or a child.
import { mkdtempSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TaskId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { TaskProgram } from '../../common/stage/stages.ts';
import { STAGE_NAMES, type Stage } from '../../common/stage/stages.ts';
import type { Descriptor, Shard, TaskInput } from '../../common/wire/task.ts';
import type { Outcome, Prepared, Runner } from '../../worker/stage/runner.ts';

export const tempFolder = (): string => mkdtempSync(join(tmpdir(), 'gristmill-test-'));

export async function runTask<P extends TaskProgram>(
  runner: Runner<P>,
  of: {
    program: P;
    input: TaskInput;
    files?: Record<string, string>;
    json?: Record<string, Descriptor>;
    stage?: Stage;
  },
): Promise<Outcome & { readonly scratch: string }> {
  const scratch = join(tempFolder(), 'attempt');
  await mkdir(scratch);
  const prepared: Prepared<P> = {
    task: 'a'.repeat(64) as TaskId,
    stage: of.stage ?? STAGE_NAMES[0]!,
    program: of.program,
    input: of.input,
    files: of.files ?? {},
    json: of.json ?? {},
    scratch,
    memoryBytes: LIMITS.taskMemoryBytes,
  };
  return { ...(await runner(prepared)), scratch };
}

/** A shard of a whole local file; its ranges are of no matter where the file is whole. */
export const wholeFile = (key: string, rows: number): Shard => ({
  key,
  etag: 'e',
  bytes: 1,
  footerBytes: 1,
  rowGroupStart: 0,
  rowGroupEnd: 1,
  rowStart: 0,
  rowEnd: rows,
  ranges: [],
});
