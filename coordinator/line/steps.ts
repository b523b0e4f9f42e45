// A graph of steps, as data, and the one executor that runs any of them.
// In: steps with what each needs. Out: what each made. Why typed: a step is handed what it needs and nothing else.
import { GristmillError } from '../../common/errors.ts';

/** A step is handed what the steps that it needs have made, and nothing else. */
export type Step<Job, Made> = {
  readonly step: keyof Made;
  readonly needs: readonly (keyof Made)[];
  readonly run: (job: Job, made: Made) => Promise<unknown>;
};

/** Holds a step to what it needs and makes. */
export const stepsOf =
  <Job, Made>() =>
  <Name extends keyof Made, const Needs extends readonly (keyof Made)[]>(
    step: Name,
    needs: Needs,
    run: (job: Job, made: Pick<Made, Needs[number]>) => Promise<Made[Name]>,
  ): Step<Job, Made> => ({ step, needs, run });

/** Runs each step once what it needs is there; one at a time, as a step's tasks fill the cluster by themselves. */
export async function runLine<Job, Made>(
  line: readonly Step<Job, Made>[],
  job: Job,
): Promise<Partial<Made>> {
  const made: Partial<Made> = {};
  for (const { step, run } of inOrder(line))
    made[step] = (await run(job, made as Made)) as Made[typeof step];
  return made;
}

/** Needs first, else as they stand; INTERNAL where a line has no such order. */
export function inOrder<Job, Made>(line: readonly Step<Job, Made>[]): readonly Step<Job, Made>[] {
  const ordered: Step<Job, Made>[] = [];
  const waiting = [...line];
  const isMade = (need: keyof Made): boolean => ordered.some(({ step }) => step === need);
  while (waiting.length > 0) {
    const next = waiting.findIndex(({ needs }) => needs.every(isMade));
    if (next < 0) {
      const steps = waiting.map(({ step }) => String(step)).join(', ');
      throw new GristmillError('INTERNAL', `Cannot order ${steps}: none has all that it needs`);
    }
    ordered.push(...waiting.splice(next, 1));
  }
  return ordered;
}
