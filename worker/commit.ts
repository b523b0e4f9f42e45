// The commit of a task: data first, then the descriptor. Creating the descriptor is the claim; who comes second discards.
// In: an outcome. Out: objects below parts/<stage>/<task>/, and whether this attempt was the first.
// Why no fence but this: acks, leases and heartbeats of stale holders are all accepted; a second create is not.
//
//   <sha256>.parquet, <sha256>.bin (create-only, named by content) ─► <n>.json (create-only) ─► ack
//   without data, and while another put is under way: one group for all that end meanwhile (group.ts)
//   n > 1, after a copy rotted: <n>-<sha256>.parquet ─► <n>.json, whose result is that of 1.json
//   died before the descriptor: the data are found again by the next attempt, or garbage
//   died before the ack:        the message comes again, the descriptor is found, and it is acked
import { crashPoint } from '../common/crash.ts';
import { canonicalJson, type WorkerId } from '../common/ids.ts';
import { LIMITS } from '../common/limits.ts';
import type { Log } from '../common/log.ts';
import { eachOf } from '../common/store/each.ts';
import type { Store } from '../common/store/store.ts';
import { readStored } from '../common/stored/stored.ts';
import {
  type Attempt,
  commitKey,
  copyKey,
  type Descriptor,
  dataKey,
  type Task,
} from '../common/wire/task.ts';
import type { Committed, Committer } from './group.ts';
import type { Outcome } from './stage/runner.ts';

export const fetchCommit = (store: Store, task: Task): Promise<Descriptor | undefined> =>
  readStored(store, commitKey(task.stage, task.task, task.commit), 'commit');

export type Attempted = {
  readonly outcome: Outcome;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly bytesRead: number;
};

export async function commit(
  store: Store,
  task: Task,
  { outcome, ...spent }: Attempted,
  { worker, log, committer }: { worker: WorkerId; log: Log; committer: Committer },
): Promise<Committed> {
  await eachOf(outcome.blobs, LIMITS.uploadsMax, async ({ file, sha256, path }) => {
    const key = dataKey(task.stage, task.task, `${sha256}.${file}`);
    await store.createFromFile(copyKey(key, task.commit), path);
  });
  crashPoint('commit.afterData');
  const bytesWritten = outcome.blobs.reduce((sum, blob) => sum + blob.bytes, 0);
  const attempt: Attempt = { worker, ...spent, bytesWritten };
  const descriptor: Descriptor = {
    formatVersion: 1,
    task: task.task,
    stage: task.stage,
    result: outcome.result,
    attempt,
    message: task,
  };
  const isAlone = outcome.blobs.length > 0; // what may rot is found by its key
  const committed = await committer.put(task, JSON.stringify(descriptor), { isAlone });
  crashPoint('commit.afterPut');
  if (committed.created === 'exists') await compare(store, task, outcome, log);
  return committed;
}

/** Two attempts at one task must agree: where they do not, something decides bits that is not in its key. */
async function compare(store: Store, task: Task, mine: Outcome, log: Log): Promise<void> {
  const theirs = await fetchCommit(store, task);
  if (!theirs || canonicalJson(theirs.result) === canonicalJson(mine.result)) return;
  log.error('two attempts differ', {
    task: task.task,
    stage: task.stage,
    by: theirs.attempt.worker,
  });
}
