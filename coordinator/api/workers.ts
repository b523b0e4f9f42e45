// Workers over HTTP: who is alive, what they hold and do.
// In: heartbeats. Out: a list. Why no more: a worker is joined by starting it and leaves by stopping it.
import type { Route } from '../../common/http/route.ts';
import type { ApiDeps } from './deps.ts';
import { WorkerList } from './schemas.ts';

export const workerRoutes = ({ workers }: Pick<ApiDeps, 'workers'>): readonly Route[] => [
  {
    name: 'workers',
    method: 'GET',
    path: '/v1/workers',
    tag: 'operations',
    summary: 'List live workers',
    description: 'Those whose heartbeat was heard within the last seconds.',
    answers: { 200: WorkerList },
    handle: async () => ({
      workers: workers.live().map((heartbeat) => ({
        ...heartbeat,
        runs: heartbeat.runs.map(({ run, generation, round, lanesLoaded, phase }) => ({
          run,
          generation,
          round,
          lanesLoaded,
          phase,
        })),
      })),
    }),
  },
];
