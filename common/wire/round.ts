// What crosses process borders in training: who owns which lanes, and the sums of a round.
// In: membership decided by the coordinator. Out: views (repeated) and round messages (idempotent).
// Why idempotent: a sum is named by (round, tree node) and has the same bytes whoever computed it.
import type { RunId, WorkerId } from '../ids.ts';
import type { BlobRef } from './task.ts';

/** The coordinator's word on one run, repeated every heartbeat while the run lives. */
export type RunView = {
  readonly run: RunId;
  readonly numerics: string;
  /** Grows with every change of ownership; messages of another generation are dropped. */
  readonly generation: number;
  /** Owner of each lane, length K. Empty until the first worker is ready. */
  readonly laneOwner: readonly WorkerId[];
  /** Lanes that a worker shall load before it is taken in; it keeps loading while others run. */
  readonly joining: readonly { readonly worker: WorkerId; readonly lanes: readonly number[] }[];
  /** The newest checkpoint: where a worker without state starts. Absent: from the seed. */
  readonly checkpoint: Checkpoint | undefined;
  /** True tells holders to let go: finished, failed or cancelled. */
  readonly ended: boolean;
};

/** State at the border before round `round`. */
export type Checkpoint = { readonly round: number; readonly blob: BlobRef };

/**
 * Round messages on CHANNELS.run(run).
 *
 *   hello   "I stand before `round`, my state has this digest"; sent at every generation change and
 *           when a sum is late. Who is one round ahead answers with the sum of the root; who stands
 *           at the same round sends its own sums again.
 *   sum     one chunk of the merged partial of tree node `node`, made from the state before `round`, which
 *           has the digest `state`: who has another does not take it. Node numbers: the root is 1, the
 *           children of n are 2n and 2n+1, lane l of K is node K + l.
 *   saved   "the state before `round` lies in the store": a joiner without state loads it.
 */
export type RoundMessage =
  | {
      readonly kind: 'hello';
      readonly from: WorkerId;
      readonly generation: number;
      readonly round: number;
      readonly state: number;
      readonly needsState: boolean;
    }
  | {
      readonly kind: 'sum';
      readonly from: WorkerId;
      readonly generation: number;
      readonly round: number;
      readonly state: number;
      readonly node: number;
      readonly chunk: number;
      readonly chunks: number;
      readonly bytes: Uint8Array;
    }
  | {
      readonly kind: 'saved';
      readonly from: WorkerId;
      readonly generation: number;
      readonly checkpoint: Checkpoint;
    };
