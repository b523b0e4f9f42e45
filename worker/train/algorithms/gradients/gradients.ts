// Gradients as an algorithm: lanes' gradients are summed, an optimizer steps, each epoch ends with a validation.
// In: a program. Out: what rounds, threads and checkpoints ask of it.
// Why engines are opened late: the child's main thread has the state, and only threads compute partials.
import type { Algorithm } from '../../../../common/algorithm/algorithm.ts';
import { addGradients, sumLength } from '../../../../common/algorithm/gradients.ts';
import { gradientSchedule, roundPlan } from '../../../../common/algorithm/schedule.ts';
import { addValidation, validationLength } from '../../../../common/objective/validation.ts';
import type { GradientsProgram } from '../../../../common/stage/train.ts';
import type { LaneRows } from '../../rows.ts';
import { Progress } from './progress.ts';

export const gradients = (program: GradientsProgram): Algorithm<LaneRows> => ({
  ...gradientSchedule(program),
  sumOf: (round) =>
    roundPlan(program, round).kind === 'step'
      ? { numbers: 'float32', length: sumLength(program.parameters) }
      : { numbers: 'float64', length: validationLength(program.label) },
  init: () => Progress.fromSeed(program),
  decode: (bytes) => Progress.fromCheckpoint(program, bytes),
  openPartials: async () => {
    const { openPartials } = await import('./partial.ts'); // in a thread only: it loads ONNX Runtime
    return openPartials(program);
  },
  merge(into, left, right) {
    if (into instanceof Float32Array)
      addGradients(into, left as Float32Array, right as Float32Array);
    else addValidation(into, left as Float64Array, right as Float64Array);
  },
});
