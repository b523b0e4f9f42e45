// A whole API over memory: store, registry, fake jobs and workers.
// In: changes to its parts. Out: the server, and everything behind it.
import type { FastifyInstance } from 'fastify';
import { systemClock } from '../../common/clock.ts';
import { silentLog } from '../../common/log.ts';
import { type MemoryStore, memoryStore } from '../../common/store/memory.ts';
import type { AliasMoved } from '../../common/wire/event.ts';
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
    profileDataset: () => Promise.reject(new Error('no dataset here')),
    ...change,
  });
  return Object.assign(api, { app });
}
