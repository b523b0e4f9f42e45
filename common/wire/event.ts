// What processes tell each other without asking: heartbeats and hints.
// In: a process's own state. Out: small JSON messages. None of it is truth; all of it is repeated.
import type { DeviceKind } from '../engine/device/device.ts';
import type { TaskId, WorkerId } from '../ids.ts';
import type { StoreTrouble } from '../store/health.ts';

export type Heartbeat = {
  readonly worker: WorkerId;
  readonly host: string;
  readonly pid: number;
  /** The numerics: tasks of another one are not taken. */
  readonly numerics: string;
  readonly device: DeviceKind;
  readonly threads: number;
  readonly threadsFree: number;
  readonly memoryBytes: number;
  readonly tasks: readonly TaskId[];
  /** Training runs this worker holds state of or loads rows for. */
  readonly runs: readonly RunStatus[];
  readonly draining: boolean;
  /** What is wrong with the store, as this worker finds it. */
  readonly store?: StoreTrouble;
  readonly startedAt: number;
};

export type RunStatus = {
  readonly run: string;
  readonly generation: number;
  readonly round: number;
  /** Lanes whose rows lie loaded in memory. */
  readonly lanesLoaded: readonly number[];
  readonly phase: 'loading' | 'ready' | 'running' | 'done' | 'failed';
  readonly error?: { readonly code: string; readonly message: string };
  /** Training rows in steps since the run's start at this worker, and mean loss of the last round. */
  readonly rows: number;
  readonly loss: number;
  /** Of the process that computes, since it began with the run. */
  readonly cpuSeconds?: number;
};

export type TaskSettled = {
  readonly task: TaskId;
  readonly ok: boolean;
  /** The group that it was committed in: said once for all of them. */
  readonly group?: string;
};
export type AliasMoved = {
  readonly model: string;
  readonly environment: string;
  readonly alias: string;
};
