// The one shape of parallel computing: rows → partials → merged along one fixed tree → state.
// In: what a lane holds. Out: the same state, whoever computed which lane and in whatever order they answered.
// Why one shape: rounds, threads, checkpoints and progress know nothing else of what is trained.
//
//   round:   state.shared ─▶ partials: a lane's sum from its rows ─▶ merge along the tree ─▶ state.step(root)
//
// An algorithm is bound to a program. What rounds there are is told apart (Schedule), as the coordinator asks it too.
// Statistics, which no round needs, are merged left to right, as their tasks' results come.
import type { TrainFigures } from '../stage/train.ts';

/** Numbers that merge by being added: they travel, and lie in shared memory, as they are. */
export type Sum = Float32Array | Float64Array;
export type SumShape = { readonly numbers: 'float32' | 'float64'; readonly length: number };

/** Which rounds a run has. */
export type Schedule = {
  /** The state before round `rounds` is the result. */
  readonly rounds: number;
  /** Whether the state before this round is kept in the store, whoever asks. */
  isKept(round: number): boolean;
  /** Training rows that all lanes together have taken before this round. */
  rowsBefore(round: number): number;
  /** Epochs that have ended before this round. */
  epochsBefore(round: number): number;
};

export type Algorithm<Rows> = Schedule & {
  sumOf(round: number): SumShape;
  /** The first state, from the program's seed. */
  init(): State;
  /** The state that state.encode() wrote. */
  decode(bytes: Uint8Array): State;
  /** In a thread: engines are opened here, and rows held. */
  openPartials(): Promise<Partials<Rows>>;
  /** into = left + right. Called only along the lane tree, left before right; all three are of one shape. */
  merge(into: Sum, left: Sum, right: Sum): void;
};

/** What every holder of a run has, changed in place by step(): the same bits in each. */
export type State = {
  /** It stands before this round. */
  readonly round: number;
  /** Of the last round, for progress. */
  readonly loss: number;
  /** What partials read of it. */
  readonly shared: Float32Array;
  /** Figures of the epochs that have ended: a joiner must end with those that it never saw. */
  readonly epochs: TrainFigures['epochs'];
  /** Throws what ends the run; the state is spoilt then. */
  step(sum: Sum): void;
  /** Holders that differ stop the run. */
  digest(): number;
  /** All that is needed to go on from here. */
  encode(): Uint8Array;
  /** What was trained, alone. */
  encodeTrained(): Uint8Array;
  figures(): TrainFigures;
};

/** Lanes' rows in a thread, and their sums. */
export type Partials<Rows> = AsyncDisposable & {
  readonly lanes: readonly number[];
  /** Takes rows in, and lets go of lanes that are not among `keep`. */
  hold(loaded: ReadonlyMap<number, Rows>, keep: readonly number[]): void;
  share(state: Float32Array): void;
  /** The sum of a node whose lanes are held, in the shape of the round. */
  sumInto(node: number, round: number, target: SharedArrayBuffer): Promise<void>;
};

export const bytesOfSum = ({ numbers, length }: SumShape): number =>
  length * (numbers === 'float32' ? 4 : 8);

export const viewSum = ({ numbers }: SumShape, buffer: ArrayBufferLike): Sum =>
  numbers === 'float32' ? new Float32Array(buffer) : new Float64Array(buffer);
