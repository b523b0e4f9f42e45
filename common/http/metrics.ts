// Figures for Prometheus: one registry a service, so that two services in one process share nothing.
// In: counts as they happen, or what to read at each scrape. Out: the page at /metrics.
// Why labels are named here and nowhere made up: a client that could invent one could fill the memory.
import type { FastifyInstance } from 'fastify';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Clock } from '../clock.ts';
import { groupBy } from '../group.ts';

export type MetricName = `gristmill_${string}` | `process_${string}`;

/** One figure, told when it is asked for. Labels are names that exist, never an id or what a client made up. */
export type Sample = {
  readonly name: MetricName;
  readonly help: string;
  readonly type: 'counter' | 'gauge';
  readonly labels?: Readonly<Record<string, string | number>>;
  readonly value: number;
};

/** Seconds: reads take milliseconds, a submit plans SQL and lists the lake. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export class Metrics {
  readonly #registry = new Registry();
  readonly #reads: (() => readonly Sample[])[] = [];
  readonly #told = new Map<string, Counter | Gauge>();
  readonly type = this.#registry.contentType;

  constructor(role: string) {
    this.read(() => processSamples(role));
  }

  counter<L extends string>(name: MetricName, help: string, labels: readonly L[] = []): Counter<L> {
    return new Counter({ name, help, labelNames: labels, registers: [this.#registry] });
  }

  gauge<L extends string>(name: MetricName, help: string, labels: readonly L[] = []): Gauge<L> {
    return new Gauge({ name, help, labelNames: labels, registers: [this.#registry] });
  }

  histogram<L extends string>(
    name: MetricName,
    help: string,
    { labels, edges }: { readonly labels: readonly L[]; readonly edges: readonly number[] },
  ): Histogram<L> {
    const buckets = [...edges];
    return new Histogram({ name, help, labelNames: labels, buckets, registers: [this.#registry] });
  }

  /** Asks `samples` at each scrape. A name belongs to one reader, and its labels are always the same. */
  read(samples: () => readonly Sample[]): void {
    this.#reads.push(samples);
  }

  page(): Promise<string> {
    const groups = groupBy(
      this.#reads.flatMap((read) => read()),
      ({ name }) => name,
    );
    for (const told of this.#told.values()) told.reset();
    for (const [name, samples] of groups) {
      const metric = this.#metricOf(name, samples[0]!);
      for (const { labels = {}, value } of samples) metric.inc(labels, value);
    }
    return this.#registry.metrics();
  }

  #metricOf(name: MetricName, { help, type, labels = {} }: Sample): Counter | Gauge {
    const there = this.#told.get(name);
    if (there) return there;
    const names = Object.keys(labels);
    const made =
      type === 'counter' ? this.counter(name, help, names) : this.gauge(name, help, names);
    this.#told.set(name, made);
    return made;
  }
}

/** Counts every answer of `app`; streams are timed until they end. Labels are paths as the documentation has them. */
export function watchRequests(
  app: FastifyInstance,
  metrics: Metrics,
  { clock, pathOf }: { readonly clock: Clock; pathOf(pattern: string | undefined): string },
): void {
  const labels = ['method', 'route', 'code'] as const;
  const requests = metrics.counter(
    'gristmill_http_requests_total',
    'HTTP requests answered',
    labels,
  );
  const seconds = metrics.histogram(
    'gristmill_http_request_duration_seconds',
    'Time to answer an HTTP request',
    { labels: ['route'], edges: SECONDS },
  );
  const started = new WeakMap<object, number>();
  app.addHook('onRequest', (request, _reply, done) => {
    started.set(request, clock.monotonicMs());
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    const route = pathOf(request.routeOptions.url);
    const nowMs = clock.monotonicMs();
    requests.inc({ method: request.method, route, code: reply.statusCode });
    seconds.observe({ route }, (nowMs - (started.get(request) ?? nowMs)) / 1000);
    done();
  });
}

function processSamples(role: string): readonly Sample[] {
  const { user, system } = process.cpuUsage();
  const gauge = (name: MetricName, help: string, value: number): Sample => ({
    name,
    help,
    type: 'gauge',
    value,
  });
  return [
    {
      ...gauge('gristmill_build_info', 'Always 1; the labels say what runs', 1),
      labels: { role, node: process.versions.node },
    },
    {
      ...gauge('process_cpu_seconds_total', 'CPU seconds, user and system', (user + system) / 1e6),
      type: 'counter',
    },
    gauge('process_resident_memory_bytes', 'Resident memory', process.memoryUsage.rss()),
  ];
}
