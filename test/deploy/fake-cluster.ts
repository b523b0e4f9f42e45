// A coordinator and a gateway that know one story: enough of their HTTP to run the quickstart against.
// In: what the gate shall decide. Out: addresses, and what was asked of them.
// Why real HTTP: the quickstart uses nothing else of a cluster.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { JobId } from '../../common/ids.ts';
import type { Decision } from '../../common/stage/gate.ts';
import { found, type JobFact, type JobView, type StageView } from '../../common/wire/view.ts';

export type FakeCluster = AsyncDisposable & {
  readonly url: string;
  readonly asked: readonly {
    readonly method: string;
    readonly path: string;
    readonly body: unknown;
  }[];
};

/** `decisions` by job; `cut` breaks the first stream of events in its middle. */
export async function startFakeCluster({
  decisions,
  failure,
  cut = false,
}: {
  decisions: readonly Decision[];
  failure?: JobView['error'];
  cut?: boolean;
}): Promise<FakeCluster> {
  const asked: { method: string; path: string; body: unknown }[] = [];
  const jobs: JobView[] = [];
  let champion: number | null = null;
  let isCut = !cut;

  const answer = (response: ServerResponse, status: number, body: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  };
  const server = createServer(async (request, response) => {
    const path = request.url ?? '';
    const body = await readBody(request);
    asked.push({ method: request.method ?? '', path, body });
    if (request.method === 'PUT') return answer(response, 200, {});
    if (request.method === 'POST' && path === '/v1/jobs') {
      const view = makeView(jobs.length + 1, decisions[jobs.length] ?? 'none', failure ?? null);
      jobs.push(view);
      return answer(response, 202, { ...view, state: 'queued' });
    }
    const job = jobs.find(({ id }) => path.startsWith(`/v1/jobs/${id}`));
    if (job && path.endsWith('/events')) {
      const after = Number(request.headers['last-event-id'] ?? 0);
      const facts = factsOf(job).slice(after);
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(
        `retry: 1000\n\nevent: view\ndata: ${JSON.stringify({ ...job, state: 'running' })}\n\n`,
      );
      for (const [i, fact] of facts.entries()) {
        if (!isCut && i === 2) {
          isCut = true;
          return response.destroy();
        }
        response.write(
          `id: ${after + i + 1}\nevent: fact\ndata: ${JSON.stringify({ formatVersion: 1, at: 0, ...fact })}\n\n`,
        );
        await new Promise((resolve) => setImmediate(resolve));
      }
      if (job.decision === 'accepted') champion = job.published!.version;
      return response.end();
    }
    if (job) return answer(response, 200, job);
    if (path === '/v1/models') {
      const aliases = [{ alias: 'champion', version: champion, wanted: champion, error: null }];
      return answer(response, 200, { models: [{ name: 'flight-delay', aliases, versions: [] }] });
    }
    if (path.endsWith(':predict')) {
      const version = Number(path.match(/versions\/(\d+)/)?.[1] ?? champion);
      const { instances } = body as { instances: readonly unknown[] };
      return answer(response, 200, {
        predictions: instances.map(() => 0.25),
        model: 'flight-delay',
        version,
      });
    }
    return answer(response, 404, { code: 'NOT_FOUND', detail: `no ${path}` });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as { port: number }).port}`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text === '' ? undefined : JSON.parse(text);
}

const stage = (name: StageView['stage'], done: number, reused: number): StageView => ({
  stage: name,
  tasks: { done, total: done, reused },
  rows: name === 'prepare' ? 2_498_972 : 0,
  bytes: 0,
  seconds: 2.5,
  cpuSeconds: 4,
  etaSeconds: null,
});

export function makeView(n: number, decision: Decision, error: JobView['error']): JobView {
  const metrics = { logLoss: 0.45, brier: 0.14, accuracy: 0.8, auc: 0.68 + n / 100 };
  const first = { version: 1, metrics };
  return {
    id: `j-${n}` as JobId,
    name: 'flight-delay',
    state: error ? 'failed' : 'succeeded',
    decision,
    submittedAt: 0,
    startedAt: 0,
    finishedAt: 1,
    error,
    waiting: null,
    waitingFor: null,
    snapshot: {
      digest: 'd' as never,
      objects: 5 + n,
      rowGroups: 25,
      rows: 2_498_972,
      bytes: 11_500_000,
    },
    rows: {
      rowsIn: 2_498_972,
      rowsOut: 2_497_770,
      dropped: { 'require(date)': 202, 'filter 2': 1000, 'require(x)': 0 },
    },
    split: {
      train: 1_000_000,
      validation: 400_000,
      test: 500_000,
      edges: {
        trainUpTo: '2001-05-01T23:59:00.000Z',
        testAfter: '2001-05-01T23:59:00.000Z',
        testUpTo: null,
      },
    },
    stages: [stage('prepare', 25, n === 1 ? 0 : 20), stage('fit', 26, 0), stage('train', 735, 0)],
    training: null,
    features: [{ name: 'hour', expression: 'category(hour(date))', fitted: '24 codes' }],
    epochs: [{ epoch: 1, loss: 0.45, validationLoss: 0.44, validationAuc: 0.68 }],
    evaluation: error
      ? null
      : { metrics, baseline: { ...metrics, auc: 0.5 }, rows: 500_000, slices: {} },
    proof: error ? null : { rows: 1000, maxDifference: 3e-8 },
    published: error ? null : { model: 'flight-delay', version: n, reused: false },
    gate: error
      ? null
      : {
          environment: 'dev',
          alias: 'champion',
          decision,
          evidence: {
            testset: { snapshot: 'd' as never, range: { after: null, upTo: null }, rows: 500_000 },
            challenger: { version: n, metrics },
            champion: n === 1 ? null : first,
            comparison:
              n === 1
                ? null
                : {
                    rows: 500_000,
                    champion: 0.688,
                    challenger: 0.692,
                    change: 0.004,
                    low: 0.003,
                    high: 0.005,
                    metric: 'auc',
                    confidence: 0.95,
                  },
            policy: {},
            verdict: decision === 'refused' ? 'refused' : 'accepted',
            checks: [],
            reasons: [`auc ${metrics.auc.toFixed(4)} is at least 0.65`],
          },
        },
  };
}

function factsOf(view: JobView): JobFact[] {
  return [
    { kind: 'state', state: 'running' },
    found('snapshot', { snapshot: view.snapshot }),
    { kind: 'stage', view: view.stages[0]! },
    found('prepare', { rows: view.rows }),
    found('fit', { split: view.split }),
    found('fit', { features: view.features }),
    found('train', { epochs: view.epochs.slice(0, 1) }),
    { kind: 'stage', view: view.stages[2]! },
    found('evaluate', { evaluation: view.evaluation }),
    found('prove', { proof: view.proof }),
    found('publish', { published: view.published }),
    found('gate', { gate: view.gate }),
    { kind: 'state', state: view.state, ...(view.error ? { error: view.error } : {}) },
  ];
}
