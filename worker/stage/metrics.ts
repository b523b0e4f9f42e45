// What a version is worth on the rows that its score tasks scored, as a whole and by slice.
// In: score files of all parts, in order. Out: metrics, and those of a model that always says the training mean.
// Why one task over all parts: AUC is exact only over all rows at once; a score is 8 bytes a row.
// Flow: job → snapshot → plan → prepare → fit → train → [evaluate] → prove → publish → gate → predictions
import { GristmillError } from '../../common/errors.ts';
import type { TaskId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import { constantScores, metricsOf } from '../../common/metric/measure.ts';
import type { Scored } from '../../common/metric/metric.ts';
import type { MetricName } from '../../common/metric/metrics.ts';
import { OBJECTIVES } from '../../common/objective/objectives.ts';
import type { MetricsProgram, MetricsResult } from '../../common/wire/program.ts';
import type { TaskInput } from '../../common/wire/task.ts';
import type { Outcome, Prepared } from './runner.ts';
import { readScores, type Slice } from './scores.ts';

export async function runMetrics(prepared: Prepared<MetricsProgram>): Promise<Outcome> {
  const { program } = prepared;
  const { metrics: names, width } = OBJECTIVES[program.label];
  const { slices, ...columns } = await readScores(prepared, scoreTasks(prepared.input), {
    width,
    slices: program.slices,
  });
  const constant = constantScores(program.baseline, columns.labels.length);
  const result: MetricsResult = {
    rows: columns.labels.length,
    metrics: metricsOf(names, columns),
    baseline: metricsOf(names, { ...columns, scores: constant }),
    slices: Object.fromEntries(
      slices.map((slice) => [slice.name, sliceMetrics(names, columns, slice)]),
    ),
  };
  return { result, blobs: [], rows: result.rows };
}

/** The tasks of a `results` input, in order. */
export function scoreTasks(input: TaskInput): readonly TaskId[] {
  if (input.kind === 'results') return input.tasks.map(({ task }) => task);
  throw new GristmillError('INTERNAL', `Cannot read scores from ${input.kind}, expected results`);
}

/** The largest slices first, equal ones by their value. */
function sliceMetrics(
  names: readonly MetricName[],
  columns: Scored,
  slice: Slice,
): MetricsResult['slices'][string] {
  return splitBySlice(columns, slice)
    .map((scored, code) => ({ value: slice.values[code]!, scored }))
    .sort(
      (a, b) =>
        b.scored.labels.length - a.scored.labels.length ||
        Buffer.compare(Buffer.from(a.value), Buffer.from(b.value)),
    )
    .slice(0, LIMITS.sliceValuesMax)
    .map(({ value, scored }) => ({
      value,
      rows: scored.labels.length,
      metrics: metricsOf(names, scored),
    }));
}

/** The rows of each value, in row order, as views of two sorted columns (counting sort). */
function splitBySlice({ width, scores, labels }: Scored, { values, codes }: Slice): Scored[] {
  const ends = new Uint32Array(values.length + 1);
  for (const code of codes) ends[code + 1]! += 1;
  for (let code = 0; code < values.length; code++) ends[code + 1]! += ends[code]!;
  const next = ends.slice();
  const sorted = {
    scores: new Float32Array(scores.length),
    labels: new Float32Array(labels.length),
  };
  codes.forEach((code, row) => {
    const place = next[code]!++;
    sorted.scores.set(scores.subarray(row * width, (row + 1) * width), place * width);
    sorted.labels[place] = labels[row]!;
  });
  return values.map((_value, code) => ({
    width,
    scores: sorted.scores.subarray(width * ends[code]!, width * ends[code + 1]!),
    labels: sorted.labels.subarray(ends[code], ends[code + 1]),
  }));
}
