import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { GristmillError } from '../../../common/errors.ts';
import { LIMITS } from '../../../common/limits.ts';
import { memoryStore } from '../../../common/store/memory.ts';
import { type RawStore, retryDelayMs, settled } from '../../../common/store/settle.ts';
import type { Created, Store } from '../../../common/store/store.ts';
import { bytesOf } from './contract.ts';

/** A store whose puts follow a script; "lost" applies and then fails. */
function scripted(script: ('fail' | 'lost' | 'final' | 'ok')[]) {
  const inner = memoryStore();
  const slept: number[] = [];
  const hardened: string[] = [];
  const put = async (key: string, bytes: Uint8Array): Promise<Created> => {
    const step = script.shift() ?? 'ok';
    if (step === 'fail' || step === 'final') throw new Error(step);
    const outcome = await inner.create(key, bytes);
    if (step === 'lost') throw new Error(step);
    return outcome;
  };
  const raw: RawStore = {
    ...inner,
    put,
    upload: () => ({ put: () => put('unused', new Uint8Array(0)), drop: async () => {} }),
    open: async (key, { offset }) => {
      const bytes = await inner.get(key);
      return bytes && { etag: 'e', stream: Readable.from([bytes.subarray(offset)]) };
    },
    harden: async (key) => void hardened.push(key),
    list: (prefix) => inner.list(prefix),
    explain: (error, act) => ({
      transient: (error as Error).message !== 'final',
      error: new GristmillError('STORE_UNAVAILABLE', `Cannot ${act}: ${error}`, { cause: error }),
    }),
  };
  const clock = {
    now: () => 0,
    monotonicMs: () => 0,
    sleep: async (ms: number) => void slept.push(ms),
  };
  return {
    store: settled(raw, { clock, jitter: () => 0 }) satisfies Store,
    slept,
    hardened,
    inner,
  };
}

test('create() whose answer was lost is "created", and made durable', async () => {
  const { store, hardened } = scripted(['lost']);
  expect(await store.create('k', bytesOf('ours'))).toBe('created');
  expect(hardened).toEqual(['k']);
});

test('create() whose put and whose answer were lost is "created" without a second put', async () => {
  const { store, inner } = scripted(['fail', 'fail', 'lost']);
  expect(await store.create('k', bytesOf('ours'))).toBe('created');
  expect(inner.writes).toBe(1);
});

test('create() of unknown outcome over others of the same length is "exists"', async () => {
  const { store, inner } = scripted(['fail']);
  await inner.create('k', bytesOf('them'));
  expect(await store.create('k', bytesOf('ours'))).toBe('exists');
});

test('create() of known outcome is "exists" also for the same bytes: the number is taken', async () => {
  const { store, inner } = scripted(['ok']);
  await inner.create('k', bytesOf('ours'));
  expect(await store.create('k', bytesOf('ours'))).toBe('exists');
});

test('create() gives up after the retries, and at once where trying again cannot help', async () => {
  const failing = scripted(Array.from({ length: 20 }, () => 'fail'));
  const unavailable = { code: 'STORE_UNAVAILABLE' };
  await expect(failing.store.create('k', bytesOf('x'))).rejects.toMatchObject(unavailable);
  expect(failing.slept).toEqual([50, 100, 200, 400, 800, 1600, 2000, 2000]);
  const denied = scripted(['final']);
  await expect(denied.store.create('k', bytesOf('x'))).rejects.toMatchObject(unavailable);
  expect(denied.slept).toEqual([]);
});

test('retryDelayMs() stays within a quarter below the doubling', () => {
  expect(retryDelayMs(1, 0)).toBe(LIMITS.storeRetryMsMin);
  expect(retryDelayMs(3, 1)).toBe(150);
  expect(retryDelayMs(30, 0)).toBe(LIMITS.storeRetryMsMax);
});
