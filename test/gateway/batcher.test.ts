import { expect, test } from 'vitest';
import { type Clock, systemClock } from '../../common/clock.ts';
import type { ColumnBatch } from '../../common/predict/rows.ts';
import { Batcher, countTogether } from '../../gateway/batcher.ts';
import type { ModelFile } from '../../gateway/files.ts';

const file = (sha256: string): ModelFile => ({
  sha256,
  path: `/models/${sha256}`,
  signature: {
    inputs: [{ name: 'x', type: 'number' }],
    label: 'regression',
    codes: [],
    numbers: [],
  },
});
const rows = (...x: number[]): ColumnBatch => ({
  rows: x.length,
  columns: { x: Float64Array.from(x) },
  ignoredFields: 0,
});

/** Seats by hand: calls wait until they are answered with twice their x. */
type Call = { file: string; x: number[]; answer: () => void; fail: (error: Error) => void };
type ByHand = { free: number; calls: Call[]; batcher: Batcher; turn: () => void };
function makeSeats(
  free: number,
  options: { rowsMax?: number; waitingMax?: number; clock?: Clock } = {},
) {
  const calls: { file: string; x: number[]; answer: () => void; fail: (error: Error) => void }[] =
    [];
  let now: (() => void)[] = [];
  const seats: ByHand = {
    free,
    calls,
    batcher: new Batcher({
      isFree: () => seats.free > 0,
      send: (model, batch) => {
        seats.free -= 1;
        const x = [...(batch.columns.x as Float64Array)];
        return new Promise((resolve, reject) => {
          calls.push({
            file: model.sha256,
            x,
            answer: () => {
              seats.free += 1;
              resolve(Float32Array.from(x, (value) => 2 * value));
              seats.batcher.pump();
            },
            fail: (error) => {
              seats.free += 1;
              reject(error);
              seats.batcher.pump();
            },
          });
        });
      },
      callRowsMax: options.rowsMax ?? 4,
      waitingRowsMax: options.waitingMax ?? 100,
      waitMsMax: 1_000,
      clock: options.clock ?? systemClock,
      defer: (run) => now.push(run),
    }),
    /** The end of a turn of the event loop. */
    turn: () => {
      const due = now;
      now = [];
      for (const run of due) run();
    },
  };
  return seats;
}

test('predict() sends what came in one turn as one call, and gives each request its own rows', async () => {
  const seats = makeSeats(1);
  const answers = [
    seats.batcher.predict(file('a'), rows(1)),
    seats.batcher.predict(file('a'), rows(2, 3)),
  ];
  seats.turn();
  expect(seats.calls.map(({ x }) => x)).toEqual([[1, 2, 3]]);
  seats.calls[0]!.answer();
  expect((await Promise.all(answers)).map((a) => [...a])).toEqual([[2], [4, 6]]);
});

test('predict() does not wait when a seat is idle', () => {
  const seats = makeSeats(2);
  void seats.batcher.predict(file('a'), rows(1));
  seats.turn();
  void seats.batcher.predict(file('a'), rows(2));
  seats.turn();
  expect(seats.calls.map(({ x }) => x)).toEqual([[1], [2]]);
});

test('predict() gathers requests while the seats are busy, up to a call full of rows', () => {
  const seats = makeSeats(1, { rowsMax: 3 });
  for (const x of [1, 2, 3, 4, 5]) {
    void seats.batcher.predict(file('a'), rows(x));
    seats.turn();
  }
  expect(seats.calls.map(({ x }) => x)).toEqual([[1]]);
  seats.calls[0]!.answer();
  seats.calls[1]!.answer();
  expect(seats.calls.map(({ x }) => x)).toEqual([[1], [2, 3, 4], [5]]);
  expect(seats.batcher.waitingRows).toBe(0);
});

test('predict() never mixes two models, and serves them turn and turn about', () => {
  const seats = makeSeats(1, { rowsMax: 1 });
  for (const [model, x] of [
    ['a', 1],
    ['a', 2],
    ['a', 3],
    ['b', 4],
    ['b', 5],
  ] as const) {
    void seats.batcher.predict(file(model), rows(x));
  }
  seats.turn();
  for (let call = 0; call < 4; call++) seats.calls[call]!.answer();
  expect(seats.calls.map((call) => `${call.file}${call.x}`)).toEqual([
    'a1',
    'b4',
    'a2',
    'b5',
    'a3',
  ]);
});

test('predict() ends all requests of a failed call with its error, and others go on', async () => {
  const seats = makeSeats(1, { rowsMax: 2 });
  const answers = [1, 2, 3].map((x) => seats.batcher.predict(file('a'), rows(x)));
  seats.turn();
  seats.calls[0]!.fail(new Error('gone'));
  seats.calls[1]!.answer();
  const ends = await Promise.allSettled(answers);
  expect(ends.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled']);
});

test('predict() refuses rows beyond the bound with OVERLOADED, and takes them again later', async () => {
  const seats = makeSeats(0, { waitingMax: 3 });
  void seats.batcher.predict(file('a'), rows(1, 2));
  await expect(async () => seats.batcher.predict(file('a'), rows(3, 4))).rejects.toMatchObject({
    code: 'OVERLOADED',
  });
  void seats.batcher.predict(file('a'), rows(3));
  seats.free = 1;
  seats.turn();
  expect(seats.calls).toHaveLength(1);
  expect(seats.batcher.waitingRows).toBe(0);
});

test('predict() ends with DEADLINE where no seat came free in time', async () => {
  let nowMs = 0;
  const clock: Clock = {
    now: () => nowMs,
    monotonicMs: () => nowMs,
    sleep: async (ms) => {
      nowMs += ms;
    },
  };
  const seats = makeSeats(0, { clock });
  const answer = seats.batcher.predict(file('a'), rows(1));
  seats.turn();
  await expect(answer).rejects.toMatchObject({ code: 'DEADLINE' });
  expect(seats.batcher.waitingRows).toBe(0);
});

test('countTogether() takes at least one request, and never more rows than the bound after it', () => {
  const waiting = (...counts: number[]) => counts.map((count) => ({ batch: { rows: count } }));
  expect(countTogether([], 10)).toBe(0);
  expect(countTogether(waiting(100), 10)).toBe(1);
  expect(countTogether(waiting(100, 1), 10)).toBe(1);
  expect(countTogether(waiting(4, 6, 1), 10)).toBe(2);
});
