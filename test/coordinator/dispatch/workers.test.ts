// Which numerics a new job is pinned to. In: heartbeats. Out: those of the most threads that could take its tasks.
import { expect, test } from 'vitest';
import { LIMITS } from '../../../common/limits.ts';
import type { Heartbeat } from '../../../common/wire/event.ts';
import { bytesHeld } from '../../../common/wire/task.ts';
import { chooseNumerics } from '../../../coordinator/dispatch/workers.ts';

const enough = bytesHeld({ memoryBytes: LIMITS.taskMemoryBytes });
const beat = (numerics: string, threads: number, change: Partial<Heartbeat> = {}): Heartbeat =>
  ({ numerics, threads, memoryBytes: enough, draining: false, ...change }) as Heartbeat;

test('chooseNumerics() takes those of the most threads, of equal ones the first by name', () => {
  expect(chooseNumerics([])).toBeUndefined();
  expect(chooseNumerics([beat('a', 2), beat('b', 3)])).toBe('b');
  expect(chooseNumerics([beat('a', 2), beat('b', 3), beat('a', 2)])).toBe('a');
  expect(chooseNumerics([beat('b', 1), beat('a', 1)])).toBe('a');
});

test('chooseNumerics() does not count workers that are stopping', () => {
  const stopping = beat('a', 8, { draining: true });
  expect(chooseNumerics([stopping, beat('b', 1)])).toBe('b');
  expect(chooseNumerics([stopping])).toBeUndefined();
});

test('chooseNumerics() counts workers too small for a task only where all are', () => {
  const small = beat('a', 64, { memoryBytes: enough - 1 });
  expect(chooseNumerics([small, beat('b', 1)])).toBe('b');
  expect(chooseNumerics([small, beat('b', 1, { memoryBytes: 2 ** 29 })])).toBe('a');
  expect(chooseNumerics([small, beat('b', 1, { draining: true })])).toBe('a');
});
