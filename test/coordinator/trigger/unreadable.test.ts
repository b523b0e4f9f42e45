// A store that another program wrote into, or that rotted: what cannot be read is one trigger's matter, and all others fire.
// In: entries and records that say nothing to this program. Out: the slots of the others, one line of the log, a list.
import { expect, test } from 'vitest';
import { makeLog } from '../../../common/log.ts';
import { append } from '../../../common/store/journal.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import { jsonBytes } from '../../../common/store/store.ts';
import { TriggerService } from '../../../coordinator/trigger/service.ts';
import { firingKey, specPrefix } from '../../../coordinator/trigger/slots.ts';
import { createTestClock } from '../../support/clock.ts';
import { storedJobs } from '../../support/triggers.ts';

const HOUR = 3_600_000;
const JOB = { specVersion: 1, name: 'clean', dataset: 'a/*.parquet' };
const given = { expected: undefined };
const body = jsonBytes({ on: { cron: '0 * * * *' }, job: JOB });
const SPEC = { overlap: 'skip', catchUp: 'none', paused: false, job: JOB };

/** What stands as a trigger's entry, and what is said of it. */
const ENTRIES: readonly (readonly [string, Uint8Array, RegExp])[] = [
  [
    'a newer form',
    jsonBytes({ formatVersion: 9, at: 1, kind: 'put' }),
    /^Cannot read triggers\/b\/spec\/000000000001.json as an entry of a trigger: its formatVersion is 9/,
  ],
  [
    'bytes that are no text',
    Uint8Array.of(0xff, 0x00, 0x7b),
    /^Cannot read triggers\/b\/spec\/000000000001.json as an entry of a trigger: /,
  ],
  [
    'a kind of trigger that nobody knows here',
    jsonBytes({ formatVersion: 2, at: 1, kind: 'put', spec: { ...SPEC, on: { moon: 'full' } } }),
    /^Cannot follow a trigger on moon: this program knows cron/,
  ],
  [
    'a clock that is none',
    jsonBytes({
      ...{ formatVersion: 2, at: 1, kind: 'put' },
      spec: { ...SPEC, on: { cron: 'whenever', timeZone: 'UTC' } },
    }),
    /^Cannot follow the trigger b: its "on" has no schedule: /,
  ],
];

/** Triggers a and c, and bytes in place of the first entry of b. */
async function makeWorld(entry?: Uint8Array) {
  const clock = createTestClock(Date.UTC(2026, 5, 1, 0, 30));
  const store = memoryStore();
  const lines: { level: string; message: string; trigger: string }[] = [];
  const log = makeLog('coordinator', clock, (line) => void lines.push(JSON.parse(line)));
  const start = () => new TriggerService({ store, jobs: storedJobs(store, clock), clock, log });
  const before = start();
  for (const name of entry ? ['a', 'c'] : ['a', 'b', 'c']) await before.put(name, body, given);
  await before.close();
  if (entry) await store.create(`${specPrefix('b')}/000000000001.json`, entry);
  const service = start();
  service.start();
  const lastOf = async (name: string) => (await service.view(name)).firings[0]?.kind;
  const troubles = () => lines.filter(({ level }) => level !== 'info');
  return { clock, store, service, lastOf, troubles };
}

test.each(ENTRIES)('%s stops no other trigger, and is said once', async (_what, entry, words) => {
  const { clock, service, lastOf, troubles } = await makeWorld(entry);
  await clock.advance(HOUR / 2);
  expect([await lastOf('a'), await lastOf('c')]).toEqual(['fired', 'fired']);
  expect(troubles()).toMatchObject([
    { level: 'error', message: 'trigger not read', trigger: 'b', code: 'FORMAT_UNKNOWN' },
  ]);

  const list = await service.list();
  expect(list.triggers.map(({ name }) => name)).toEqual(['a', 'c']);
  expect(list.unreadable).toEqual([
    { name: 'b', error: { code: 'FORMAT_UNKNOWN', message: expect.stringMatching(words) } },
  ]);
  for (const ask of [service.view('b'), service.fire('b', undefined)])
    await expect(ask).rejects.toMatchObject({ code: 'FORMAT_UNKNOWN' });
  await service.close();
});

test.each(ENTRIES)('%s is gone past by a PUT', async (_what, entry) => {
  const { clock, service, lastOf } = await makeWorld(entry);
  await expect(service.put('b', body, { expected: 0 })).rejects.toMatchObject({
    code: 'PRECONDITION_FAILED',
  });
  const { view, created } = await service.put('b', body, { expected: 1 });
  expect([view.entry, created]).toEqual([2, false]);
  await clock.advance(HOUR / 2);
  expect(await lastOf('b')).toBe('fired');
  expect(await service.list()).toMatchObject({ triggers: [{}, { name: 'b' }, {}], unreadable: [] });
  await service.close();
});

test.each(ENTRIES)('%s can be removed', async (_what, entry) => {
  const { service } = await makeWorld(entry);
  await service.remove('b', given);
  expect((await service.list()).unreadable).toEqual([]);
  await expect(service.view('b')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await expect(service.remove('b', given)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await service.close();
});

test('what a newer coordinator put meanwhile makes a trigger stop, and no other', async () => {
  const { clock, store, service, lastOf, troubles } = await makeWorld();
  await append(store, specPrefix('b'), 2, { formatVersion: 9, at: 1, kind: 'put' });
  await clock.advance(HOUR / 2);
  expect([await lastOf('a'), await lastOf('c')]).toEqual(['fired', 'fired']);
  expect((await service.list()).unreadable).toMatchObject([{ name: 'b' }]);
  expect(troubles()).toHaveLength(1);
  await service.close();
});

test('a record of a slot that cannot be read is told once, and keeps no other trigger from its slots', async () => {
  const { clock, store, service, lastOf, troubles } = await makeWorld();
  await store.create(firingKey('b', '20260601T001500Z'), jsonBytes({ formatVersion: 9 }));
  await clock.advance(HOUR / 2);
  await clock.advance(HOUR / 60);
  expect([await lastOf('a'), await lastOf('c')]).toEqual(['fired', 'fired']);
  expect((await service.list()).unreadable).toMatchObject([
    { name: 'b', error: { message: expect.stringContaining("as the record of a trigger's slot") } },
  ]);
  expect(troubles()).toMatchObject([{ message: 'trigger waits', trigger: 'b' }]);
  await service.close();
});
