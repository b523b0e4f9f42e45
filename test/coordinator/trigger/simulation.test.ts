// Months of virtual time: two coordinators on one store that take turns at every call, die anywhere, and come back.
// In: a seed (SEED replays one). Out: nothing, or the first rule that the objects in the store break.
// Why every call is a crossing: what can go wrong lies between two writes of one and a read of the other.
import { expect, test } from 'vitest';
import type { JobId } from '../../../common/ids.ts';
import { LIMITS } from '../../../common/limits.ts';
import { silentLog } from '../../../common/log.ts';

import { memoryStore } from '../../../common/store/memory.ts';
import { jsonBytes, type Store } from '../../../common/store/store.ts';
import type { Firing } from '../../../common/wire/trigger.ts';
import type { IndexEntry } from '../../../common/wire/view.ts';
import { INDEX_PREFIX } from '../../../coordinator/job/submit.ts';
import { scheduleOf } from '../../../coordinator/trigger/on/on.ts';
import { TriggerService } from '../../../coordinator/trigger/service.ts';
import { isCall, jobOfSlot, slotOf } from '../../../coordinator/trigger/slots.ts';
import { getJson, readAll } from '../../support/json.ts';
import { randomFrom } from '../../support/random.ts';
import { storedJobs } from '../../support/triggers.ts';

const HOUR = 3_600_000;
const T0 = Date.UTC(2026, 1, 20);
/** Over the change of clocks in Berlin; DAYS=… for more. */
const DAYS = Number(process.env.DAYS ?? 45);
const JOB = { specVersion: 1, name: 'clean', dataset: 'a/*.parquet' };
const seeds = process.env.SEED
  ? [Number(process.env.SEED)]
  : [1, 2, Math.floor(Math.random() * 1e6)];

const TRIGGERS = {
  nightly: { on: { cron: '30 2 * * *', timeZone: 'Europe/Berlin' }, catchUp: 'last', job: JOB },
  often: { on: { cron: '0 */3 * * *' }, overlap: 'queue', job: JOB },
  hasty: {
    on: { cron: '*/40 6-9 * * MON', timeZone: 'Australia/Lord_Howe' },
    overlap: 'queue',
    job: JOB,
  },
} as const;

/** A coordinator that dies at one of its next calls: nothing that it asks afterwards is answered. */
function mortal(store: Store, random: () => number): { store: Store; dies: Promise<void> } {
  let callsLeft = Math.floor(random() ** 2 * 600);
  let die: () => void;
  const dies = new Promise<void>((resolve) => {
    die = resolve;
  });
  const cross = async <T>(act: () => Promise<T>): Promise<T> => {
    for (let turns = Math.floor(random() * 4); turns > 0; turns--) await Promise.resolve();
    if (callsLeft-- <= 0) {
      die();
      return new Promise<T>(() => {});
    }
    const answer = await act();
    if (callsLeft > 0) return answer;
    die(); // it was written, and nobody heard the answer
    return new Promise<T>(() => {});
  };
  return {
    dies,
    store: {
      ...store,
      get: (key) => cross(() => store.get(key)),
      head: (key) => cross(() => store.head(key)),
      create: (key, bytes) => cross(() => store.create(key, bytes)),
      listNames: (prefix) => cross(() => store.listNames(prefix)),
    },
  };
}

async function simulate(seed: number, days: number) {
  const random = randomFrom(seed);
  const store = memoryStore();
  const clock = { now: () => now, monotonicMs: () => now, sleep: async () => {} };
  let now = T0;
  const all = storedJobs(store, clock);
  const incarnate = () => {
    const life = mortal(store, random);
    // what the job side knows, it knows from memory: only taking in goes through the store that dies
    const jobs = { ...all, enlist: storedJobs(life.store, clock).enlist };
    const service = new TriggerService({ store: life.store, jobs, clock, log: silentLog });
    return { service, dies: life.dies };
  };
  const first = new TriggerService({ store, jobs: all, clock, log: silentLog });
  for (const [name, trigger] of Object.entries(TRIGGERS))
    await first.put(name, jsonBytes(trigger), { expected: undefined });
  const living: (ReturnType<typeof incarnate> | undefined)[] = [incarnate(), incarnate()];
  const ends = new Map<JobId, number>();
  let [deaths, indexed] = [0, 0];
  const step = async (place: number): Promise<void> => {
    const one = living[place];
    if (!one) {
      if (random() < 0.3) living[place] = incarnate();
      return;
    }
    const name = Object.keys(TRIGGERS)[Math.floor(random() * 3)]!;
    const act =
      random() < 0.03
        ? one.service.fire(name, random() < 0.5 ? `k${Math.floor(now / HOUR)}` : undefined)
        : one.service.tick();
    const isDead = await Promise.race([act.then(() => false), one.dies.then(() => true)]);
    if (!isDead) return;
    deaths += 1;
    living[place] = undefined;
  };
  while (now < T0 + days * 24 * HOUR) {
    now = nextLook(now, random);
    await Promise.all([step(0), step(1)]);
    for (const { n, value } of await readAll<IndexEntry>(store, INDEX_PREFIX, indexed)) {
      indexed = n;
      if (!ends.has(value.job)) ends.set(value.job, now + random() * 5 * HOUR);
    }
    for (const [job, end] of ends)
      if (end <= now && Number.isFinite(end)) {
        await all.end(job);
        ends.set(job, Number.POSITIVE_INFINITY);
      }
  }
  now += 2 * LIMITS.triggerSweepMs;
  const last = new TriggerService({ store, jobs: all, clock, log: silentLog });
  await last.tick();
  await last.tick();
  return { store, deaths, now };
}

const schedules = Object.values(TRIGGERS).map((trigger) =>
  scheduleOf({ timeZone: 'UTC', ...trigger.on }),
);

/** Mostly the next slot, give or take; at times a moment later, or nobody looks for hours. */
function nextLook(now: number, random: () => number): number {
  const kind = random();
  const next = Math.min(...schedules.map((one) => one.next(now)!));
  if (kind < 0.7) return next + Math.floor(random() * 20_000);
  return now + 1 + Math.floor(random() * (kind < 0.95 ? LIMITS.triggerTickMs : 9 * HOUR));
}

async function recordsOf(store: Store, name: string): Promise<Firing[]> {
  const records: Firing[] = [];
  for await (const { key } of store.list(`triggers/${name}/firings/`)) {
    const record = (await getJson<Firing>(store, key))!;
    expect(key).toBe(`triggers/${name}/firings/${record.slot.slice(0, 8)}/${record.slot}.json`);
    records.push(record);
  }
  return records;
}

test.each(seeds)(
  'each slot has one record, each fired record one job, no job comes without: seed %i',
  async (seed) => {
    const { store, deaths, now } = await simulate(seed, DAYS);
    const index = (await readAll<IndexEntry>(store, INDEX_PREFIX)).map(({ value }) => value);
    const wanted = new Map<JobId, JobId | null>();
    for (const [name, trigger] of Object.entries(TRIGGERS)) {
      const records = await recordsOf(store, name);
      const schedule = scheduleOf({ timeZone: 'UTC', ...trigger.on });
      const slots: string[] = [];
      for (let at = schedule.next(T0)!; at <= now; at = schedule.next(at)!) slots.push(slotOf(at));
      expect(records.map(({ slot }) => slot).filter((slot) => !isCall(slot))).toEqual(slots);
      for (const record of records) {
        const isLate = record.at - record.dueAt > LIMITS.triggerGraceMs;
        if (isLate && !('catchUp' in trigger)) expect(record.kind).not.toBe('fired');
        if (!isLate) expect(record.kind).not.toBe('missed');
        if (record.kind !== 'fired') continue;
        expect(record.job).toBe(jobOfSlot(name, record.slot));
        wanted.set(record.job, record.after);
      }
      const kinds = new Set(records.map(({ kind }) => kind));
      expect(kinds.has('fired') && (kinds.has('missed') || 'catchUp' in trigger), name).toBe(true);
    }
    const made = new Map(index.map(({ job, after }) => [job, after ?? null]));
    expect(new Map([...made].sort())).toEqual(new Map([...wanted].sort()));
    for (const job of wanted.keys())
      expect(await store.head(`jobs/${job}/spec.json`)).toBeDefined();
    expect(deaths, 'coordinators that died').toBeGreaterThan(20);
  },
);
