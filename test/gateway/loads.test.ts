// Two lines of loads and a memory for what is not there: what many ask for never stands before a move.
// In: loads that end when the test says so, children made up. Out: the order of what was done, and who was refused.
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { Child } from '../../common/child/host.ts';
import { makeDeferred } from '../../common/deferred.ts';
import { GristmillError } from '../../common/errors.ts';
import { silentLog } from '../../common/log.ts';
import { entryKey } from '../../common/store/journal.ts';
import { memoryStore } from '../../common/store/memory.ts';
import type { Store } from '../../common/store/store.ts';
import { versionsPrefix } from '../../common/wire/model.ts';
import { Files } from '../../gateway/files.ts';
import { Gateway } from '../../gateway/gateway.ts';
import { Loads } from '../../gateway/loads.ts';
import { Metrics } from '../../gateway/metrics.ts';
import { Refusals } from '../../gateway/refusals.ts';
import { createTestClock } from '../support/clock.ts';

const nobody = (): Child =>
  ({ call: async () => [], onLost: () => {}, close: async () => {} }) as unknown as Child;

test('Loads works one at a time, in order, and closes its child when nobody waits', async () => {
  let children = 0;
  const closed: number[] = [];
  const startChild = (): Child => {
    const me = ++children;
    return { ...nobody(), close: async () => void closed.push(me) } as Child;
  };
  const loads = new Loads({ startChild, waitingMax: 2 });
  const gate = makeDeferred<void>();
  const order: string[] = [];
  const first = loads.run('m version 1', async (trial) => {
    trial();
    await gate.promise;
    order.push('first');
  });
  const second = loads.run('m version 2', async (trial) => {
    trial();
    order.push('second');
    throw new Error('no');
  });
  expect(() => loads.run('m version 3', async () => {})).toThrow(/m version 3: 2 others wait/);
  gate.resolve();
  await first;
  await expect(second).rejects.toThrow('no');
  await expect.poll(() => closed).toEqual([1]);
  expect(order).toEqual(['first', 'second']);
  expect(await loads.run('m version 3', async () => 3)).toBe(3);
});

test('Refusals remembers an error for a while, a bounded number of them, and bounds what is looked for', async () => {
  const clock = createTestClock();
  const refusals = new Refusals({ clock, keepMs: 2_000, keptMax: 2, lookupsMax: 1 });
  const absent = new GristmillError('NOT_FOUND', 'no version');
  for (const name of ['a', 'b', 'c']) refusals.keep(name, absent);
  expect(() => refusals.check('a')).not.toThrow(); // the oldest made room
  expect(() => refusals.check('c')).toThrow(absent);
  await clock.advance(2_001);
  expect(() => refusals.check('c')).not.toThrow();
  const gate = makeDeferred<void>();
  const looking = refusals.lookUp('d', () => gate.promise);
  await expect(refusals.lookUp('e', async () => 1)).rejects.toMatchObject({ code: 'OVERLOADED' });
  gate.resolve();
  await looking;
  expect(await refusals.lookUp('e', async () => 1)).toBe(1);
  refusals.keep('e', new GristmillError('OVERLOADED', 'of the moment'));
  expect(() => refusals.check('e')).not.toThrow();
});

/** A store that counts what it is asked, and answers reads of versions only when the test lets it. */
function slowStore(): { store: Store; asked: string[]; open: () => void } {
  const gate = makeDeferred<void>();
  const asked: string[] = [];
  const inner = memoryStore();
  const store: Store = {
    ...inner,
    async get(key) {
      asked.push(key);
      if (key.includes('/versions/')) await gate.promise;
      return inner.get(key);
    },
  };
  return { store, asked, open: () => gate.resolve() };
}

test('48 clients that ask for versions that are not there cost one look each, and stand in no line', async () => {
  const { store, asked, open } = slowStore();
  await store.create(entryKey(versionsPrefix('m'), 99), new Uint8Array()); // so that there is such a model
  const clock = createTestClock();
  const scratch = await mkdtemp(join(tmpdir(), 'gristmill-loads-'));
  const gateway = new Gateway({
    environment: 'dev',
    store,
    files: await Files.open(scratch, 'dev'),
    seats: 1,
    startChild: nobody,
    clock,
    log: silentLog,
    metrics: new Metrics(),
  });
  onTestFinished(() => gateway.close());
  const askFor = (version: number): Promise<string> =>
    gateway.predict({ model: 'm', version }, [{}]).then(
      () => 'answered',
      (error: GristmillError) => error.code,
    );
  const first = Array.from({ length: 48 }, (_, i) => askFor(i + 1));
  await clock.advance(0);
  open();
  const codes = await Promise.all(first);
  expect(codes.filter((code) => code === 'NOT_FOUND')).toHaveLength(16);
  expect(codes.filter((code) => code === 'OVERLOADED')).toHaveLength(32);
  const looks = asked.length;
  expect(await askFor(1)).toBe('NOT_FOUND'); // from memory
  expect(asked).toHaveLength(looks);
});
