// Figures in Prometheus' text form.
// In: finished requests, and samples asked for at each scrape. Out: the page at /metrics.
// Why no library: three shapes of line; labels are route patterns, never paths, so their number is bounded.
import type { FastifyInstance } from 'fastify';
import type { Clock } from '../../common/clock.ts';
import { groupBy } from '../../common/group.ts';
import type { Sample } from './deps.ts';

/** Seconds: reads take milliseconds, a submit plans SQL and lists the lake. */
const EDGES = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] as const;

type Histogram = { readonly counts: number[]; sum: number };

export class Meters {
  readonly #clock: Clock;
  readonly #requests = new Map<string, number>();
  readonly #durations = new Map<string, Histogram>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts every answer of `app`; streams are timed until they end. */
  watch(app: FastifyInstance): void {
    const started = new WeakMap<object, number>();
    app.addHook('onRequest', async (request) => {
      started.set(request, this.#clock.monotonicMs());
    });
    app.addHook('onResponse', async (request, reply) => {
      const route = request.routeOptions.url ?? 'unknown';
      const ms = this.#clock.monotonicMs() - (started.get(request) ?? this.#clock.monotonicMs());
      this.#count(labels({ method: request.method, route, code: reply.statusCode }));
      this.#observe(labels({ route }), ms / 1000);
    });
  }

  #count(key: string): void {
    this.#requests.set(key, (this.#requests.get(key) ?? 0) + 1);
  }

  #observe(key: string, seconds: number): void {
    const histogram = this.#durations.get(key) ?? { counts: EDGES.map(() => 0), sum: 0 };
    EDGES.forEach((edge, index) => {
      if (seconds <= edge) histogram.counts[index]! += 1;
    });
    histogram.sum += seconds;
    this.#durations.set(key, histogram);
  }

  render(samples: readonly Sample[]): string {
    const requests = [...this.#requests].map(([key, value]) => `{${key}} ${value}`);
    const byName = groupBy(samples, ({ name }) => name);
    const lines = [
      ...family('gristmill_http_requests_total', 'counter', 'HTTP requests answered', requests),
      ...this.#renderDurations(),
      ...[...byName].flatMap(([name, group]) =>
        family(name, group[0]!.type, group[0]!.help, group.map(sampleLine)),
      ),
    ];
    return `${lines.join('\n')}\n`;
  }

  #renderDurations(): string[] {
    const name = 'gristmill_http_request_duration_seconds';
    const head = family(name, 'histogram', 'Time to answer an HTTP request', []);
    const lines = [...this.#durations].flatMap(([key, { counts, sum }]) => {
      const total = [...this.#requests]
        .filter(([request]) => request.includes(key))
        .reduce((all, [, count]) => all + count, 0);
      const buckets = EDGES.map((edge, i) => `${name}_bucket{${key},le="${edge}"} ${counts[i]}`);
      const last = `${name}_bucket{${key},le="+Inf"} ${total}`;
      return [...buckets, last, `${name}_sum{${key}} ${sum}`, `${name}_count{${key}} ${total}`];
    });
    return [...head, ...lines];
  }
}

function family(name: string, type: string, help: string, series: readonly string[]): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...series.map((line) => name + line)];
}

const sampleLine = ({ labels: of, value }: Sample): string =>
  `${of ? `{${labels(of)}}` : ''} ${value}`;

const labels = (of: Readonly<Record<string, string | number>>): string =>
  Object.entries(of)
    .map(([name, value]) => `${name}="${escapeLabel(String(value))}"`)
    .join(',');

const escapeLabel = (value: string): string =>
  value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
