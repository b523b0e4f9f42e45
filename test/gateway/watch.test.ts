import { expect, test } from 'vitest';
import type { Clock } from '../../common/clock.ts';
import { GristmillError } from '../../common/errors.ts';
import { silentLog } from '../../common/log.ts';
import { appendNext } from '../../common/store/journal.ts';
import { memoryStore } from '../../common/store/memory.ts';
import type { Store } from '../../common/store/store.ts';
import { aliasPrefix, movesPrefix } from '../../common/wire/model.ts';
import type { AliasHead } from '../../gateway/catalog.ts';
import { Watch } from '../../gateway/watch.ts';

/** A watch whose every sleep is a step of the test's; `calls` counts what the store is asked. */
function makeWatch() {
  const memory = memoryStore();
  const calls = { get: 0, head: 0, listNames: 0 };
  let trouble: GristmillError | undefined;
  const store: Store = {
    ...memory,
    get: async (key) => {
      calls.get += 1;
      if (trouble) throw trouble;
      return memory.get(key);
    },
    head: async (key) => {
      calls.head += 1;
      if (trouble) throw trouble;
      return memory.head(key);
    },
    listNames: async (prefix) => {
      calls.listNames += 1;
      if (trouble) throw trouble;
      return memory.listNames(prefix);
    },
  };
  let nowMs = 0;
  const sleeps: number[] = [];
  let onSleep: (() => void) | undefined;
  let wake: (() => void) | undefined;
  const clock: Clock = {
    now: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: (ms) =>
      new Promise((resolve) => {
        sleeps.push(ms);
        wake = () => {
          nowMs += ms;
          resolve();
        };
        onSleep?.();
      }),
  };
  const heads: string[] = [];
  const looks: unknown[] = [];
  const watch = new Watch({
    store,
    environment: 'dev',
    clock,
    log: silentLog,
    onHead: ({ model, alias, n, version }: AliasHead) =>
      heads.push(`${model}/${alias} ${n}: ${version}`),
    onUnread: ({ model, alias, n, error }) => heads.push(`${model}/${alias} ${n}: ${error.code}`),
    onLook: (error) => looks.push(error),
  });
  /** One look, up to its sleep. */
  const look = async (): Promise<void> => {
    const asleep = new Promise<void>((resolve) => {
      onSleep = resolve;
    });
    if (wake) wake();
    else void watch.run(new AbortController().signal);
    await asleep;
  };
  const place = (model: string, version: number | null, environment = 'dev') =>
    appendNext(memory, aliasPrefix(model, environment, 'champion'), {
      formatVersion: 1,
      kind: 'moved',
      version,
      candidate: 1,
      evidence: null,
      by: {},
      at: 0,
    });
  const tell = (model: string, environment = 'dev', formatVersion = 1) =>
    appendNext(memory, movesPrefix(environment), {
      ...{ formatVersion, model, alias: 'champion', at: 0 },
    });
  const move = async (model: string, version: number | null, environment = 'dev') => {
    await place(model, version, environment);
    await tell(model, environment);
  };
  return {
    memory,
    watch,
    heads,
    looks,
    calls,
    sleeps,
    look,
    place,
    tell,
    move,
    setTrouble: (error: GristmillError | undefined) => {
      trouble = error;
    },
  };
}

test('Watch tells each head once, of its own environment alone', async () => {
  const { heads, look, move } = makeWatch();
  await move('flights', 1);
  await move('flights', 9, 'prod');
  await look();
  await look();
  expect(heads).toEqual(['flights/champion 1: 1']);
  await move('flights', 2);
  await move('flights', 3);
  await look();
  expect(heads.slice(1)).toEqual(['flights/champion 3: 3']);
});

test('Watch asks for one object in most looks, however many aliases there are, and lists seldom', async () => {
  const { calls, look, move, sleeps } = makeWatch();
  for (let i = 0; i < 50; i++) await move(`model-${i}`, 1);
  await look();
  const before = { ...calls };
  for (let time = 0; time < 19; time++) await look();
  expect(calls).toEqual({ ...before, get: before.get + 19 });
  expect(sleeps.every((ms) => ms === 500)).toBe(true);
  await look();
  expect(calls.listNames - before.listNames).toBe(51);
});

test('Watch reads an alias once, however often it moved meanwhile', async () => {
  const { heads, calls, look, move } = makeWatch();
  await move('flights', 1);
  await look();
  const before = { ...calls };
  for (let version = 2; version <= 9; version++) await move('flights', version);
  await look();
  expect(heads.slice(1)).toEqual(['flights/champion 9: 9']);
  expect(calls.listNames).toBe(before.listNames);
});

test('Watch finds models that come later, and keeps those whose names have gone', async () => {
  const { heads, look, move } = makeWatch();
  await look();
  await move('trains', null);
  await look();
  expect(heads).toEqual(['trains/champion 1: null']);
});

test('Watch finds within ten seconds what moved and was written down by nobody', async () => {
  const { heads, look, place } = makeWatch();
  await look();
  await place('trains', 1);
  for (let time = 0; time < 19; time++) await look();
  expect(heads).toEqual([]);
  await look();
  expect(heads).toEqual(['trains/champion 1: 1']);
});

test('Watch goes through all aliases where it cannot read a move, and takes no name for a path', async () => {
  const { heads, looks, look, place, tell } = makeWatch();
  await look();
  for (const [model, formatVersion] of [
    ['trains', 99],
    ['../trains', 1],
  ] as const) {
    await place('trains', formatVersion);
    await tell(model, 'dev', formatVersion);
    await look();
    await look();
  }
  expect(heads).toEqual(['trains/champion 1: 99', 'trains/champion 2: 1']);
  expect(looks.every((error) => error === undefined)).toBe(true);
});

test('Watch follows a move again whose alias could not be read', async () => {
  const { heads, look, move, setTrouble } = makeWatch();
  await look();
  await move('trains', 1);
  setTrouble(new GristmillError('STORE_UNAVAILABLE', 'away'));
  await look();
  setTrouble(undefined);
  await look();
  expect(heads).toEqual(['trains/champion 1: 1']);
});

test('Watch looks more seldom while the store errs, and as before when it is back', async () => {
  const { looks, sleeps, look, move, setTrouble, heads } = makeWatch();
  await move('flights', 1);
  setTrouble(new GristmillError('STORE_UNAVAILABLE', 'away'));
  for (let time = 0; time < 6; time++) await look();
  expect(looks).toHaveLength(6);
  expect(looks[0]).toMatchObject({ code: 'STORE_UNAVAILABLE' });
  expect(sleeps).toEqual([1000, 2000, 4000, 5000, 5000, 5000]);
  setTrouble(undefined);
  await look();
  expect(heads).toEqual(['flights/champion 1: 1']);
  expect(sleeps.at(-1)).toBe(500);
});

test('Watch tells of an entry that it cannot read, once, and goes on with all other aliases', async () => {
  const { heads, looks, look, move, memory } = makeWatch();
  const prefix = aliasPrefix('airports', 'dev', 'champion');
  await appendNext(memory, prefix, { formatVersion: 99, version: 1 });
  await move('flights', 1);
  await look();
  await look();
  expect(heads.sort()).toEqual(['airports/champion 1: FORMAT_UNKNOWN', 'flights/champion 1: 1']);
  expect(looks).toEqual([undefined, undefined]);
  await move('airports', 2);
  await look();
  expect(heads).toContain('airports/champion 2: 2');
});

test('hint() looks at once, also at what was not known, and ignores what is no name', async () => {
  const { watch, heads, look, move, calls } = makeWatch();
  await look();
  await move('flights', 1);
  await watch.hint('flights', 'champion');
  expect(heads).toEqual(['flights/champion 1: 1']);
  const before = calls.head;
  await watch.hint('../up', 'champion');
  expect(calls.head).toBe(before);
});
