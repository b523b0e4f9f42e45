// Store, lake and queue of a process: each waited for by itself, the first that is missing told.
// In: folders, and an address where nobody listens. Out: what is there, and words for what is not.
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { systemClock as clock } from '../../common/clock.ts';
import { silentLog as log } from '../../common/log.ts';
import { seekPlaces } from '../../common/sought.ts';
import { watchStore } from '../../common/store/health.ts';
import { tempFolder } from '../support/runner.ts';

const uriOf = (path: string): string => pathToFileURL(path).href;

function seekIn(folder: string, create: boolean) {
  const stop = new AbortController();
  const [store, lake] = [join(folder, 'store'), join(folder, 'lake')];
  const sought = seekPlaces({
    at: { store: uriOf(store), lake: uriOf(lake), nats: 'nats://user:secret@127.0.0.1:1' },
    ...{ name: 'coordinator', source: 'a test', create, health: watchStore(clock), env: {} },
    ...{ clock, log, signal: stop.signal },
  });
  return { sought, stop, store, lake };
}

test('seekPlaces() finds each by itself, and names the first that is missing', async () => {
  const { sought, stop, store, lake } = seekIn(tempFolder(), true);
  await sought.store.found;
  expect(readdirSync(join(store, 'selftest'))).toEqual([]); // it was tried, and cleaned away
  await expect.poll(() => sought.why()?.message).toMatch(/^Waits for the lake at file:.*lake: /);
  mkdirSync(lake);
  await sought.lake.found;
  await expect
    .poll(() => sought.why()?.message)
    .toMatch(/^Waits for the queue at nats:\/\/\*\*\*@127.0.0.1:1: /);
  expect(sought.why()?.message).not.toContain('secret');
  stop.abort();
});

test('seekPlaces() makes no store unless told to', async () => {
  const folder = tempFolder();
  const { sought, stop } = seekIn(folder, false);
  await expect.poll(() => sought.why()?.message).toMatch(/^Waits for the store at file:.*store: /);
  expect(readdirSync(folder)).toEqual([]);
  stop.abort();
});
