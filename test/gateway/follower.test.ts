// An alias and what becomes of it: moved, named and missing, unreadable, failing, and with the store away.
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Child } from '../../common/child/host.ts';
import { GristmillError } from '../../common/errors.ts';
import { LIMITS } from '../../common/limits.ts';
import { appendNext, entryKey } from '../../common/store/journal.ts';
import { memoryStore } from '../../common/store/memory.ts';
import { createJson, type Store } from '../../common/store/store.ts';
import { aliasPrefix, versionsPrefix } from '../../common/wire/model.ts';
import { Files } from '../../gateway/files.ts';
import { Gateway } from '../../gateway/gateway.ts';
import { Metrics } from '../../gateway/metrics.ts';
import { createTestClock } from '../support/clock.ts';
import { listLog } from '../support/job-service.ts';
import { moveAlias, publish, row } from '../support/slope.ts';

/** A gateway whose children open whatever they are given, but what is in `broken`, and predict 1 a row. */
async function makeWorld() {
  const scratch = await mkdtemp(join(tmpdir(), 'gristmill-follower-'));
  onTestFinished(() => rm(scratch, { recursive: true, force: true }));
  const memory = memoryStore();
  const state = { away: false, loads: 0, broken: false };
  const guard =
    <A extends unknown[], R>(act: (...args: A) => Promise<R>) =>
    async (...args: A): Promise<R> => {
      if (state.away) throw new GristmillError('STORE_UNAVAILABLE', 'Cannot reach the store');
      return act(...args);
    };
  const store: Store = {
    ...memory,
    get: guard(memory.get),
    head: guard(memory.head),
    read: guard(memory.read),
    listNames: guard(memory.listNames),
  };
  const clock = createTestClock();
  const { log, lines } = listLog();
  const child = {
    async call(method: string, args: { batch?: { rows: number } }) {
      if (method === 'load') state.loads += 1;
      if (method === 'load' && state.broken) throw new GristmillError('CHILD_LOST', 'Cannot open');
      return method === 'predict' ? new Float32Array(args.batch!.rows).fill(1) : undefined;
    },
    onLost() {},
    kill() {},
    pid: 1,
    close: async () => {},
  } as unknown as Child;
  async function start(): Promise<Gateway> {
    const gateway = new Gateway({
      environment: 'dev',
      store,
      files: await Files.open(scratch, 'dev'),
      seats: 1,
      startChild: () => child,
      clock,
      log,
      metrics: new Metrics(),
    });
    onTestFinished(() => gateway.close());
    await gateway.start();
    return gateway;
  }
  /** Time moves by hand, and scratch is on a real disk: until it is so. */
  async function until(isSo: () => boolean): Promise<void> {
    for (let i = 0; i < 2_000 && !isSo(); i++) {
      await clock.advance(100);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    expect(isSo()).toBe(true);
  }
  const put = (version: number, slope = 1) =>
    publish(memory, { version, slope, golden: { formatVersion: 1, rows: [] } });
  /** What is served is written down on the disk a moment later. */
  const isRemembered = (): boolean => existsSync(join(scratch, 'gateway-dev/catalog.json'));
  return { memory, clock, lines, state, start, until, put, isRemembered };
}

const aliasOf = (gateway: Gateway) => gateway.view.models[0]?.aliases[0];
const served = (gateway: Gateway): number | null | undefined => aliasOf(gateway)?.version;
const ask = async (gateway: Gateway) =>
  (await gateway.predict({ model: 'slope', alias: 'champion' }, [row(3)])).version;

test('a move is followed: to the next version, and to none for what was never accepted', async () => {
  const w = await makeWorld();
  for (const version of [1, 2]) await w.put(version, version);
  await moveAlias(w.memory, 1);
  const gateway = await w.start();
  await w.until(() => served(gateway) === 1);
  expect(await ask(gateway)).toBe(1);
  await moveAlias(w.memory, 2);
  await w.until(() => served(gateway) === 2);
  expect(await ask(gateway)).toBe(2);
  const loads = w.state.loads;
  await moveAlias(w.memory, 2); // as it is
  for (let i = 0; i < 20; i++) await w.clock.advance(LIMITS.aliasPollMs);
  expect(w.state.loads).toBe(loads);
  expect(w.lines.filter(([, message]) => message === 'alias swapped')).toHaveLength(2);
});

test('a version that is missing is told, tried again ever more seldom, and served once it is there', async () => {
  const w = await makeWorld();
  await w.put(1);
  await moveAlias(w.memory, 1);
  const gateway = await w.start();
  await w.until(() => served(gateway) === 1);
  await moveAlias(w.memory, 2);
  await w.until(() => aliasOf(gateway)?.error != null);
  expect(aliasOf(gateway)).toMatchObject({
    version: 1,
    wanted: 2,
    error: { code: 'NOT_FOUND', detail: expect.stringMatching(/^Cannot load slope version 2: /) },
  });
  expect(await ask(gateway)).toBe(1);
  const failures = (): number => w.lines.filter(([level]) => level === 'error').length;
  const before = failures();
  for (let i = 0; i < 600; i++) await w.clock.advance(100);
  expect(failures() - before).toBeLessThanOrEqual(7); // 0.5 + 1 + 2 + 4 + 8 + 16 + 30 s, not twice a second
  await w.put(2, 2);
  await w.until(() => served(gateway) === 2);
  expect(aliasOf(gateway)!.error).toBeNull();
});

test('a version that does not open leaves the old one, and costs no seat', async () => {
  const w = await makeWorld();
  for (const version of [1, 2]) await w.put(version, version);
  await moveAlias(w.memory, 1);
  const gateway = await w.start();
  await w.until(() => served(gateway) === 1);
  w.state.broken = true;
  await moveAlias(w.memory, 2);
  await w.until(() => aliasOf(gateway)?.error != null);
  expect(aliasOf(gateway)).toMatchObject({ version: 1, wanted: 2, error: { code: 'CHILD_LOST' } });
  expect(await ask(gateway)).toBe(1);
  w.state.broken = false;
  await w.until(() => served(gateway) === 2);
});

test('a manifest or an entry of another form is told with code and words, and what is there serves on', async () => {
  const w = await makeWorld();
  await w.put(1);
  await moveAlias(w.memory, 1);
  const gateway = await w.start();
  await w.until(() => served(gateway) === 1);
  await createJson(w.memory, entryKey(versionsPrefix('slope'), 2), { formatVersion: 99 });
  await moveAlias(w.memory, 2);
  await w.until(() => aliasOf(gateway)?.error != null);
  expect(aliasOf(gateway)).toMatchObject({
    version: 1,
    error: {
      code: 'FORMAT_UNKNOWN',
      detail: expect.stringMatching(
        /^Cannot load slope version 2: Cannot read .* as the manifest of a version: its formatVersion is 99/,
      ),
    },
  });
  expect(await ask(gateway)).toBe(1);
  await appendNext(w.memory, aliasPrefix('slope', 'dev', 'champion'), { formatVersion: 99 });
  await w.until(() => /entry of an alias/.test(aliasOf(gateway)?.error?.detail ?? ''));
  expect(await ask(gateway)).toBe(1);
  expect(gateway.checkReady()).toBe('Serving 1 alias');
  const again = await w.start(); // what scratch remembers is not taken for gone
  await w.until(() => served(again) === 1 && aliasOf(again)?.error != null);
  expect(aliasOf(again)!.error!.code).toBe('FORMAT_UNKNOWN');
});

test('with the store away it serves on, also from a new start, and follows again', async () => {
  const w = await makeWorld();
  for (const version of [1, 2]) await w.put(version, version);
  await moveAlias(w.memory, 1);
  const first = await w.start();
  await w.until(() => served(first) === 1 && w.isRemembered());
  w.state.away = true;
  await w.until(() => first.view.store.error !== null);
  expect(await ask(first)).toBe(1);
  const second = await w.start();
  await w.until(() => served(second) === 1);
  expect(await ask(second)).toBe(1);
  await moveAlias(w.memory, 2);
  w.state.away = false;
  const follows = (one: Gateway): boolean => served(one) === 2 && one.view.store.error === null;
  await w.until(() => follows(first) && follows(second));
});

test('predict() with an alias, a model and a version that are not there says what there is', async () => {
  const w = await makeWorld();
  await w.put(1);
  const gateway = await w.start();
  expect(() => gateway.checkReady()).toThrow('No model answers yet');
  await moveAlias(w.memory, 1);
  await w.until(() => served(gateway) === 1);
  const asked = (target: Parameters<Gateway['predict']>[0]) => gateway.predict(target, [row(1)]);
  await expect(asked({ model: 'slop', alias: 'champion' })).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: expect.stringContaining('did you mean slope?'),
  });
  await expect(asked({ model: 'slope', alias: 'other' })).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: expect.stringContaining('expected one of champion'),
  });
  await expect(asked({ model: 'slope', version: 7 })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect((await asked({ model: 'slope', version: 1 })).predictions).toEqual([1]);
  gateway.drain();
  expect(() => gateway.checkReady()).toThrow('Shutting down');
  expect(await ask(gateway)).toBe(1);
});
