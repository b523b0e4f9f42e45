// What a version is worth on the rows that its score tasks scored, as a whole and by slice.
// In: score files of all parts, in order. Out: metrics, and those of a model that always says the training mean.
// Why one task over all parts: AUC is exact only over all rows at once; a score is 8 bytes a row.
// Flow: job → snapshot → plan → prepare → fit → train → [evaluate] → prove → publish → gate → predictions
import { constantMetrics, metricsOf, type Scored } from '../../common/algorithm/metrics.ts';
import { GristmillError } from '../../common/errors.ts';
import type { TaskId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { LabelKind, MetricsProgram, MetricsResult } from '../../common/wire/program.ts';
import type { TaskInput } from '../../common/wire/task.ts';
import type { Outcome, Prepared } from './runner.ts';
import { readScores, type Slice } from './scores.ts';

export async function runMetrics(prepared: Prepared<MetricsProgram>): Promise<Outcome> {
  const { program } = prepared;
  const columns = await readScores(prepared, scoreTasks(prepared.input), program.slices);
  const result: MetricsResult = {
    rows: columns.scores.length,
    metrics: metricsOf(program.label, columns),
    baseline: constantMetrics(program.label, columns.labels, program.baseline),
    slices: Object.fromEntries(
      columns.slices.map((slice) => [slice.name, sliceMetrics(program.label, columns, slice)]),
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
  label: LabelKind,
  columns: Scored,
  slice: Slice,
): MetricsResult['slices'][string] {
  return splitBySlice(columns, slice)
    .map((scored, code) => ({ value: slice.values[code]!, scored }))
    .sort(
      (a, b) =>
        b.scored.scores.length - a.scored.scores.length ||
        Buffer.compare(Buffer.from(a.value), Buffer.from(b.value)),
    )
    .slice(0, LIMITS.sliceValuesMax)
    .map(({ value, scored }) => ({
      value,
      rows: scored.scores.length,
      metrics: metricsOf(label, scored),
    }));
}

/** The rows of each value, in row order, as views of two sorted columns (counting sort). */
function splitBySlice({ scores, labels }: Scored, { values, codes }: Slice): Scored[] {
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
    sorted.scores[place] = scores[row]!;
    sorted.labels[place] = labels[row]!;
  });
  return values.map((_value, code) => ({
    scores: sorted.scores.subarray(ends[code], ends[code + 1]),
    labels: sorted.labels.subarray(ends[code], ends[code + 1]),
  }));
}
