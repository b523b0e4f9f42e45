// The story that the quickstart tells on a running cluster: a job, a served model, new data, a retraining, a gate.
// In: a cluster, the lake's files, the example job. Out: words on a screen, and the figures behind them.
// Why over HTTP alone: whatever it shows, anybody can do with curl.
// Flow: [job → snapshot → plan → prepare → fit → train → evaluate → prove → publish → gate → alias → predictions]

import { setTimeout as delay } from 'node:timers/promises';
import { type Client, createClient, type JobView } from '../../cli/client.ts';
import type { Decision } from '../../common/stage/gate.ts';
import type { Findings } from '../../common/stage/stages.ts';
import type { Metrics } from '../../common/stage/terms.ts';
import { DEFAULT_ALIAS, DEFAULT_ENVIRONMENT } from '../../common/wire/environment.ts';
import type { JobInput } from '../../common/wire/job/job.ts';
import type { GatePolicy } from '../../common/wire/model.ts';
import type { JobFact, StageView } from '../../common/wire/view.ts';
import { whole } from '../../common/words/figures.ts';
import type { Cluster } from '../cluster/cluster.ts';
import { JobError, runJob } from './follow.ts';
import { type Lake, landFiles, SOURCE_ROWS } from './lake.ts';
import type { Screen } from './screen.ts';
import { describeFact, describeProgress, entry } from './words.ts';

export type Addresses = Pick<
  Cluster,
  'coordinatorUrl' | 'gatewayUrl' | 'storeUri' | 'lakeUri' | 'storeEnv'
>;
export type StoryOptions = {
  readonly cluster: Addresses;
  readonly lake: Lake;
  readonly spec: JobInput;
  /** How many of the real flights. */
  readonly rows: number;
  readonly screen: Screen;
  /** Ends the story where it stands. */
  readonly signal: AbortSignal;
  readonly timed: <T>(name: string, work: () => Promise<T>) => Promise<T>;
};
export type JobFigures = {
  readonly job: string;
  readonly version: number;
  readonly decision: Decision;
  readonly rowsIn: number;
  readonly rowsOut: number;
  readonly prepare: { readonly reused: number; readonly computed: number };
  readonly metrics: Metrics;
  readonly baseline: Metrics;
  readonly samplesPerSecond: number | null;
  readonly seconds: Readonly<Record<string, number>>;
  readonly change: { readonly change: number; readonly low: number; readonly high: number } | null;
};
export type StoryFigures = {
  readonly jobs: readonly JobFigures[];
  readonly predictions: readonly number[];
  readonly served: number | null;
};

const SERVED_MS_MAX = 30_000;
/** Below this many flights a model cannot be as good as the reference, so the floor is only "better than chance". */
const FULL_FLOOR_ROWS = 1_000_000;

const ROWS = [
  { date: '2001-05-14T17:30:00Z', distance: 1846, origin: 'ORD', destination: 'SFO' },
  { date: '2001-05-15T06:10:00Z', distance: 602, origin: 'ATL', destination: 'MIA' },
  { date: '2001-05-18T21:45:00Z', distance: null, origin: 'XYZ', destination: 'LAX' },
];

type Teller = StoryOptions & { readonly client: Client };

export async function tellStory(given: StoryOptions): Promise<StoryFigures> {
  const { cluster, lake, spec, screen, timed, rows, signal } = given;
  const addresses = { coordinator: cluster.coordinatorUrl, gateway: cluster.gatewayUrl };
  const options = { ...given, client: createClient({ ...addresses, signal, retryMs: 200 }) };
  const publish = spec.publish!;

  screen.line('\n1. A job: Parquet in, a model version out');
  const first = await timed('first job', async () => {
    await landFiles(cluster.lakeUri, lake.first, cluster.storeEnv);
    screen.line(entry('lake', `January to May at ${cluster.lakeUri}`));
    await setGate(options, gateFor(rows));
    return runStoryJob(options);
  });

  screen.line('\n2. The gate has decided; the gateway follows the alias');
  const served = await timed('swap', () => untilServed(options, first));

  screen.line('\n3. Predictions from raw rows');
  const predictions = await timed('predictions', () =>
    predict(options, served, first.published!.version),
  );

  screen.line('\n4. June lands in the lake; the same job again');
  const second = await timed('second job', async () => {
    await landFiles(cluster.lakeUri, lake.later, cluster.storeEnv);
    const view = await runStoryJob(options);
    describeReuse(options, view);
    return view;
  });
  const servedThen = await timed('second swap', () => untilServed(options, second));
  if (second.decision === 'accepted') await predict(options, servedThen, second.published!.version);
  else if (servedThen !== undefined) {
    screen.line(entry('serving', `${publish.model} version ${servedThen} goes on serving`));
  }

  return {
    jobs: [figuresOf(first), figuresOf(second)],
    predictions,
    served: servedThen,
  };
}

/** The example's gate; a small sample only has to beat chance. */
function gateFor(rows: number): GatePolicy {
  return {
    min: { auc: rows >= FULL_FLOOR_ROWS ? 0.65 : 0.5 },
    change: { metric: 'auc', min: -0.002, confidence: 0.95 },
  };
}

async function setGate({ client, spec, screen, rows }: Teller, gate: GatePolicy): Promise<void> {
  const { model, environment = DEFAULT_ENVIRONMENT } = spec.publish!;
  const path = `/v1/models/${model}/environments/${environment}/gate`;
  await client.setGate(model, environment, gate);
  const sample =
    rows >= FULL_FLOOR_ROWS
      ? ''
      : ` (AUC 0.5 is enough for a sample of ${whole(rows)} of ${whole(SOURCE_ROWS)} flights)`;
  screen.line(entry('gate', `PUT ${path} ${JSON.stringify(gate)}${sample}`));
}

async function runStoryJob({ client, cluster, spec, screen }: Teller): Promise<JobView> {
  let trainRows: number | null = null;
  let epochs = 0;
  const view = await runJob(client, spec, {
    onSubmitted: (id) =>
      screen.line(entry('job', `POST /v1/jobs → ${cluster.coordinatorUrl}/v1/jobs/${id}`)),
    onFact: (fact: JobFact) => {
      const { split, epochs: told = [] }: Partial<Findings> =
        fact.kind === 'found' ? fact.value : {};
      if (split) trainRows = split.train;
      epochs += told.length;
      const seen = trainRows === null ? null : trainRows * epochs;
      for (const line of describeFact(fact, { trainRows: seen })) screen.line(line);
    },
    onView: (live) => {
      const { text, share } = describeProgress(live);
      screen.progress(text, share);
    },
  });
  screen.clear();
  if (!view.published)
    throw new JobError(
      `Job ${view.id} succeeded without a version, expected one of ${spec.publish!.model}`,
    );
  return view;
}

/** Waits until the gateway answers with the version that the alias names; tells which one that is. */
async function untilServed(
  { client, cluster, spec, screen, signal }: Teller,
  job: JobView,
): Promise<number | null> {
  const { model, alias = DEFAULT_ALIAS } = spec.publish!;
  const wanted = job.decision === 'accepted' ? job.published!.version : undefined;
  const deadline = performance.now() + SERVED_MS_MAX;
  for (;;) {
    const answer = await client.served();
    const found = answer.models
      .find(({ name }) => name === model)
      ?.aliases.find((each) => each.alias === alias);
    const version = found?.version ?? null;
    if (wanted === undefined) {
      if (version === null)
        screen.line(entry('serving', `nothing: the gate refused, so ${alias} names no version`));
      return version;
    }
    if (version === wanted) {
      screen.line(
        entry('serving', `${model} version ${version} as ${alias} at ${cluster.gatewayUrl}`),
      );
      return version;
    }
    if (found?.error)
      throw new JobError(
        `The gateway cannot serve ${model} version ${wanted}: ${found.error.detail}`,
      );
    if (performance.now() > deadline) {
      throw new JobError(
        `The gateway serves ${model} version ${version ?? '(none)'} after ${SERVED_MS_MAX / 1000} s, expected ${wanted}`,
      );
    }
    await delay(50, undefined, { signal });
  }
}

/** Asks the alias, or the version itself where the gate has refused it. */
async function predict(
  { client, cluster, spec, screen }: Teller,
  served: number | null,
  version: number,
): Promise<readonly number[]> {
  const { model } = spec.publish!;
  const answer = await client.predict(model, ROWS, served === null ? { version } : undefined);
  const path = served === null ? `/v1/models/${model}/versions/${version}` : `/v1/models/${model}`;
  const url = `${cluster.gatewayUrl}${path}:predict`;
  if (served === null) screen.line(entry('', 'asked for by its number, since no alias names it'));
  ROWS.forEach((row, i) => {
    const share = `${((answer.predictions[i] ?? Number.NaN) * 100).toFixed(1)} %`.padStart(7);
    screen.line(
      entry(
        i === 0 ? `version ${answer.version}` : '',
        `${share} to be late: ${JSON.stringify(row)}`,
      ),
    );
  });
  const curl = `curl -s ${url} -H 'content-type: application/json' -d '${JSON.stringify({ instances: ROWS.slice(0, 1) })}'`;
  screen.line(entry('the same', curl));
  return answer.predictions;
}

function describeReuse({ screen }: Pick<StoryOptions, 'screen'>, view: JobView): void {
  const { reused, computed } = prepareOf(view);
  screen.line(
    entry(
      'reuse',
      `prepare: ${whole(reused)} tasks reused, ${whole(computed)} computed: only what is new was read`,
    ),
  );
}

function prepareOf(view: JobView): { reused: number; computed: number } {
  const tasks = view.stages.find(({ stage }) => stage === 'prepare')?.tasks;
  return { reused: tasks?.reused ?? 0, computed: (tasks?.done ?? 0) - (tasks?.reused ?? 0) };
}

function figuresOf(view: JobView): JobFigures {
  const train = view.stages.find(({ stage }) => stage === 'train');
  const comparison = view.gate?.evidence?.comparison;
  return {
    job: view.id,
    version: view.published!.version,
    decision: view.decision,
    rowsIn: view.rows?.rowsIn ?? 0,
    rowsOut: view.rows?.rowsOut ?? 0,
    prepare: prepareOf(view),
    metrics: view.evaluation?.metrics ?? {},
    baseline: view.evaluation?.baseline ?? {},
    samplesPerSecond: train ? trainingSpeed(view, train) : null,
    seconds: Object.fromEntries(view.stages.map(({ stage, seconds }) => [stage, seconds])),
    change: comparison
      ? { change: comparison.change, low: comparison.low, high: comparison.high }
      : null,
  };
}

const trainingSpeed = (view: JobView, { seconds }: StageView): number | null =>
  view.split && seconds > 0 ? (view.split.train * view.epochs.length) / seconds : null;
