// Counters and one histogram in Prometheus' text form.
// In: what happened. Out: the page at /metrics. Labels are names that exist, never what a client made up.

/** Seconds; a prediction takes some 0.2 ms to 5 ms, a wait for a new child up to a second. */
const BUCKETS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5,
] as const;

const HELP = {
  gristmill_inference_requests_total: ['counter', 'Prediction requests by model, version and code'],
  gristmill_inference_rows_total: ['counter', 'Rows predicted'],
  gristmill_inference_calls_total: ['counter', 'Calls to inference children; requests share them'],
  gristmill_inference_ignored_fields_total: ['counter', 'Fields of rows that no model reads'],
  gristmill_inference_duration_seconds: ['histogram', 'From the parsed body to the answer'],
  gristmill_inference_waiting_rows: ['gauge', 'Rows waiting for a free child'],
  gristmill_swaps_total: ['counter', 'Versions brought in, by outcome'],
  gristmill_serving_version: ['gauge', 'The version that an alias answers with'],
  gristmill_wanted_version: ['gauge', 'The version that the store says an alias has'],
  gristmill_child_restarts_total: ['counter', 'Inference children lost and replaced'],
  gristmill_store_up: ['gauge', '1 where the last look at the store went well'],
} as const satisfies Record<string, readonly ['counter' | 'gauge' | 'histogram', string]>;
export type MetricName = keyof typeof HELP;
type Labels = Readonly<Record<string, string | number>>;

export class Metrics {
  readonly #values = new Map<MetricName, Map<string, number>>();
  readonly #buckets = new Map<string, { counts: number[]; sum: number }>();

  add(name: MetricName, labels: Labels = {}, by = 1): void {
    const series = this.#series(name);
    const key = labelText(labels);
    series.set(key, (series.get(key) ?? 0) + by);
  }

  set(name: MetricName, labels: Labels, value: number): void {
    this.#series(name).set(labelText(labels), value);
  }

  /** Forgets all series of a gauge, to be set anew. */
  clear(name: MetricName): void {
    this.#values.delete(name);
  }

  observeSeconds(labels: Labels, seconds: number): void {
    const key = labelText(labels);
    const histogram = this.#buckets.get(key) ?? { counts: BUCKETS.map(() => 0).concat(0), sum: 0 };
    const bucket = BUCKETS.findIndex((edge) => seconds <= edge);
    histogram.counts[bucket < 0 ? BUCKETS.length : bucket]! += 1;
    histogram.sum += seconds;
    this.#buckets.set(key, histogram);
  }

  render(): string {
    const lines: string[] = [];
    for (const name of Object.keys(HELP) as MetricName[]) {
      const [type, help] = HELP[name];
      lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`);
      if (type === 'histogram') lines.push(...this.#renderHistogram(name));
      else
        for (const [key, value] of this.#series(name)) lines.push(`${name}${braces(key)} ${value}`);
    }
    return `${lines.join('\n')}\n`;
  }

  #renderHistogram(name: string): string[] {
    return [...this.#buckets].flatMap(([key, { counts, sum }]) => {
      let total = 0;
      const edges = [...BUCKETS, '+Inf'].map((edge, index) => {
        total += counts[index]!;
        return `${name}_bucket${braces([key, `le="${edge}"`].filter(Boolean).join(','))} ${total}`;
      });
      return [...edges, `${name}_sum${braces(key)} ${sum}`, `${name}_count${braces(key)} ${total}`];
    });
  }

  #series(name: MetricName): Map<string, number> {
    const series = this.#values.get(name) ?? new Map<string, number>();
    this.#values.set(name, series);
    return series;
  }
}

const labelText = (labels: Labels): string =>
  Object.entries(labels)
    .map(([name, value]) => `${name}="${String(value).replace(/[\\"\n]/g, '_')}"`)
    .join(',');

const braces = (text: string): string => (text === '' ? '' : `{${text}}`);
