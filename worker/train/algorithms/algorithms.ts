// The algorithms that a worker can train by: a folder each, found by the program's kind.
// In: a train program. Out: its algorithm.
// Why one place: a new one is a folder, a line here and a line in common/algorithm/algorithms.
import type { Algorithm } from '../../../common/algorithm/algorithm.ts';
import { type AlgorithmKind, algorithmIn } from '../../../common/algorithm/algorithms.ts';
import type { TrainProgram } from '../../../common/stage/train.ts';
import type { LaneRows } from '../rows.ts';
import { gradients } from './gradients/gradients.ts';

const ALGORITHMS = {
  gradients,
} as const satisfies Readonly<Record<AlgorithmKind, (program: never) => Algorithm<LaneRows>>>;

export const algorithmOf = (program: TrainProgram): Algorithm<LaneRows> =>
  ALGORITHMS[algorithmIn(program)](program);
