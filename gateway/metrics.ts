// What the gateway counts, each figure with its labels; what can be read at any time, gateway.ts tells.
// In: what happened. Out: counters and one histogram at /metrics. Labels are names that exist, never what a client made up.
import type { Counter, Histogram } from 'prom-client';
import { Metrics as ServiceMetrics } from '../common/http/metrics.ts';

/** Seconds; a prediction takes some 0.2 ms to 5 ms, a wait for a new child up to a second. */
const EDGES = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];

const COUNTERS = {
  gristmill_inference_requests_total: {
    help: 'Prediction requests by model, version and code',
    labels: ['model', 'version', 'code'],
  },
  gristmill_inference_rows_total: { help: 'Rows predicted', labels: ['model', 'version'] },
  gristmill_inference_calls_total: {
    help: 'Calls to inference children; requests share them',
    labels: [],
  },
  gristmill_inference_ignored_fields_total: {
    help: 'Fields of rows that no model reads',
    labels: ['model'],
  },
  gristmill_swaps_total: {
    help: 'Versions brought in, by outcome',
    labels: ['model', 'alias', 'outcome'],
  },
} as const;
type Name = keyof typeof COUNTERS;

export class Metrics {
  /** The registry behind /metrics. */
  readonly service = new ServiceMetrics('gateway');
  readonly #counters = new Map<Name, Counter>();
  readonly #seconds: Histogram<'model'>;

  constructor() {
    for (const name of Object.keys(COUNTERS) as Name[]) {
      const { help, labels } = COUNTERS[name];
      this.#counters.set(name, this.service.counter(name, help, labels));
    }
    this.#seconds = this.service.histogram(
      'gristmill_inference_duration_seconds',
      'From the parsed body to the answer',
      { labels: ['model'], edges: EDGES },
    );
  }

  add(name: Name, labels: Readonly<Record<string, string | number>> = {}, by = 1): void {
    this.#counters.get(name)!.inc(labels, by);
  }

  observeSeconds(labels: { readonly model: string }, seconds: number): void {
    this.#seconds.observe(labels, seconds);
  }
}
