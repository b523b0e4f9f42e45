import { expect, test } from 'vitest';
import type { JobId } from '../../../common/ids.ts';
import type { JobFact, StageView } from '../../../common/wire/view.ts';
import { foldView, NO_PROGRESS } from '../../../coordinator/job/view.ts';

const job = { id: 'j-1' as JobId, name: 'n', at: 5 };
const fold = (facts: readonly JobFact[], progress = NO_PROGRESS) =>
  foldView(
    job,
    facts.map((fact, i) => ({ n: i + 1, value: { formatVersion: 1, at: 10 + i, ...fact } })),
    progress,
  );

const stage = (done: number): StageView => ({
  stage: 'prepare',
  tasks: { done, total: 4, reused: 1 },
  rows: 10,
  bytes: 20,
  seconds: 1,
  cpuSeconds: 0.5,
  etaSeconds: null,
});

test('foldView() of no facts is a queued job', () => {
  expect(fold([])).toMatchObject({
    state: 'queued',
    decision: 'none',
    submittedAt: 5,
    startedAt: null,
    stages: [],
  });
});

test('foldView() takes times from the facts that set them, and keeps the first start', () => {
  const view = fold([
    { kind: 'state', state: 'queued' },
    { kind: 'state', state: 'running' },
    { kind: 'state', state: 'succeeded' },
  ]);
  expect(view).toMatchObject({ state: 'succeeded', startedAt: 11, finishedAt: 12 });
});

test('foldView() lets nothing follow an end', () => {
  const view = fold([
    { kind: 'state', state: 'cancelled' },
    { kind: 'state', state: 'running' },
    { kind: 'state', state: 'failed', error: { code: 'INTERNAL', message: 'late' } },
  ]);
  expect(view).toMatchObject({ state: 'cancelled', finishedAt: 10, error: null });
});

test('foldView() prefers the recorded account of a stage to live progress', () => {
  const progress = { ...NO_PROGRESS, stages: new Map([['prepare', stage(2)]]) };
  expect(fold([], progress).stages).toEqual([stage(2)]);
  expect(fold([{ kind: 'stage', view: stage(4) }], progress).stages).toEqual([stage(4)]);
});

test('foldView() shows why a job waits only while it has not ended', () => {
  const why = { code: 'NO_WORKER', words: 'no worker is alive', since: 7 } as const;
  const waiting = { ...NO_PROGRESS, waiting: why };
  expect(fold([], waiting)).toMatchObject({
    waiting: 'no worker is alive',
    waitingFor: { code: 'NO_WORKER', since: 7 },
  });
  expect(fold([{ kind: 'state', state: 'cancelled' }], waiting).waiting).toBeNull();
});
