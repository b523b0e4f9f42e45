// A store that another program wrote into, or that rotted: what cannot be read is one job's matter, and all others go on.
import { expect, test } from 'vitest';
import { type JobId, jobIdOf } from '../../../common/ids.ts';
import { append, appendNext, entryKey } from '../../../common/store/journal.ts';
import { type MemoryStore, memoryStore } from '../../../common/store/memory.ts';
import { createJson } from '../../../common/store/store.ts';
import { checkJob } from '../../../common/wire/job/job.ts';
import type { IndexCheckpoint, IndexEntry } from '../../../common/wire/view.ts';
import { CHECKPOINT_PREFIX } from '../../../coordinator/job/directory.ts';
import { journalPrefix } from '../../../coordinator/job/journal.ts';
import { INDEX_PREFIX, specKey } from '../../../coordinator/job/submit.ts';
import { makeService, until } from '../../support/job-service.ts';
import { readAll } from '../../support/json.ts';

const idOf = (name: string): JobId => jobIdOf('client', name);
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

type Written = { spec?: Uint8Array; place?: Uint8Array; second?: Uint8Array; states?: string[] };

/** Job `n`, with bytes in place of what a coordinator writes. */
async function put(store: MemoryStore, n: number, name: string, of: Written = {}): Promise<JobId> {
  const job = idOf(name);
  const { states = ['queued'] } = of;
  const spec = checkJob({ specVersion: 1, name, dataset: 'd/*.parquet' });
  if (of.spec) await store.create(specKey(job), of.spec);
  else
    await createJson(store, specKey(job), { formatVersion: 1, job, spec, bodyDigest: '', at: n });
  const entry: IndexEntry = { formatVersion: 1, job, name, at: n };
  if (of.place) await store.create(entryKey(INDEX_PREFIX, n), of.place);
  else await append(store, INDEX_PREFIX, n, entry);
  for (const [i, state] of states.entries())
    await appendNext(store, journalPrefix(job), { formatVersion: 1, at: i, kind: 'state', state });
  if (of.second) await store.create(entryKey(journalPrefix(job), 2), of.second);
  return job;
}

async function countObjects(store: MemoryStore): Promise<number> {
  let count = 0;
  for await (const _object of store.list('')) count += 1;
  return count;
}

/** A journal of another form, a spec cut off, an entry of the index that is garbage; before and behind them whole jobs. */
async function makeStore() {
  const store = memoryStore();
  const newer = bytesOf('{"formatVersion":99,"at":1,"kind":"moved"}');
  return {
    store,
    first: await put(store, 1, 'first'),
    journal: await put(store, 2, 'journal', { second: newer }),
    spec: await put(store, 3, 'spec', { spec: bytesOf('{"formatVersion":1,"job":"j-') }),
    place: await put(store, 4, 'place', { place: Uint8Array.of(0xff, 0x00, 0x7b) }),
    over: await put(store, 5, 'over', { states: ['queued', 'running', 'succeeded'] }),
    last: await put(store, 6, 'last'),
  };
}

const JOURNAL_WORDS =
  /^Cannot read jobs\/j-\w+\/journal\/000000000002.json as an entry of a job's journal: its formatVersion is 99/;
const SPEC_WORDS = /^Cannot read jobs\/j-\w+\/spec.json as a job's spec: /;
const PLACE_WORDS =
  /^Cannot read jobs\/index\/000000000004.json as an entry of the index of jobs: /;

test('start() goes on with all jobs but those that cannot be read, which say why', async () => {
  const { store, first, journal, spec, over, last } = await makeStore();
  const { service, open, lines } = makeService(store);
  await service.start();
  await until(service, spec, 'failed');
  await until(service, first, 'running');
  await until(service, last, 'running');
  const { jobs } = await service.list({ limit: 10 });
  const unreadable = (message: RegExp) => ({
    state: 'failed',
    finishedAt: null,
    error: { code: 'FORMAT_UNKNOWN', message: expect.stringMatching(message) },
  });
  expect(jobs).toMatchObject([
    { id: last, state: 'running' },
    { id: over, state: 'succeeded' },
    { id: 'index-4', ...unreadable(PLACE_WORDS) },
    { id: spec, name: 'spec', ...unreadable(SPEC_WORDS) },
    { id: journal, name: 'journal', ...unreadable(JOURNAL_WORDS) },
    { id: first, state: 'running' },
  ]);
  for (const view of jobs)
    expect(await service.view(view.id)).toMatchObject({ id: view.id, state: view.state });
  const told = lines.filter(([level]) => level === 'error').map(([, , fields]) => fields);
  expect(told).toMatchObject([
    { job: journal, code: 'FORMAT_UNKNOWN', message: expect.stringMatching(JOURNAL_WORDS) },
    { job: 'index-4', code: 'FORMAT_UNKNOWN', message: expect.stringMatching(PLACE_WORDS) },
    { job: spec, code: 'FORMAT_UNKNOWN', message: expect.stringMatching(SPEC_WORDS) },
  ]);
  open();
  await until(service, first, 'failed');
  await until(service, last, 'failed');
  expect((await service.view(last)).error).toMatchObject({ code: 'INPUT_EMPTY' });
  await service.close();
});

test('nothing is recorded of a job that cannot be read: whoever can read it carries on', async () => {
  const { store, journal, spec } = await makeStore();
  const before = await countObjects(store);
  const { service, open } = makeService(store);
  await service.start();
  await until(service, spec, 'failed');
  expect((await readAll(store, journalPrefix(spec))).map(({ value }) => value)).toMatchObject([
    { state: 'queued' },
  ]);
  for (const job of [journal, spec]) {
    await expect(service.cancel(job)).rejects.toThrow('it cannot be read here');
    await expect(service.repin(job)).rejects.toThrow('it cannot be read here');
    const events = [];
    const signal = AbortSignal.timeout(10_000);
    for await (const event of service.events(job, { after: 0, signal })) events.push(event);
    expect(events.at(-1)).toMatchObject({ kind: 'view', view: { state: 'failed' } });
  }
  expect(await service.state(journal)).toMatchObject({ error: { code: 'FORMAT_UNKNOWN' } });
  open();
  await service.close();
  const added = (await countObjects(store)) - before;
  expect(added).toBe(2); // that the first and the last run
});

test('a checkpoint leaves open what cannot be read; one that cannot be read leaves the one before it', async () => {
  const store = memoryStore();
  const broken = await put(store, 1, 'broken', { spec: bytesOf('[]') });
  await put(store, 2, 'garbage', { place: bytesOf('{') });
  for (let n = 3; n <= 30; n++)
    await put(store, n, `over-${n}`, { states: ['queued', 'cancelled'] });
  const one = makeService(store);
  await one.service.start();
  await until(one.service, broken, 'failed');
  await one.service.submit(new Uint8Array(), undefined).catch(() => {}); // the schedule looks again
  await one.service.close();
  const { value, n } = (await readAll<IndexCheckpoint>(store, CHECKPOINT_PREFIX)).at(-1)!;
  expect(value.open).toEqual([1, 2]);
  await append(store, CHECKPOINT_PREFIX, n + 1, { formatVersion: 2 });
  const next = makeService(store);
  const reads = store.reads;
  await next.service.start();
  expect(store.reads - reads).toBeLessThan(15);
  await until(next.service, broken, 'failed');
  expect((await next.service.list({ limit: 50 })).jobs).toHaveLength(30);
  await next.service.close();
});

test('find() says of a job that is over what its journal says, though its spec cannot be read', async () => {
  const store = memoryStore();
  const { service } = makeService(store);
  await service.start();
  const job = await put(store, 1, 'x', { spec: bytesOf('{}'), states: ['queued', 'cancelled'] });
  expect(await service.view(job)).toMatchObject({
    id: job,
    name: job,
    state: 'cancelled',
    error: null,
  });
});
