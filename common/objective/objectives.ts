// The objectives there are: one line each. A new one is a file beside this and a line here.
// In: nothing. Out: a table, and what is asked of all of them: names, metrics of each, whose a metric is.
// Why names that are stored: signatures, manifests and programs hold them; a name is never used for another thing.
import { METRIC_NAMES, type MetricName } from '../metric/metrics.ts';
import { binary } from './binary.ts';
import type { Objective } from './objective.ts';
import { regression } from './regression.ts';

const TABLE = { binary, regression } satisfies Record<string, Objective>;

/** What a model learns, by the kind of its label. */
export type LabelKind = keyof typeof TABLE;
export const OBJECTIVES: Readonly<Record<LabelKind, Objective>> = TABLE;
export const LABEL_KINDS = Object.keys(OBJECTIVES) as readonly LabelKind[];

/** The objective that a label of this type of DuckDB asks for. */
export const objectiveOfType = (type: string): LabelKind | undefined =>
  LABEL_KINDS.find((kind) => OBJECTIVES[kind].label.accepts(type));

/** In the order of the table of metrics. */
export const metricNames = (label: LabelKind): readonly MetricName[] =>
  METRIC_NAMES.filter((name) => isMetricOf(label, name));

export const isMetricOf = (label: LabelKind, metric: MetricName): boolean =>
  OBJECTIVES[label].metrics.includes(metric);

/** Whose metric it is, in words: "binary". */
export const ownersOf = (metric: MetricName): string =>
  LABEL_KINDS.filter((label) => isMetricOf(label, metric)).join(' or ');

/** The metric by which a person tells two models apart. */
export function mainMetric(metrics: Readonly<Record<string, number>>): string {
  const all = Object.values(OBJECTIVES);
  const wanted = [
    ...all.map(({ defaultGateMetric }) => defaultGateMetric),
    ...all.map(({ lossMetric }) => lossMetric),
  ];
  return wanted.find((name) => name in metrics) ?? Object.keys(metrics)[0] ?? '';
}

/** "binary: logLoss, …; regression: mse, …" */
export const METRICS_IN_WORDS = LABEL_KINDS.map(
  (label) => `${label}: ${OBJECTIVES[label].metrics.join(', ')}`,
).join('; ');
