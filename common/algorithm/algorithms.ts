// The algorithms that training knows, as far as the coordinator asks: which rounds a program has.
// In: a train program. Out: its schedule.
// Why apart from worker/train/algorithms: who decides counts rounds, and loads nothing that computes in them.
import type { TrainProgram } from '../stage/train.ts';
import type { Schedule } from './algorithm.ts';
import { gradientSchedule } from './schedule.ts';

export const SCHEDULES = {
  gradients: gradientSchedule,
} as const satisfies Readonly<Record<string, (program: never) => Schedule>>;

export type AlgorithmKind = keyof typeof SCHEDULES;

/** Programs that do not say are of the time when there was no other: their digests stay. */
export const algorithmIn = ({ algorithm }: TrainProgram): AlgorithmKind => algorithm ?? 'gradients';

export const scheduleOf = (program: TrainProgram): Schedule =>
  SCHEDULES[algorithmIn(program)](program);
