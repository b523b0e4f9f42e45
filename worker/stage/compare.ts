// Challenger against champion: the change of one metric with its bounds.
// In: the champion's score tasks, then the challenger's, part by part of the same rows. Out: CompareResult.
// Why labels are compared: both scored the same rows only if both saw the same labels.
// Flow: job → snapshot → plan → prepare → fit → train → [evaluate] → prove → publish → gate → predictions
import { GristmillError } from '../../common/errors.ts';
import { compareScores } from '../../common/metric/measure.ts';
import { isMetric } from '../../common/metric/metrics.ts';
import { isMetricOf, OBJECTIVES } from '../../common/objective/objectives.ts';
import type { CompareProgram } from '../../common/wire/program.ts';
import { scoreTasks } from './metrics.ts';
import type { Outcome, Prepared } from './runner.ts';
import { readScores } from './scores.ts';

export async function runCompare(prepared: Prepared<CompareProgram>): Promise<Outcome> {
  const { metric, label, confidence, seed, parts } = prepared.program;
  if (!isMetric(metric) || !isMetricOf(label, metric)) {
    throw new GristmillError('INTERNAL', `Cannot compare ${label} scores by ${metric}`);
  }
  const tasks = scoreTasks(prepared.input);
  if (tasks.length !== 2 * parts) {
    throw new GristmillError(
      'INTERNAL',
      `Cannot compare ${tasks.length} score files, expected ${parts} of each version`,
    );
  }
  const { width } = OBJECTIVES[label];
  const champion = await readScores(prepared, tasks.slice(0, parts), { width, slices: [] });
  const challenger = await readScores(prepared, tasks.slice(parts), { width, slices: [] });
  assertSameLabels(champion.labels, challenger.labels);
  const result = compareScores({
    metric,
    confidence,
    seed,
    width,
    champion: champion.scores,
    challenger: challenger.scores,
    labels: challenger.labels,
  });
  return { result, blobs: [], rows: 2 * result.rows };
}

function assertSameLabels(a: Float32Array, b: Float32Array): void {
  if (a.length === b.length && a.every((label, row) => label === b[row])) return;
  throw new GristmillError(
    'INTERNAL',
    `Cannot compare scores of ${a.length} and ${b.length} rows: their labels differ, expected the same rows`,
  );
}
