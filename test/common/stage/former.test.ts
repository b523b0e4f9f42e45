// Journals as e391da8 wrote them fold to the view that they gave then.
import { expect, test } from 'vitest';
import { systemClock } from '../../../common/clock.ts';
import type { JobId } from '../../../common/ids.ts';
import { readFact } from '../../../common/stage/former.ts';
import { append } from '../../../common/store/journal.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import { found, type JobEvent } from '../../../common/wire/view.ts';
import { JobJournal, journalPrefix } from '../../../coordinator/job/journal.ts';
import { foldView, NO_PROGRESS } from '../../../coordinator/job/view.ts';

const snapshot = { digest: 'd'.repeat(64), objects: 6, rowGroups: 12, rows: 2000, bytes: 99 };
const rows = { rowsIn: 2000, rowsOut: 1980, dropped: { 'filter(minutes > 0)': 20 } };
const split = { train: 1000, validation: 480, test: 500, edges: { trainUpTo: '2030-01-20' } };
const features = [{ name: 'hour', expression: 'category(hour(departed))', fitted: '' }];
const epochs = [1, 2].map((epoch) => ({
  epoch,
  loss: 1 / epoch,
  validationLoss: 0.5,
  validationAuc: 0.9,
}));
const evaluation = {
  metrics: { auc: 0.9 },
  baseline: { auc: 0.5 },
  rows: 500,
  slices: { stop: [{ value: 'hill', rows: 500, metrics: { auc: 0.9 } }] },
};
const proof = { rows: 500, maxDifference: 0 };
const published = { model: 'trips', version: 1, reused: false };
const gate = { environment: 'dev', alias: 'champion', decision: 'accepted', evidence: null };

/** Entries word for word as they lie in a store of e391da8. */
const FORMER = [
  { formatVersion: 1, at: 1, kind: 'state', state: 'queued' },
  { formatVersion: 1, at: 2, kind: 'state', state: 'running' },
  { formatVersion: 1, at: 3, kind: 'snapshot', ...snapshot },
  { formatVersion: 1, at: 4, kind: 'rows', ...rows },
  { formatVersion: 1, at: 5, kind: 'split', ...split },
  { formatVersion: 1, at: 6, kind: 'fitted', features },
  ...epochs.map((epoch) => ({ formatVersion: 1, at: 7, kind: 'epoch', ...epoch })),
  { formatVersion: 1, at: 8, kind: 'evaluated', ...evaluation },
  { formatVersion: 1, at: 9, kind: 'proved', ...proof },
  { formatVersion: 1, at: 10, kind: 'published', ...published },
  { formatVersion: 1, at: 11, kind: 'gate', ...gate },
  { formatVersion: 1, at: 12, kind: 'state', state: 'succeeded' },
];
const JOB = 'j-1' as JobId;

async function oldStore() {
  const store = memoryStore();
  for (const [i, entry] of FORMER.entries())
    await append(store, journalPrefix(JOB), i + 1, entry as never);
  return store;
}

test('a journal of e391da8 folds to the view that it folded to then', async () => {
  const journal = new JobJournal({ store: await oldStore(), clock: systemClock, job: JOB });
  await journal.refresh();
  const view = foldView({ id: JOB, name: 'trips', at: 0 }, journal.entries, NO_PROGRESS);
  expect(view).toMatchObject({ state: 'succeeded', decision: 'accepted', finishedAt: 12 });
  expect(view).toMatchObject({ snapshot, rows, split, features, epochs });
  expect(view).toMatchObject({ evaluation, proof, published, gate });
});

test('a job of e391da8 that goes on does not tell again what it had found', async () => {
  const journal = new JobJournal({ store: await oldStore(), clock: systemClock, job: JOB });
  await journal.refresh();
  await journal.record(found('prepare', { rows }));
  await journal.record(found('train', { epochs: epochs.slice(1) }));
  expect(journal.entries).toHaveLength(FORMER.length);
});

test('readFact() leaves what is written today as it is', () => {
  const today = { formatVersion: 1, at: 1, ...found('prove', { proof }) } as JobEvent;
  expect(readFact(today)).toBe(today);
});
