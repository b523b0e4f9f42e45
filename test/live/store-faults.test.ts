import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { systemClock } from '../../common/clock.ts';
import { sha256Hex } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import { openStore } from '../../common/store/open.ts';
import type { Store } from '../../common/store/store.ts';
import { fetchVerified, getVerified } from '../../common/store/verified.ts';
import { bytesOf, keysOf } from '../common/store/contract.ts';
import { checkModel } from '../common/store/model.ts';
import { type Fault, type FaultProxy, startFaultProxy } from '../support/fault-proxy.ts';
import { startMinio } from '../support/minio.ts';
import { scoped } from '../support/scoped.ts';

const minio = await startMinio();
afterAll(() => minio?.[Symbol.asyncDispose]());
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
const TIMEOUT_MS = 400;

describe.skipIf(!minio)(`S3 store behind a faulty proxy (SEED=${seed})`, () => {
  let proxy: FaultProxy;
  let store: Store;
  let folder: string;
  let slept: number[] = [];
  const clock = {
    ...systemClock,
    sleep: async (ms: number) => {
      slept.push(ms);
      await systemClock.sleep(ms / 50);
    },
  };

  beforeAll(async () => {
    proxy = await startFaultProxy({ target: minio!.url, seed });
    folder = await mkdtemp(join(tmpdir(), 'gristmill-faults-'));
    const env = { ...minio!.env, AWS_ENDPOINT_URL: proxy.url };
    const options = { create: true, clock, timeoutMs: TIMEOUT_MS };
    store = await openStore('s3://faults/state', env, options);
  });
  beforeEach(() => {
    proxy.set();
    slept = [];
  });
  afterAll(async () => {
    await store?.close();
    await proxy?.[Symbol.asyncDispose]();
    await rm(folder, { recursive: true, force: true });
  });

  const APPLIED: readonly Fault[] = [
    { kind: 'applied-reset' },
    { kind: 'applied-silence' },
    { kind: 'applied-status', status: 500 },
    { kind: 'applied-status', status: 503 },
  ];
  const LOST: readonly Fault[] = [
    { kind: 'refuse' },
    { kind: 'silence' },
    { kind: 'status', status: 500 },
    { kind: 'status', status: 503 },
  ];

  test.each([...APPLIED, ...LOST])('create() is "created" through one %o', async (fault) => {
    const key = `one/${JSON.stringify(fault)}`;
    proxy.set({ fault, method: 'PUT', times: 1 });
    const [faultsBefore, givenUpBefore] = [proxy.faults, proxy.givenUp];
    expect(await store.create(key, bytesOf('ours'))).toBe('created');
    expect(proxy.faults - faultsBefore).toBe(1);
    // one pause; a busy machine may also take a slow answer for a silent one, which the proxy sees
    await expect.poll(() => slept.length - (proxy.givenUp - givenUpBefore)).toBe(1);
    expect(await store.get(key)).toEqual(bytesOf('ours'));
  });

  test.each(APPLIED)('create() that lost a race is "exists" through %o', async (fault) => {
    const key = `lost/${JSON.stringify(fault)}`;
    await store.create(key, bytesOf('them'));
    proxy.set({ fault, method: 'PUT', times: 2 });
    expect(await store.create(key, bytesOf('ours'))).toBe('exists');
    expect(await store.get(key)).toEqual(bytesOf('them'));
  });

  test('create() settles also where the reading back errs', async () => {
    proxy.set(
      { fault: { kind: 'applied-reset' }, method: 'PUT', times: 1 },
      { fault: { kind: 'status', status: 503 }, method: 'HEAD', times: 2 },
      { fault: { kind: 'reset', afterBytes: 1 }, method: 'GET', times: 2 },
    );
    expect(await store.create('read-back', bytesOf('ours'))).toBe('created');
  });

  test('everything survives 30 % of 503', async () => {
    proxy.set({ fault: { kind: 'status', status: 503 }, share: 0.3 });
    const here = scoped(store, '30-percent/');
    const keys = Array.from({ length: 24 }, (_, i) => `k${String(i).padStart(3, '0')}`);
    const outcomes = await Promise.all(keys.map((key) => here.create(key, bytesOf(key))));
    expect(outcomes.every((outcome) => outcome === 'created')).toBe(true);
    expect(await keysOf(here, '')).toEqual(keys);
    for (const key of keys.slice(0, 10)) {
      expect(await here.get(key)).toEqual(bytesOf(key));
      expect(await here.getRange(key, { offset: 1, length: 2 })).toEqual(bytesOf(key.slice(1, 3)));
    }
    expect(proxy.faults).toBeGreaterThan(5);
  });

  test('a store that errs for long is STORE_UNAVAILABLE after the retries, 7 s of them', async () => {
    proxy.set({ fault: { kind: 'status', status: 500 } });
    await expect(store.get('k')).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringMatching(/^Cannot read k in s3:\/\/faults\/state: .*HTTP status 500/),
    });
    expect(slept).toHaveLength(LIMITS.storeRetries);
    expect(slept.reduce((sum, ms) => sum + ms)).toBeGreaterThan(5000);
  });

  test('bodies that break off are read again, streams from where they stopped', async () => {
    const bytes = new Uint8Array(Buffer.alloc(2_000_000, 'streams go on '));
    await store.create('long', bytes);
    const faults = [
      { kind: 'reset', afterBytes: 500_000 },
      { kind: 'truncate', afterBytes: 700_000 },
      { kind: 'truncate', afterBytes: 0 },
    ] as const;
    const rules = faults.map((fault) => ({ fault, method: 'GET', times: 1 }));
    proxy.set(...rules);
    expect(sha256Hex((await store.get('long'))!)).toBe(sha256Hex(bytes));
    proxy.set(...rules);
    const range = { offset: 5, length: 1_999_000 };
    expect(await store.getRange('long', range)).toHaveLength(range.length);
    proxy.set(...rules);
    const ref = { key: 'long', sha256: sha256Hex(bytes), bytes: bytes.length };
    await fetchVerified(store, ref, join(folder, 'long'));
    expect(proxy.log.slice(-4).map((entry) => entry.fault)).toEqual([
      ...faults.map((fault) => fault.kind),
      undefined,
    ]);
  });

  test('a listing that breaks off goes on', async () => {
    const here = scoped(store, 'pages/');
    const keys = Array.from({ length: 1100 }, (_, i) => String(i).padStart(5, '0'));
    for (let i = 0; i < keys.length; i += 50) {
      await Promise.all(keys.slice(i, i + 50).map((key) => here.create(key, bytesOf(key))));
    }
    proxy.set(
      { fault: { kind: 'delay', ms: 5 }, path: 'prefix=', times: 1 },
      { fault: { kind: 'truncate', afterBytes: 3000 }, path: 'prefix=', times: 1 },
      { fault: { kind: 'status', status: 500 }, path: 'prefix=', times: 2 },
    );
    expect(await keysOf(here, '')).toEqual(keys);
  });

  test('a bit flipped on the wire is read again, one that stays is CHECKSUM_MISMATCH', async () => {
    const bytes = bytesOf('bytes with a checksum in their descriptor');
    const ref = { key: 'flipped', sha256: sha256Hex(bytes), bytes: bytes.length };
    await store.create(ref.key, bytes);
    proxy.set({ fault: { kind: 'flip' }, method: 'GET', times: 1 });
    expect(await getVerified(store, ref)).toEqual(bytes);
    proxy.set({ fault: { kind: 'flip' }, method: 'GET' });
    await expect(getVerified(store, ref)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    const fetched = fetchVerified(store, ref, join(folder, 'f'));
    await expect(fetched).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' });
  });

  test('createFromFile() in parts survives faults on parts and completion', async () => {
    const path = join(folder, 'large');
    await writeFile(path, Buffer.alloc(3 * LIMITS.partBytes + 17, 'parts '));
    const completion = { method: 'POST', path: 'uploadId=' };
    // a busy disk may take longer over 16 MiB than TIMEOUT_MS, and every part sent again is counted here
    const env = { ...minio!.env, AWS_ENDPOINT_URL: proxy.url };
    const patient = await openStore('s3://faults/state', env, { clock, timeoutMs: 5_000 });
    for (const fault of [...APPLIED, { kind: 'status', status: 503 }] as const) {
      proxy.set(
        { fault: { kind: 'status', status: 503 }, path: 'partNumber=2', times: 2 },
        { fault: { kind: 'applied-reset' }, path: 'partNumber=3', times: 1 },
        { fault, ...completion, times: 1 },
      );
      const key = `large/${JSON.stringify(fault)}`;
      const before = proxy.log.length;
      expect(await patient.createFromFile(key, path)).toBe('created');
      const parts = proxy.log.slice(before).filter(({ path }) => path.includes('partNumber='));
      expect(parts.length).toBe(4 + 3);
      expect(await patient.createFromFile(key, path)).toBe('exists');
      await store.delete(key);
    }
    await patient.close();
  });

  test('concurrent operations agree with the model through mixed faults', async () => {
    proxy.set(
      { fault: { kind: 'applied-reset' }, share: 0.03 },
      { fault: { kind: 'applied-status', status: 500 }, share: 0.03 },
      { fault: { kind: 'status', status: 503 }, share: 0.03 },
      { fault: { kind: 'refuse' }, share: 0.02 },
      { fault: { kind: 'truncate', afterBytes: 2 }, method: 'GET', share: 0.03 },
      { fault: { kind: 'delay', ms: 20 }, share: 0.1 },
      { fault: { kind: 'silence' }, share: 0.005 },
    );
    await checkModel(scoped(store, 'model/'), { rounds: 4, workers: 6 });
  });
});
