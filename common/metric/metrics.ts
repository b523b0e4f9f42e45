// The metrics there are: one line each. A new one is a file beside this and a line here.
// In: nothing. Out: a table from which gates, reports, schemas and words are derived.
// Why here and not with the objectives: two objectives may be measured by one metric.
import { accuracy } from './accuracy.ts';
import { auc } from './auc.ts';
import { brier } from './brier.ts';
import { logLoss } from './log-loss.ts';
import { mae } from './mae.ts';
import type { Metric } from './metric.ts';
import { mse } from './mse.ts';
import { r2 } from './r2.ts';

const TABLE = { auc, logLoss, brier, accuracy, r2, mse, mae } satisfies Record<string, Metric>;

export type MetricName = keyof typeof TABLE;
export const METRICS: Readonly<Record<MetricName, Metric>> = TABLE;
export const METRIC_NAMES = Object.keys(METRICS) as readonly MetricName[];

export const isMetric = (name: string): name is MetricName => Object.hasOwn(METRICS, name);
/** As a person writes it; a name that is not known stays as it is. */
export const metricTitle = (name: string): string => (isMetric(name) ? METRICS[name].title : name);
