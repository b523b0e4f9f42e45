import { expect, test } from 'vitest';
import { systemClock } from '../../../common/clock.ts';
import type { JobId } from '../../../common/ids.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import { found } from '../../../common/wire/view.ts';
import { JobJournal } from '../../../coordinator/job/journal.ts';

const open = async (store = memoryStore()) => {
  const journal = new JobJournal({ store, clock: systemClock, job: 'j-1' as JobId });
  await journal.refresh();
  return { store, journal };
};
const proved = (rows: number) => found('prove', { proof: { rows, maxDifference: 0 } });
const kinds = (journal: JobJournal) => journal.entries.map(({ n, value }) => `${n} ${value.kind}`);

test('JobJournal.record() writes a fact once, also after a restart', async () => {
  const { store, journal } = await open();
  await journal.record({ kind: 'state', state: 'queued' });
  await journal.record(proved(1000));
  const again = (await open(store)).journal;
  await again.record(proved(1000));
  await again.record({ kind: 'state', state: 'succeeded' });
  expect(kinds(again)).toEqual(['1 state', '2 found', '3 state']);
});

test('JobJournal.record() by two writers at once loses nothing and leaves no gap', async () => {
  const store = memoryStore();
  const [one, two] = [(await open(store)).journal, (await open(store)).journal];
  const facts = Array.from({ length: 20 }, (_, i) => proved(i));
  await Promise.all(facts.map((fact, i) => (i % 2 ? one : two).record(fact)));
  const all = (await open(store)).journal.entries;
  expect(all.map(({ n }) => n)).toEqual(Array.from({ length: 20 }, (_, i) => i + 1));
  expect(new Set(all.map(({ value }) => JSON.stringify(value))).size).toBe(20);
});

test('JobJournal.record() takes another measurement of one stage as the same fact', async () => {
  const { journal } = await open();
  const view = {
    stage: 'fit',
    tasks: { done: 1, total: 1, reused: 0 },
    rows: 0,
    bytes: 0,
    seconds: 1,
    cpuSeconds: 1,
    etaSeconds: null,
  } as const;
  await journal.record({ kind: 'stage', view });
  await journal.record({ kind: 'stage', view: { ...view, seconds: 2 } });
  expect(journal.entries).toHaveLength(1);
});
