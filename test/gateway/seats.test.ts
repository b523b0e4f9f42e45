import { expect, test } from 'vitest';
import type { Child } from '../../common/child/host.ts';
import { type Clock, systemClock } from '../../common/clock.ts';
import { GristmillError } from '../../common/errors.ts';
import { silentLog } from '../../common/log.ts';
import type { ModelFile } from '../../gateway/files.ts';
import { Seats } from '../../gateway/seats.ts';

const file = (sha256: string): ModelFile => ({
  sha256,
  path: `/models/${sha256}`,
  signature: { inputs: [], label: 'binary', codes: [], numbers: [] },
});
const batch = { rows: 1, columns: {}, ignoredFields: 0 };
const lost = new GristmillError('CHILD_LOST', 'gone');

/** A child that answers when told to. */
class FakeChild {
  readonly asked: string[] = [];
  readonly pid = 1;
  #waiting: { resolve: (value: unknown) => void; reject: (error: unknown) => void }[] = [];
  #onLost: ((error: GristmillError) => void)[] = [];

  call(method: string, args: unknown): Promise<never> {
    const { sha256 } = (
      method === 'predict' ? (args as { file: ModelFile }).file : args
    ) as ModelFile;
    this.asked.push(`${method} ${sha256 ?? args}`);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve: resolve as (value: unknown) => void, reject });
    });
  }

  async answer(value?: unknown): Promise<void> {
    this.#waiting.shift()!.resolve(value);
    await settled();
  }

  async fail(error: GristmillError): Promise<void> {
    this.#waiting.shift()!.reject(error);
    await settled();
  }

  async die(): Promise<void> {
    for (const { reject } of this.#waiting.splice(0)) reject(lost);
    for (const handler of this.#onLost) handler(lost);
    await settled();
  }

  onLost(handler: (error: GristmillError) => void): void {
    this.#onLost.push(handler);
  }

  async close(): Promise<void> {}
}

const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

async function makeSeats(count: number, clock: Clock = systemClock) {
  const children: FakeChild[] = [];
  const repaired: string[] = [];
  const seats = new Seats({
    count,
    startChild: () => {
      const child = new FakeChild();
      children.push(child);
      return child as unknown as Child;
    },
    repair: async ({ sha256 }) => {
      repaired.push(sha256);
    },
    clock,
    log: silentLog,
    onFree: () => {},
  });
  await settled();
  return { seats, children, repaired };
}

test('hold() loads seat by seat, and calls go to the one that does not load', async () => {
  const { seats, children } = await makeSeats(2);
  const [one, two] = children as [FakeChild, FakeChild];
  const held = seats.hold(file('a'));
  expect([one.asked, two.asked]).toEqual([['load a'], []]);
  void seats.predict(file('z'), batch);
  void seats.predict(file('z'), batch);
  expect(two.asked).toEqual(['predict z', 'predict z']);
  await one.answer();
  await two.answer(); // predict
  await two.answer(); // predict
  await two.answer(); // load
  await held;
  expect(two.asked.at(-1)).toBe('load a');
});

test('predict() takes the seat with fewer calls, and none beyond two calls each', async () => {
  const { seats, children } = await makeSeats(2);
  const calls = [1, 2, 3, 4].map(() => seats.predict(file('a'), batch));
  expect(children.map(({ asked }) => asked.length)).toEqual([2, 2]);
  expect(seats.isFree()).toBe(false);
  await children[0]!.answer(Float32Array.of(7));
  expect(seats.isFree()).toBe(true);
  expect([...(await calls[0]!)]).toEqual([7]);
});

test('a lost child ends its calls, loads all that is held, and only then is free again', async () => {
  const { seats, children } = await makeSeats(1);
  const [child] = children as [FakeChild];
  for (const name of ['a', 'b']) {
    const held = seats.hold(file(name));
    await child.answer();
    await held;
  }
  const call = seats.predict(file('a'), batch);
  const ended = expect(call).rejects.toMatchObject({ code: 'CHILD_LOST' });
  child.asked.length = 0;
  await child.die();
  await ended;
  expect(seats.restarts).toBe(1);
  expect(seats.isFree()).toBe(false);
  await child.answer();
  await child.answer();
  expect(child.asked).toEqual(['load a', 'load b']);
  expect(seats.isFree()).toBe(true);
});

test('a child that keeps dying is started again ever more slowly', async () => {
  const sleeps: number[] = [];
  const clock: Clock = {
    ...systemClock,
    sleep: async (ms) => {
      sleeps.push(ms);
    },
  };
  const { seats, children } = await makeSeats(1, clock);
  void seats.hold(file('a'));
  for (let time = 0; time < 9; time++) await children[0]!.die();
  expect(sleeps).toEqual([200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
});

test('a file that scratch lost is made sound again and loaded', async () => {
  const { seats, children, repaired } = await makeSeats(1);
  const held = seats.hold(file('a'));
  await children[0]!.fail(new GristmillError('CHECKSUM_MISMATCH', 'rotten'));
  expect(repaired).toEqual(['a']);
  await children[0]!.answer();
  await held;
  expect(children[0]!.asked).toEqual(['load a', 'load a']);
});

test('drop() tells every child once', async () => {
  const { seats, children } = await makeSeats(1);
  const held = seats.hold(file('a'));
  await children[0]!.answer();
  await held;
  seats.drop('a');
  seats.drop('a');
  expect(children[0]!.asked).toEqual(['load a', 'drop a']);
});
