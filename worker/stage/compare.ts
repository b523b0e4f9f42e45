// Challenger against champion: the change of one metric with its bounds, from rows of some parts, merged for all.
// In: the champion's score tasks of up to LIMITS.fanIn parts, then the challenger's of the same parts; or partials.
// Out: a partial, or CompareResult at the root. Why curves come in where there are more parts: the bounds of an AUC need
// of each row where it stands among all rows, so both curves are merged first, and rows are placed on them afterwards.
// Flow: job → snapshot → plan → prepare → fit → train → [evaluate] → prove → publish → gate → predictions
import { GristmillError } from '../../common/errors.ts';
import type { Curve } from '../../common/metric/delong.ts';
import {
  foldTable,
  type Groups,
  joinGroups,
  sourcesOf,
  TABLE_ALL,
} from '../../common/metric/groups.ts';
import {
  changePartial,
  finishChange,
  foldRows,
  mergeChange,
  walkCurve,
} from '../../common/metric/measure.ts';
import { isMetric, METRICS, type MetricName } from '../../common/metric/metrics.ts';
import { isMetricOf, OBJECTIVES } from '../../common/objective/objectives.ts';
import type {
  CompareMergeProgram,
  ComparePartial,
  CompareProgram,
  CurveMergeProgram,
  CurvePartial,
  CurveProgram,
} from '../../common/stage/evaluate.ts';
import { readGroups, spillTo, writeGroups } from './group-file.ts';
import { type Outcome, type Prepared, scratchFile, sealBlob } from './runner.ts';
import { pairBlocks, ScoreFiles, tasksOf } from './scores.ts';

type Sides<T> = { readonly champion: T; readonly challenger: T };

export async function runCompare(prepared: Prepared<CompareProgram>): Promise<Outcome> {
  const { program } = prepared;
  const metric = metricOf(program);
  const files = filesOf(prepared);
  const curves = METRICS[metric].of === 'curve' ? curvesFor(prepared, metric, files) : undefined;
  const partial: ComparePartial = {
    rows: files.champion.rows,
    champion: figurePartial(metric, files.champion, curves?.champion),
    challenger: figurePartial(metric, files.challenger, curves?.challenger),
    sum: changePartial(metric, () => pairBlocks(files.champion, files.challenger), {
      draw: { seed: program.seed, path: program.final ? [] : [tasksOf(prepared.input)[0]!] },
      ...(curves ? { curves } : {}),
    }),
  };
  return seal(partial, program, 2 * partial.rows);
}

export async function runCompareMerge(prepared: Prepared<CompareMergeProgram>): Promise<Outcome> {
  const { program } = prepared;
  const name = metricOf(program);
  const metric = METRICS[name];
  const partials = tasksOf(prepared.input).map(
    (task) => (prepared.json[task]!.result as { partial: ComparePartial }).partial,
  );
  const sum = partials.reduce((left, right) => ({
    rows: left.rows + right.rows,
    // each place has walked both curves whole
    champion: metric.of === 'curve' ? left.champion : metric.merge(left.champion, right.champion),
    challenger:
      metric.of === 'curve' ? left.challenger : metric.merge(left.challenger, right.challenger),
    sum: mergeChange(name, left.sum, right.sum),
  }));
  return seal(sum, program, 0);
}

/** How one version's scores lie in order: for comparisons of more rows than one task reads. */
export async function runCurve(prepared: Prepared<CurveProgram>): Promise<Outcome> {
  const { label } = prepared.program;
  const metric = metricOf(prepared.program);
  const { width } = OBJECTIVES[label];
  const files = new ScoreFiles(prepared, { tasks: tasksOf(prepared.input), width });
  return sealCurve(prepared, curveIn(prepared, metric, { files, name: 'curve' }), files.rows);
}

export async function runCurveMerge(prepared: Prepared<CurveMergeProgram>): Promise<Outcome> {
  const metric = metricOf(prepared.program);
  const sources = tasksOf(prepared.input).map((task) => {
    const { curve } = prepared.json[task]!.result as CurvePartial;
    return readGroups(prepared.files[curve.key]!, { curves: 1 });
  });
  const spill = spillTo((name) => scratchFile(prepared, name), 1);
  return sealCurve(prepared, joinGroups([metric], sources, { spill }), 0);
}

async function sealCurve(prepared: Prepared, groups: Groups, rows: number): Promise<Outcome> {
  const path = scratchFile(prepared, 'curve.bin');
  writeGroups(path, groups());
  const { blob, ref } = await sealBlob(prepared, path, 'bin');
  return { result: { curve: ref } satisfies CurvePartial, blobs: [blob], rows };
}

function metricOf({ metric, label }: Pick<CompareProgram, 'metric' | 'label'>): MetricName {
  if (isMetric(metric) && isMetricOf(label, metric)) return metric;
  throw new GristmillError('INTERNAL', `Cannot compare ${label} scores by ${metric}`);
}

/** The first half of the tasks is the champion's, the second the challenger's, part by part. */
function filesOf(prepared: Prepared<CompareProgram>): Sides<ScoreFiles> {
  const tasks = tasksOf(prepared.input);
  if (tasks.length % 2 !== 0) {
    throw new GristmillError(
      'INTERNAL',
      `Cannot compare ${tasks.length} score files, expected as many of each version`,
    );
  }
  const { width } = OBJECTIVES[prepared.program.label];
  const half = tasks.length / 2;
  const files = (part: typeof tasks): ScoreFiles =>
    new ScoreFiles(prepared, { tasks: part, width });
  return { champion: files(tasks.slice(0, half)), challenger: files(tasks.slice(half)) };
}

/** Of all rows: what the program names, or, where these are all rows, what they give. */
function curvesFor(
  prepared: Prepared<CompareProgram>,
  metric: MetricName,
  files: Sides<ScoreFiles>,
): Sides<Curve> {
  const { curves } = prepared.program;
  const of = (side: keyof Sides<unknown>): Curve => {
    const groups = curves
      ? readGroups(prepared.files[curves[side].key]!, { curves: 1 })
      : curveIn(prepared, metric, { files: files[side], name: side });
    return () => onlyCurve(groups);
  };
  return { champion: of('champion'), challenger: of('challenger') };
}

/** In a file: it is walked more than once. */
function curveIn(
  prepared: Prepared,
  metric: MetricName,
  { files, name }: { readonly files: ScoreFiles; readonly name: string },
): Groups {
  const spill = spillTo((file) => scratchFile(prepared, `${name}-${file}`), 1);
  const blocks = (start: number) => files.blocks({ start });
  const sources = sourcesOf([foldTable([metric], { table: TABLE_ALL, blocks, spill })]);
  return spill(joinGroups([metric], sources, { spill })());
}

function* onlyCurve(groups: Groups): ReturnType<Curve> {
  for (const { curves } of groups()) yield* curves[0] ?? [];
}

/** A figure's partial of these rows; of a curve, which is of all rows already, the figure itself. */
function figurePartial(name: MetricName, files: ScoreFiles, curve: Curve | undefined) {
  const metric = METRICS[name];
  if (metric.of === 'rows') return foldRows(metric, () => files.blocks());
  const figure = curve && walkCurve(metric, curve());
  return figure === undefined ? [] : [figure];
}

function seal(
  partial: ComparePartial,
  of: Pick<CompareMergeProgram, 'metric' | 'label' | 'confidence' | 'final'>,
  rows: number,
): Outcome {
  if (!of.final) return { result: { partial }, blobs: [], rows };
  const name = metricOf(of);
  const metric = METRICS[name];
  const figure = (numbers: readonly number[]): number | undefined =>
    metric.of === 'rows' ? metric.finish(numbers) : numbers[0];
  const result = finishChange({
    metric: name,
    confidence: of.confidence,
    rows: partial.rows,
    champion: figure(partial.champion),
    challenger: figure(partial.challenger),
    sum: partial.sum,
  });
  return { result, blobs: [], rows };
}
