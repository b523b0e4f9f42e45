// Triggers on the whole line: two coordinator processes on one store, one of them killed around slots and calls.
// In: a line of real processes. Out: one record a slot, one job a firing, whatever died between the two.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';

import type { Firing, FiringView, TriggerView } from '../../common/wire/trigger.ts';
import type { IndexEntry } from '../../common/wire/view.ts';
import { getJson, readAll } from '../support/json.ts';
import { answer, startLine, tripsJob, untilAnswers } from '../support/line.ts';
import { freePort } from '../support/ports.ts';
import { tempFolder } from '../support/runner.ts';

const { specVersion, dataset, clean } = tripsJob;
const rows = { specVersion, name: 'rows', dataset, clean };

test('triggers fire each slot once, though coordinators are killed', {
  timeout: 170_000,
}, async () => {
  const lake = tempFolder();
  await using line = await startLine({ months: 1, lakeUri: pathToFileURL(lake).href });
  const port = await freePort();
  const otherUrl = `http://127.0.0.1:${port}`;
  const startOther = () => line.start('other', 'coordinator', { GRISTMILL_PORT: String(port) });
  startOther();
  await untilAnswers(`${otherUrl}/readyz`);
  const url = line.coordinatorUrl;
  const put = async (name: string, body: object, at = url) => {
    const response = await fetch(`${at}/v1/triggers/${name}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  const fire = async (name: string, key: string, at = url): Promise<FiringView> => {
    const response = await fetch(`${at}/v1/triggers/${name}/fire`, {
      method: 'POST',
      headers: { 'idempotency-key': key },
    });
    expect(response.status).toBe(202);
    return (await response.json()) as FiringView;
  };
  const jobOf = (firing: FiringView): string => {
    expect(firing.kind).toBe('fired');
    return (firing as { job: string }).job;
  };

  // what a submit refuses, a PUT refuses
  const nothing = await put('a', {
    on: { cron: '0 0 1 1 *' },
    job: { ...rows, dataset: 'no/*.parquet' },
  });
  expect(nothing).toMatchObject({
    status: 422,
    body: { code: 'INPUT_EMPTY', errors: [{ pointer: '/job/dataset' }] },
  });
  const misspelt = await put('a', {
    on: { cron: '0 0 1 1 *' },
    job: { ...rows, clean: [{ filter: 'minuts > 0' }] },
  });
  expect(misspelt).toMatchObject({
    status: 422,
    body: { errors: [{ pointer: '/job/clean/0/filter' }] },
  });

  // a slot of the clock, with both coordinators alive before it and the first one killed at it
  expect(
    (await put('minutely', { on: { cron: '* * * * *' }, overlap: 'queue', job: rows })).status,
  ).toBe(201);
  expect(
    (await put('yearly', { on: { cron: '0 0 1 1 *' }, overlap: 'queue', job: rows })).status,
  ).toBe(201);

  // called on both at once with one key: one slot, one job
  const both = await Promise.all([fire('yearly', 'k1'), fire('yearly', 'k1', otherUrl)]);
  expect(jobOf(both[0])).toBe(jobOf(both[1]));
  // the next one waits for it
  const second = await fire('yearly', 'k2', otherUrl);
  expect(second.after).toBe(jobOf(both[0]));
  const [one, two] = [await line.finish(jobOf(both[0])), await line.finish(jobOf(second))];
  expect([one.state, two.state]).toEqual(['succeeded', 'succeeded']);
  expect(two.startedAt!).toBeGreaterThanOrEqual(one.finishedAt!);

  // killed in the middle of calls: the same key is the same slot and job
  for (let n = 0; n < 2; n++) {
    const key = `killed-${n}`;
    const lost = fire('yearly', key, otherUrl).catch(() => undefined);
    await delay(4 + n * 8);
    await line.kill('other');
    const heard = await lost;
    const again = await fire('yearly', key);
    if (heard) expect(again.slot).toBe(heard.slot);
    expect(again.kind).toBe('fired');
    startOther();
    await untilAnswers(`${otherUrl}/readyz`);
  }

  // a dataset that is gone by now: the job exists and fails
  await rm(join(lake, 'trips'), { recursive: true });
  const gone = await line.until(
    jobOf(await fire('yearly', 'gone')),
    ({ state }) => state === 'failed',
  );
  expect(gone.error).toMatchObject({ code: 'INPUT_EMPTY' });

  // the minute comes while the coordinator that took the trigger is killed
  await delay(60_000 - (Date.now() % 60_000) + 5);
  await line.kill('coordinator');
  await delay(300);
  line.start('coordinator', 'coordinator');
  await untilAnswers(`${url}/readyz`);
  await delay(1_000);

  const minutely = await answer<TriggerView>(`${url}/v1/triggers/minutely`);
  const due = minutely.firings.map(({ dueAt }) => dueAt);
  expect(due.length).toBeGreaterThan(0);
  const first = Math.floor(minutely.updatedAt / 60_000) + 1;
  expect(due.toReversed()).toEqual(due.map((_, n) => (first + n) * 60_000));
  expect(due[0]).toBeGreaterThan(Date.now() - 60_000);
  for (const firing of minutely.firings) jobOf(firing);

  // the records and the jobs are each other's
  const unmatched = async (): Promise<string[]> => {
    const index = await readAll<IndexEntry>(line.store, 'jobs/index');
    const jobs = new Set(index.map(({ value }) => value.job as string));
    const fired = new Set<string>();
    for await (const { key } of line.store.list('triggers/')) {
      if (!key.includes('/firings/')) continue;
      const firing = (await getJson<Firing>(line.store, key))!;
      if (firing.kind === 'fired') fired.add(firing.job);
    }
    return [...jobs, ...fired].filter((job) => !jobs.has(job) || !fired.has(job));
  };
  await expect.poll(unmatched, { timeout: 20_000, interval: 500 }).toEqual([]);
});
