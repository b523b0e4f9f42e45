import { expect, test } from 'vitest';
import { GristmillError } from '../../../common/errors.ts';
import { LIMITS } from '../../../common/limits.ts';
import { watchStore } from '../../../common/store/health.ts';
import { createTestClock } from '../../support/clock.ts';

const error = (code: 'STORE_UNAVAILABLE' | 'STORE_FULL' | 'NOT_FOUND') =>
  new GristmillError(code, `as ${code}`);

test('watchStore() tells what went wrong last, until an act works', () => {
  const health = watchStore(createTestClock());
  expect(health.trouble()).toBeNull();
  health.failed(error('STORE_UNAVAILABLE'));
  expect(health.trouble()).toEqual({ code: 'STORE_UNAVAILABLE', message: 'as STORE_UNAVAILABLE' });
  health.answered('read');
  expect(health.trouble()).toBeNull();
});

test('a full store that answers reads is still full; a write that works shows that it is not', () => {
  const health = watchStore(createTestClock());
  health.failed(error('STORE_FULL'));
  health.answered('read');
  expect(health.trouble()?.code).toBe('STORE_FULL');
  health.answered('write');
  expect(health.trouble()).toBeNull();
});

test('trouble that nobody meets again is forgotten; other errors are none of the store', async () => {
  const clock = createTestClock();
  const health = watchStore(clock);
  health.failed(error('STORE_FULL'));
  await clock.advance(LIMITS.storeTroubleMs - 1);
  expect(health.trouble()).not.toBeNull();
  await clock.advance(1);
  expect(health.trouble()).toBeNull();
  health.failed(error('NOT_FOUND'));
  expect(health.trouble()).toBeNull();
});
