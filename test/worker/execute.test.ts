// One task from message to outcome: one deadline over fetch and engine, and files that go when they may.
import { expect, test } from 'vitest';
import type { CallOptions, Child } from '../../common/child/host.ts';
import { GristmillError } from '../../common/errors.ts';
import { makeExecute } from '../../worker/execute.ts';
import type { Fetcher } from '../../worker/fetch.ts';
import type { Prepared } from '../../worker/stage/runner.ts';
import { createTestClock } from '../support/clock.ts';
import { makeTask } from '../support/tasks.ts';

const OUTCOME = { result: { n: 1 }, blobs: [], rows: 1 };

/** `act` is the engine; fetching takes `fetchMs`. */
function world(act: (options: CallOptions) => Promise<unknown>, fetchMs = 0) {
  const clock = createTestClock();
  const seen = { fetched: 0, disposed: 0, calls: [] as [string, CallOptions][] };
  const prepared = { program: { kind: 'fit' } } as unknown as Prepared;
  const fetcher = {
    async fetch() {
      seen.fetched += 1;
      if (fetchMs > 0) await clock.sleep(fetchMs);
      return {
        prepared,
        bytesRead: 77,
        async [Symbol.asyncDispose]() {
          seen.disposed += 1;
        },
      };
    },
  } as unknown as Fetcher;
  const child = {
    async call(method: string, args: unknown, options: CallOptions) {
      expect(args).toBe(prepared);
      seen.calls.push([method, options]);
      return act(options);
    },
  } as unknown as Child;
  const { signal } = new AbortController();
  const execute = makeExecute(child, fetcher, clock);
  return {
    clock,
    seen,
    signal,
    run: (deadlineMs = 60_000) => execute(makeTask(1), { deadlineMs, signal }),
  };
}

test('makeExecute() runs the program by its kind; its files live until the outcome is disposed', async () => {
  const w = world(async ({ onCpu }) => {
    onCpu?.(3);
    return OUTCOME;
  });
  const executed = await w.run();
  expect(executed).toMatchObject({ outcome: OUTCOME, cpuSeconds: 3, bytesRead: 77 });
  expect(w.seen.calls).toMatchObject([['fit', { deadlineMs: 60_000 }]]);
  expect(w.seen.calls[0]![1].signal).toBe(w.signal);
  expect(w.seen.disposed).toBe(0);
  await executed[Symbol.asyncDispose]();
  expect(w.seen.disposed).toBe(1);
});

test.each([
  [10_000, 50_000],
  [90_000, 1],
])('makeExecute() gives the engine what a fetch of %i ms leaves: %i ms', async (fetchMs, left) => {
  const w = world(async () => OUTCOME, fetchMs);
  const running = w.run();
  await w.clock.advance(fetchMs);
  await running;
  expect(w.seen.calls[0]![1].deadlineMs).toBe(left);
});

test.each(['DEADLINE', 'MEMORY', 'CHILD_LOST', 'FEATURE_MISSING'] as const)(
  'makeExecute() lets the files go when the engine ends with %s, and gives its error as it is',
  async (code) => {
    const error = new GristmillError(code, 'as it was');
    const w = world(() => Promise.reject(error));
    await expect(w.run()).rejects.toBe(error);
    expect([w.seen.fetched, w.seen.disposed]).toEqual([1, 1]);
  },
);
