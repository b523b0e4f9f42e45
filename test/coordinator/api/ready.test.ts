// What /readyz says of the machinery, and of jobs that stand still.
import { expect, test } from 'vitest';
import { systemClock as clock } from '../../../common/clock.ts';
import { GristmillError } from '../../../common/errors.ts';
import { watchStore } from '../../../common/store/health.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import type { Heartbeat } from '../../../common/wire/event.ts';
import { checkReady } from '../../../coordinator/api/ready.ts';
import type { WaitingFigure } from '../../../coordinator/job/jobs.ts';

function world(of: { waiting?: readonly WaitingFigure[]; worker?: Partial<Heartbeat> }) {
  const store = memoryStore();
  const storeHealth = watchStore(clock);
  const deps = {
    registry: { store },
    storeHealth,
    clock,
    queue: { isConnected: () => true, uri: 'memory:' },
    workers: { live: () => (of.worker ? [of.worker as Heartbeat] : []) },
    jobs: { figures: () => ({ states: new Map(), ended: new Map(), waiting: of.waiting ?? [] }) },
  };
  return { store, storeHealth, ready: () => checkReady(deps as never) };
}

test('checkReady() says that no worker is alive, which makes it no less ready', async () => {
  expect(await world({}).ready()).toBe('Takes jobs; no worker is alive');
  expect(await world({ worker: {} }).ready()).toBe('Takes jobs');
});

test('checkReady() says what jobs wait for', async () => {
  const waiting = [
    { code: 'NO_WORKER', words: 'no worker is alive', since: 1, jobs: 2 },
    { code: 'ROOM', words: 'other jobs run', since: 1, jobs: 1 },
  ] as const;
  expect(await world({ waiting }).ready()).toBe(
    'Takes jobs; 2 jobs wait: no worker is alive; 1 job waits: other jobs run',
  );
});

test('checkReady() refuses a full store until a write works again', async () => {
  const { storeHealth, store, ready } = world({ worker: {} });
  storeHealth.failed(new GristmillError('STORE_FULL', 'Cannot create x'));
  await expect(ready()).rejects.toMatchObject({
    code: 'STORE_FULL',
    message: 'Cannot work: the store is full: Cannot create x',
  });
  expect(store.writes).toBeGreaterThan(0); // it has tried
  storeHealth.answered('write');
  expect(await ready()).toBe('Takes jobs');
});

test('checkReady() refuses a store that is full to a worker', async () => {
  const { ready } = world({ worker: { store: { code: 'STORE_FULL', message: 'of parts' } } });
  await expect(ready()).rejects.toMatchObject({ code: 'STORE_FULL' });
});
