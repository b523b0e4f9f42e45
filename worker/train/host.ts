// A worker's side of training in the supervisor: everything around the rounds that is I/O.
// In: run views and round messages from the queue. Out: round messages, checkpoints, the commit, run statuses.
// Why here: the child that computes is expendable; leases, store and NATS stay in this process.
// Flow: job → snapshot → plan → prepare → fit → [train] → evaluate → prove → publish → gate → predictions
import type { Child } from '../../common/child/host.ts';
import type { Clock } from '../../common/clock.ts';
import type { WorkerId } from '../../common/ids.ts';
import type { Log } from '../../common/log.ts';
import type { Queue } from '../../common/queue/queue.ts';
import type { Store } from '../../common/store/store.ts';
import type { RunStatus } from '../../common/wire/event.ts';

export type TrainingHostOptions = {
  readonly worker: WorkerId;
  readonly queue: Queue;
  readonly store: Store;
  /** Started with `resident: new URL('./train/resident.ts', import.meta.url)`. */
  readonly child: Child;
  readonly clock: Clock;
  /** A folder of this process alone; parts are kept in it by sha256 while their run lives. */
  readonly scratch: string;
  readonly log: Log;
  readonly profile: string;
};

export type TrainingHost = {
  /** For the heartbeat: the run that this worker holds state of or loads rows for. */
  status(): readonly RunStatus[];
  /** Threads of the child that training holds now: so many fewer are free for tasks. */
  threadsUsed(): number;
  close(): Promise<void>;
};
