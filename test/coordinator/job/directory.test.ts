// What a start, a page and a look-up cost: reads are counted, for a store with ten thousand jobs that are over.
import { beforeAll, describe, expect, test } from 'vitest';
import { systemClock as clock } from '../../../common/clock.ts';
import type { JobId } from '../../../common/ids.ts';
import { silentLog as log } from '../../../common/log.ts';
import { mapParallel } from '../../../common/parallel.ts';
import { append, entryKey } from '../../../common/store/journal.ts';
import { type MemoryStore, memoryStore } from '../../../common/store/memory.ts';
import { createJson } from '../../../common/store/store.ts';
import { readStoredHead } from '../../../common/stored/stored.ts';
import { checkJob, type JobState } from '../../../common/wire/job/job.ts';
import type { IndexEntry, JobEvent } from '../../../common/wire/view.ts';
import { CHECKPOINT_PREFIX, Directory } from '../../../coordinator/job/directory.ts';
import { journalPrefix } from '../../../coordinator/job/journal.ts';
import { INDEX_PREFIX, specKey } from '../../../coordinator/job/submit.ts';

const idOf = (n: number): JobId => `j-${n.toString(16).padStart(20, '0')}` as JobId;
const open = (store: MemoryStore): Directory => new Directory({ store, clock, log });
const numbersOf = (records: Iterable<{ id: JobId }>): number[] =>
  [...records].map(({ id }) => Number.parseInt(id.slice(2), 16));

const specOf = (name: string) => checkJob({ specVersion: 1, name, dataset: 'd' });

/** Job `n`, as submit and a run leave it: its spec, its place, its facts. */
async function put(
  store: MemoryStore,
  n: number,
  states: readonly JobState[],
  more: Partial<IndexEntry> = {},
): Promise<void> {
  const of = { formatVersion: 1, job: idOf(n), name: `job-${n}`, at: n } as const;
  await createJson(store, specKey(of.job), { ...of, spec: specOf(of.name), bodyDigest: '' });
  await append<IndexEntry>(store, INDEX_PREFIX, n, { ...of, ...more });
  for (const [i, state] of states.entries()) {
    const event: JobEvent = { formatVersion: 1, at: n, kind: 'state', state };
    await append(store, journalPrefix(of.job), i + 1, event);
  }
}

const OVER = ['queued', 'running', 'succeeded'] as const;

async function readsOf(store: MemoryStore, act: () => Promise<unknown>): Promise<number> {
  const before = store.reads + store.lists;
  await act();
  return store.reads + store.lists - before;
}

describe('with ten thousand jobs that are over, of an older program', () => {
  const store = memoryStore();
  beforeAll(async () => {
    const numbers = Array.from({ length: 10_000 }, (_, i) => i + 1);
    await mapParallel(numbers, 256, (n) => put(store, n, OVER));
    await put(store, 10_001, ['queued', 'running']);
  }, 60_000);

  test('the first start reads each once and writes a checkpoint; the next ones read next to nothing', async () => {
    const first = open(store);
    await first.start();
    await first.writeCheckpoint();
    expect(numbersOf(first.open)).toEqual([10_001]);
    const { value } = (await readStoredHead(store, CHECKPOINT_PREFIX, 'ends'))!;
    expect(value).toMatchObject({ upTo: 10_001, open: [10_001] });

    const next = open(store);
    expect(await readsOf(store, () => next.start())).toBeLessThan(20);
    expect(numbersOf(next.open)).toEqual([10_001]);
  }, 60_000);

  test('page() goes through the index in both directions, and reads a page once', async () => {
    const directory = open(store);
    await directory.start();
    const newest = await directory.page({ limit: 3 });
    expect(numbersOf(newest.records)).toEqual([10_001, 10_000, 9_999]);
    expect(newest).toMatchObject({ older: 9_999, newer: undefined });
    const older = await directory.page({ before: newest.older, limit: 3 });
    expect(numbersOf(older.records)).toEqual([9_998, 9_997, 9_996]);
    expect(older.newer).toBe(9_998);
    const back = await directory.page({ after: older.newer, limit: 3 });
    expect(numbersOf(back.records)).toEqual([10_001, 10_000, 9_999]);
    const last = await directory.page({ before: 3, limit: 3 });
    expect(numbersOf(last.records)).toEqual([2, 1]);
    expect(last).toMatchObject({ older: undefined, newer: 2 });
    const near = await directory.page({ after: 10_000, limit: 3 });
    expect(numbersOf(near.records)).toEqual([10_001]);
    expect((await directory.page({ before: 1, limit: 3 })).records).toEqual([]);

    const again = await readsOf(store, () => directory.page({ before: newest.older, limit: 3 }));
    expect(again).toBeLessThanOrEqual(4); // the entries, and a look for new ones
  });

  test('find() reads a job by its name, once, and not the index', async () => {
    const directory = open(store);
    await directory.start();
    const reads = await readsOf(store, () => directory.find(idOf(77)));
    expect(reads).toBeLessThanOrEqual(8); // its spec, and three facts
    expect((await directory.find(idOf(77)))!.view).toMatchObject({
      name: 'job-77',
      state: 'succeeded',
    });
    expect(await readsOf(store, () => directory.find(idOf(77)))).toBe(0);
    expect(await directory.find(idOf(20_000))).toBeUndefined();
    await expect(directory.require('j-../x' as JobId)).rejects.toThrow(
      `Cannot find job "j-../x": expected one of ${idOf(10_001)}, ${idOf(10_000)}`,
    );
  });
});

test('a start reads the jobs that ended since the last checkpoint, and no others', async () => {
  const store = memoryStore();
  for (let n = 1; n <= 40; n++) await put(store, n, OVER);
  const first = open(store);
  await first.start();
  await first.writeCheckpoint();
  for (let n = 41; n <= 43; n++) await put(store, n, n === 42 ? ['queued'] : OVER);
  const next = open(store);
  const reads = await readsOf(store, () => next.start());
  expect(numbersOf(next.open)).toEqual([42]);
  expect(reads).toBeLessThan(45);
});

test('a checkpoint keeps what is open in it, until that is over as well', async () => {
  const store = memoryStore();
  await put(store, 1, ['queued', 'running']);
  for (let n = 2; n <= 30; n++) await put(store, n, OVER);
  const first = open(store);
  await first.start();
  await first.writeCheckpoint();
  await append(store, journalPrefix(idOf(1)), 3, {
    formatVersion: 1,
    at: 9,
    kind: 'state',
    state: 'failed',
  });
  const next = open(store);
  await next.start();
  expect(numbersOf(next.open)).toEqual([]);
  expect((await next.find(idOf(1)))!.view.state).toBe('failed');
});

test('a job cancelled before it ran is kept while the one that it waited for is not over', async () => {
  const store = memoryStore();
  await put(store, 1, ['queued', 'running']);
  await put(store, 2, ['queued', 'cancelled'], { after: idOf(1) });
  await put(store, 3, ['queued'], { after: idOf(2) });
  for (let n = 4; n <= 30; n++) await put(store, n, OVER);
  for (let start = 0; start < 2; start++) {
    const directory = open(store);
    await directory.start();
    expect(numbersOf(directory.open)).toEqual([1, 2, 3]);
    await directory.writeCheckpoint();
  }
});

test('a job that stands in the index twice is one job', async () => {
  const store = memoryStore();
  await put(store, 1, ['queued']);
  await append<IndexEntry>(store, INDEX_PREFIX, 2, {
    formatVersion: 1,
    job: idOf(1),
    name: 'job-1',
    at: 1,
  });
  const directory = open(store);
  await directory.start();
  expect(numbersOf(directory.open)).toEqual([1]);
  expect(numbersOf((await directory.page({ limit: 9 })).records)).toEqual([1]);
  directory.settle([idOf(1)]);
  expect(numbersOf(directory.open)).toEqual([]);
});

test('find() knows a job that another coordinator took in, and not one that was never taken in', async () => {
  const store = memoryStore();
  const directory = open(store);
  await directory.start();
  await put(store, 1, ['queued']);
  expect((await directory.find(idOf(1)))!.view.state).toBe('queued');
  expect(numbersOf(directory.open)).toEqual([1]);
  const half = { formatVersion: 1, job: idOf(2), spec: specOf('x'), bodyDigest: '', at: 1 };
  await createJson(store, specKey(idOf(2)), half);
  expect(await directory.find(idOf(2))).toBeUndefined();
});

test('a checkpoint is numbered behind what others have written', async () => {
  const store = memoryStore();
  for (let n = 1; n <= 20; n++) await put(store, n, OVER);
  const [one, two] = [open(store), open(store)];
  await Promise.all([one.start(), two.start()]);
  await Promise.all([one.writeCheckpoint(), two.writeCheckpoint()]);
  expect(await store.head(entryKey(CHECKPOINT_PREFIX, 2))).toBeDefined();
  const next = open(store);
  await next.start();
  expect(numbersOf(next.open)).toEqual([]);
});
