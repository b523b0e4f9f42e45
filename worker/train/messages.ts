// What a training host and its child say to each other, and the child's main thread to its lanes' threads.
// In: nothing. Out: types. Why one file: three contexts must agree, and none of them may import the others' engines.
import type { WireError } from '../../common/errors.ts';
import type { RunId, WorkerId } from '../../common/ids.ts';
import type { TrainFigures, TrainProgram } from '../../common/stage/train.ts';
import type { RunStatus } from '../../common/wire/event.ts';
import type { Checkpoint, RunView } from '../../common/wire/round.ts';

/** Host → resident. `run` is repeated everywhere: what belongs to an earlier run is dropped. */
export type ToResident =
  | {
      readonly kind: 'train';
      readonly run: RunId;
      readonly worker: WorkerId;
      readonly program: TrainProgram;
      /** Where each part lies, or will once rows of it are needed, by its key. */
      readonly files: Readonly<Record<string, string>>;
      readonly scratch: string;
    }
  | { readonly kind: 'view'; readonly run: RunId; readonly view: RunView }
  | { readonly kind: 'message'; readonly run: RunId; readonly bytes: Uint8Array }
  | { readonly kind: 'saved'; readonly run: RunId; readonly checkpoint: Checkpoint }
  | {
      readonly kind: 'loaded';
      readonly run: RunId;
      readonly load: number;
      readonly bytes: Uint8Array | undefined;
    }
  /** Answer to `need`: the rows lie in the files. */
  | { readonly kind: 'brought'; readonly run: RunId; readonly need: number }
  | { readonly kind: 'stop'; readonly run: RunId };

/** Resident → host. */
export type ToHost =
  /** Rows of these lanes are to be read; what was brought before stays. */
  | {
      readonly kind: 'need';
      readonly run: RunId;
      readonly need: number;
      readonly lanes: readonly number[];
    }
  | { readonly kind: 'send'; readonly run: RunId; readonly bytes: Uint8Array }
  | {
      readonly kind: 'save';
      readonly run: RunId;
      readonly round: number;
      /** Those that have ended before it. */
      readonly epochs: TrainFigures['epochs'];
      readonly bytes: Uint8Array;
    }
  | {
      readonly kind: 'load';
      readonly run: RunId;
      readonly load: number;
      readonly checkpoint: Checkpoint;
    }
  | {
      readonly kind: 'finish';
      readonly run: RunId;
      /** The trained state alone, as decodeCheckpoint reads it. */
      readonly bytes: Uint8Array;
      readonly figures: TrainFigures;
      readonly cpuSeconds: number;
    }
  | {
      readonly kind: 'status';
      readonly run: RunId;
      readonly status: RunStatus;
      readonly threads: number;
    }
  | { readonly kind: 'failed'; readonly run: RunId; readonly error: WireError }
  | { readonly kind: 'stopped'; readonly run: RunId };

/** What the long-lived `lanes` call of a thread receives; the port is transferred with it. */
export type LanesArgs = {
  readonly port: import('node:worker_threads').MessagePort;
  readonly program: TrainProgram;
  readonly files: Readonly<Record<string, string>>;
  /** A folder of this thread alone. */
  readonly scratch: string;
};

/** A node to add up, and where its sum goes: shared memory, as it is read by another thread. */
export type NodeSlot = { readonly node: number; readonly sum: SharedArrayBuffer };

export type ToLanes =
  | { readonly kind: 'hold'; readonly lanes: readonly number[] }
  | {
      readonly kind: 'compute';
      readonly round: number;
      /** What partials read of the state. */
      readonly state: SharedArrayBuffer;
      readonly nodes: readonly NodeSlot[];
    };

export type FromLanes =
  | { readonly kind: 'held' }
  | { readonly kind: 'computed' }
  | { readonly kind: 'failed'; readonly error: WireError };
