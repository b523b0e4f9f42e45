// The service over a store in memory, its clock moved by hand: restarts, two at once, a store that errs.
import { afterEach, expect, test } from 'vitest';
import { GristmillError } from '../../../common/errors.ts';
import type { JobId } from '../../../common/ids.ts';
import { LIMITS } from '../../../common/limits.ts';
import { silentLog } from '../../../common/log.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import { jsonBytes, type Store } from '../../../common/store/store.ts';
import type { IndexEntry } from '../../../common/wire/view.ts';
import { INDEX_PREFIX } from '../../../coordinator/job/submit.ts';
import { TriggerService } from '../../../coordinator/trigger/service.ts';
import { createTestClock } from '../../support/clock.ts';
import { readAll } from '../../support/json.ts';
import { storedJobs } from '../../support/triggers.ts';

const HOUR = 3_600_000;
const T0 = Date.UTC(2026, 5, 1, 0, 30);
const JOB = { specVersion: 1, name: 'clean', dataset: 'a/*.parquet' };
const services: TriggerService[] = [];
afterEach(async () => {
  await Promise.all(services.splice(0).map((service) => service.close()));
});

function makeWorld() {
  const clock = createTestClock(T0);
  const store = memoryStore();
  const jobs = storedJobs(store, clock);
  const start = (over: Store = store): TriggerService => {
    const service = new TriggerService({ store: over, jobs, clock, log: silentLog });
    services.push(service);
    return service;
  };
  const put = (service: TriggerService, change: object = {}, name = 'nightly') =>
    service.put(name, jsonBytes({ on: { cron: '0 * * * *' }, job: JOB, ...change }), {
      expected: undefined,
    });
  const firings = async (service: TriggerService, name = 'nightly') =>
    (await service.view(name)).firings.map(({ slot, kind }) => `${slot.slice(9, 13)} ${kind}`);
  const submitted = async () =>
    (await readAll<IndexEntry>(store, INDEX_PREFIX)).map(({ value }) => value);
  return { clock, store, jobs, start, put, firings, submitted };
}

test('start() fires each slot when it comes, whose job is then known', async () => {
  const { clock, jobs, start, put, firings, submitted } = makeWorld();
  const service = start();
  service.start();
  await put(service);
  await clock.advance(HOUR / 2 - 1);
  expect(await firings(service)).toEqual([]);
  await clock.advance(1);
  expect(await firings(service)).toEqual(['0100 fired']);
  const [entry] = await submitted();
  expect(entry).toMatchObject({ name: 'clean', at: T0 + HOUR / 2 });
  await jobs.end(entry!.job);
  await clock.advance(HOUR);
  expect(await firings(service)).toEqual(['0200 fired', '0100 fired']);
  await clock.advance(HOUR);
  expect(await firings(service)).toEqual(['0300 skipped', '0200 fired', '0100 fired']);
  expect(await submitted()).toHaveLength(2);
  expect(Object.fromEntries(service.counts)).toEqual({ fired: 2, skipped: 1, missed: 0 });
});

test('a PUT on another coordinator is seen within a tick, and so is a removal', async () => {
  const { clock, start, put, firings } = makeWorld();
  const [one, other] = [start(), start()];
  one.start();
  await clock.advance(HOUR / 2 - 2 * LIMITS.triggerTickMs);
  await put(other);
  await clock.advance(LIMITS.triggerTickMs + 1);
  await clock.advance(LIMITS.triggerTickMs);
  expect(await firings(one)).toEqual(['0100 fired']);
  await other.remove('nightly', { expected: undefined });
  await clock.advance(2 * HOUR);
  await expect(one.view('nightly')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await put(one);
  expect(await firings(other)).toEqual(['0100 fired']);
});

test('slots while nobody runs are missed; catchUp "last" makes up for the newest', async () => {
  const { clock, start, put, firings } = makeWorld();
  const first = start();
  await put(first);
  await put(first, { catchUp: 'last' }, 'eager');
  await clock.advance(3.25 * HOUR);
  const second = start();
  await second.tick();
  expect(await firings(second)).toEqual(['0300 missed', '0200 missed', '0100 missed']);
  expect(await firings(second, 'eager')).toEqual(['0300 fired', '0200 missed', '0100 missed']);
  await second.tick();
  expect(await firings(second)).toHaveLength(3);
});

test('what is due when a trigger changes is still the former one’s', async () => {
  const { clock, start, put, firings } = makeWorld();
  const service = start();
  await put(service);
  await clock.advance(HOUR / 2 + 10_000);
  const { view, created } = await put(service, { on: { cron: '30 * * * *' } });
  expect([created, view.entry, view.nextAt[0]]).toEqual([false, 2, T0 + HOUR]);
  expect(await firings(service)).toEqual(['0100 fired']);
  await clock.advance(5_000);
  await service.remove('nightly', { expected: 2 });
});

test('overlap "queue": each job names the one before it; eleven are taken, the twelfth slot is skipped', async () => {
  const { clock, jobs, start, put, submitted } = makeWorld();
  const service = start();
  await put(service, { overlap: 'queue' });
  for (let n = 0; n < 12; n++) {
    await service.fire('nightly', `k${n}`);
    await clock.advance(1_000);
  }
  const taken = await submitted();
  expect(taken).toHaveLength(1 + LIMITS.triggerQueueMax);
  expect(taken.map(({ after }) => after)).toEqual([
    undefined,
    ...taken.slice(0, -1).map(({ job }) => job),
  ]);
  expect((await service.view('nightly')).firings[0]).toMatchObject({ kind: 'skipped' });
  await jobs.end(taken[0]!.job);
  const { firing } = await service.fire('nightly', 'later');
  expect(firing).toMatchObject({ kind: 'fired', after: taken.at(-1)!.job });
});

test('after a restart the waiting jobs are known, though sixty slots were skipped since', async () => {
  const { clock, jobs, start, put } = makeWorld();
  const first = start();
  await put(first, { overlap: 'queue' });
  const taken: JobId[] = [];
  for (let n = 0; n < 11; n++) {
    const { firing } = await first.fire('nightly', `k${n}`);
    if (firing.kind === 'fired') taken.push(firing.job);
    await clock.advance(1_000);
  }
  for (let n = 0; n < 60; n++) {
    await first.fire('nightly', `s${n}`);
    await clock.advance(1_000);
  }
  const second = start();
  const full = await second.fire('nightly', 'x');
  expect(full.firing).toMatchObject({ kind: 'skipped', after: taken.at(-1) });
  await jobs.end(taken[0]!);
  const third = await start().fire('nightly', 'y');
  expect(third.firing).toMatchObject({ kind: 'fired', after: taken.at(-1) });
});

test('fire() twice with one key on two coordinators at once is one slot and one job', async () => {
  const { start, put, submitted } = makeWorld();
  const [one, other] = [start(), start()];
  await put(one);
  const answers = await Promise.all([one.fire('nightly', 'k'), other.fire('nightly', 'k')]);
  expect(answers[0]!.firing).toEqual(answers[1]!.firing);
  expect(new Set((await submitted()).map(({ job }) => job)).size).toBe(1);
  expect((await start().fire('nightly', 'k')).replayed).toBe(true);
});

test('a record whose writer died before the job is completed by another one', async () => {
  const { clock, store, start, put, submitted, jobs } = makeWorld();
  const dying = new TriggerService({
    store,
    clock,
    log: silentLog,
    jobs: { ...jobs, enlist: () => Promise.reject(new Error('killed')) },
  });
  await put(dying);
  await clock.advance(HOUR / 2);
  await dying.tick();
  expect(await submitted()).toEqual([]);
  await put(start(), { job: { ...JOB, name: 'another' } });
  const next = start();
  await next.tick();
  expect(await submitted()).toMatchObject([{ name: 'clean' }]);
});

test('a store that errs is ridden out: the slot fires within its minute', async () => {
  const { clock, store, start, put, firings } = makeWorld();
  let isAway = false;
  const away = (act: () => unknown): never =>
    isAway
      ? (() => {
          throw new GristmillError('STORE_UNAVAILABLE', 'Cannot reach it');
        })()
      : (act() as never);
  const shaky: Store = {
    ...store,
    get: async (key) => away(() => store.get(key)),
    create: async (key, bytes) => away(() => store.create(key, bytes)),
    listNames: async (prefix) => away(() => store.listNames(prefix)),
  };
  const service = start(shaky);
  service.start();
  await put(service);
  await clock.advance(HOUR / 2 - 1);
  isAway = true;
  await clock.advance(30_000);
  isAway = false;
  await clock.advance(LIMITS.triggerTickMs);
  expect(await firings(service)).toEqual(['0100 fired']);
});

test('a quiet tick costs one listing and one read a trigger, whatever names were asked for', async () => {
  const { store, start, put } = makeWorld();
  const service = start();
  for (const name of ['a', 'b', 'c']) await put(service, {}, name);
  await expect(service.view('nobody')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  await service.tick();
  const [reads, lists] = [store.reads, store.lists];
  await service.tick();
  expect([store.reads - reads, store.lists - lists]).toEqual([3, 1]);
});
