// Figures and changes of rows that are all in memory, put together from what workers do in pieces.
// In: scores and labels. Out: metrics; a change with its bounds.
import {
  assertFinite,
  changePartial,
  curveOf,
  figuresOf,
  finishChange,
  foldRows,
  type Pair,
  type Rows,
  walkCurve,
} from '../../common/metric/measure.ts';
import type { Scored } from '../../common/metric/metric.ts';
import { METRICS, type MetricName } from '../../common/metric/metrics.ts';
import type { CompareResult } from '../../common/stage/evaluate.ts';
import type { Metrics } from '../../common/stage/terms.ts';

export function metricsOf(names: readonly MetricName[], scored: Scored): Metrics {
  assertFinite(scored);
  const rows: Rows = () => [scored];
  return figuresOf(names, (name) => {
    const metric = METRICS[name];
    if (metric.of === 'rows') return metric.finish(foldRows(metric, rows));
    return walkCurve(metric, [curveOf(metric, scored)]);
  });
}

export type Comparison = {
  readonly metric: MetricName;
  readonly confidence: number;
  readonly seed: number;
} & Pair;

/** All at once, for rows that are in memory. */
export function compareScores(of: Comparison): CompareResult {
  const { metric: name, confidence, seed, ...pair } = of;
  const metric = METRICS[name];
  const [champion, challenger] = (['champion', 'challenger'] as const).map((side) => ({
    width: pair.width,
    labels: pair.labels,
    scores: pair[side],
  })) as [Scored, Scored];
  const figure = (scored: Scored): number | undefined => metricsOf([name], scored)[name];
  const curves =
    metric.of === 'curve'
      ? {
          curves: {
            champion: () => [curveOf(metric, champion)],
            challenger: () => [curveOf(metric, challenger)],
          },
        }
      : {};
  return finishChange({
    metric: name,
    confidence,
    rows: pair.labels.length,
    champion: figure(champion),
    challenger: figure(challenger),
    sum: changePartial(name, () => [pair], { draw: { seed, path: [] }, ...curves }),
  });
}
