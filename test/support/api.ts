// A whole API over memory: store, registry, fake jobs and workers.
// In: changes to its parts. Out: the server, and everything behind it.
import type { FastifyInstance } from 'fastify';
import { systemClock } from '../../common/clock.ts';
import { silentLog } from '../../common/log.ts';
import { type MemoryStore, memoryStore } from '../../common/store/memory.ts';
import type { AliasMoved } from '../../common/wire/event.ts';
import type { DatasetView, LabelView } from '../../common/wire/survey.ts';
import type { ApiDeps } from '../../coordinator/api/deps.ts';
import { buildServer } from '../../coordinator/api/server.ts';
import { moveAlias } from '../../coordinator/registry/alias.ts';
import { TriggerService } from '../../coordinator/trigger/service.ts';
import { type FakeJobs, fakeJobs } from './jobs.ts';
import { makeEvidence } from './registry.ts';
import { type StoredJobs, storedJobs } from './triggers.ts';

export type TestApi = {
  readonly app: FastifyInstance;
  readonly jobs: FakeJobs;
  readonly triggerJobs: StoredJobs;
  readonly store: MemoryStore;
  readonly hints: AliasMoved[];
  /** What the next evidence says. */
  verdict: 'accepted' | 'refused';
};

export async function makeApi(change: Partial<ApiDeps> = {}): Promise<TestApi> {
  const store = memoryStore();
  const jobs = fakeJobs();
  const hints: AliasMoved[] = [];
  const registry = {
    store,
    clock: systemClock,
    hint: (moved: AliasMoved) => void hints.push(moved),
  };
  const triggerJobs = storedJobs(store, systemClock);
  const trigger = { store, jobs: triggerJobs, clock: systemClock, log: silentLog };
  const api = { jobs, triggerJobs, store, hints, verdict: 'accepted' as TestApi['verdict'] };
  const app = await buildServer({
    jobs,
    triggers: new TriggerService(trigger),
    registry,
    clock: systemClock,
    log: silentLog,
    workers: { live: () => [] },
    queue: { isConnected: () => true, uri: 'memory:' },
    promote: ({ version, expected, ...place }) =>
      moveAlias(registry, place, {
        candidate: version,
        expected,
        evidence: makeEvidence(version, null, api.verdict),
      }),
    surveyDataset: async (request) => exampleDataset(request),
    ...change,
  });
  return Object.assign(api, { app });
}

const exampleDataset = (of: { uri: string; label: string | null }): DatasetView => ({
  uri: of.uri,
  ...{ objects: 1, footers: 1, rowGroups: 1, rows: 2, bytes: 500, sampledRows: 2 },
  columns: [
    {
      ...{ name: 'x', type: 'DOUBLE', kind: 'number', nulls: 1, distinct: 1, min: 1.5, max: 1.5 },
      ...{ mean: 1.5, std: 0, lengthMean: null, labelCorrelation: null, labelExplained: null },
      top: [{ value: 1.5, count: 1 }],
    },
  ],
  label: of.label === null ? null : { ...EXAMPLE_LABEL, expression: of.label },
  sample: [{ x: 1.5 }, { x: null }],
});
const EXAMPLE_LABEL: Omit<LabelView, 'expression'> = {
  ...{ kind: 'regression', columns: ['x'], missing: 1, mean: 1.5, std: 0, min: 1.5, max: 1.5 },
};
