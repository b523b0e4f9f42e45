// The whole line on a real S3 store that misbehaves: statuses, silence, lost answers, flipped bits.
// In: faults at a proxy before MinIO. Out: in each, the bytes of an undisturbed run on a file store.
// Why the whole line: a store that rides a fault out says nothing of the process that waits for it.
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openStore } from '../../common/store/open.ts';
import type { JobView } from '../../common/wire/view.ts';
import { type FaultProxy, type Rule, startFaultProxy } from '../support/fault-proxy.ts';
import { fingerprint, type Line, startLine, tripsJob } from '../support/line.ts';
import { startMinio } from '../support/minio.ts';

const minio = await startMinio();
afterAll(() => minio?.[Symbol.asyncDispose]());
const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);

/** Months of which rows are kept, and those in the lake: what has no row left has no part, and is committed in groups. */
const KEPT = 4;
const MONTHS = 12;
/** Enough rounds for a checkpoint and a fault in the middle, few enough for five runs. */
const SHORT = {
  clean: [
    ...tripsJob.clean,
    { filter: `departed < TIMESTAMP '2030-01-01' + to_days(${KEPT * 30})` },
  ],
  train: { optimizer: 'adam', learningRate: 0.01, batchRows: 128, epochs: 2, lanes: 8 },
};

describe.skipIf(!minio)(`the line on a faulty S3 store (SEED=${seed})`, () => {
  let proxy: FaultProxy;
  let undisturbed: Record<string, unknown>;
  let stores = 0;

  beforeAll(async () => {
    proxy = await startFaultProxy({ target: minio!.url, seed });
    await using line = await startLine({ workers: 1, months: MONTHS });
    undisturbed = await fingerprint(line.store, await line.finish(await line.submit(SHORT)));
  }, 120_000);
  afterAll(() => proxy?.[Symbol.asyncDispose]());

  /** A job on a fresh prefix behind the proxy; its results are read past the proxy. */
  async function runLine(
    disturb: (line: Line, job: string) => Promise<void>,
    rules: readonly Rule[] = [],
    workerEnv: Readonly<Record<string, string>> = {},
  ): Promise<{ view: JobView; found: Record<string, unknown> }> {
    proxy.set();
    const storeUri = `s3://gristmill/line-${++stores}`;
    await using line = await startLine({
      workers: 2,
      months: MONTHS,
      storeUri,
      workerEnv,
      env: { ...minio!.env, AWS_ENDPOINT_URL: proxy.url },
    });
    proxy.set(...rules);
    const job = await line.submit(SHORT);
    const [view] = await Promise.all([line.finish(job), disturb(line, job)]);
    proxy.set();
    const store = await openStore(storeUri, minio!.env);
    try {
      return { view, found: await fingerprint(store, view) };
    } finally {
      await store.close();
    }
  }

  async function survives(
    disturb: (line: Line, job: string) => Promise<void>,
    rules: readonly Rule[] = [],
    workerEnv: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const faultsBefore = proxy.faults;
    const { view, found } = await runLine(disturb, rules, workerEnv);
    expect(view).toMatchObject({ state: 'succeeded', error: null });
    expect(found).toEqual(undisturbed);
    expect(proxy.faults).toBeGreaterThan(faultsBefore);
  }

  const calm = async (): Promise<void> => {};

  test('undisturbed, S3 gives the bytes of a file store', async () => {
    const { view, found } = await runLine(calm);
    expect(view.state).toBe('succeeded');
    expect(found).toEqual(undisturbed);
  });

  test('one request in six answers 500 or 503, and one object in ten has a flipped bit', async () => {
    const objects = { method: 'GET', path: /\.(json|bin|parquet|onnx)(\?|$)/ };
    await survives(calm, [
      { fault: { kind: 'status', status: 500 }, share: 0.09 },
      { fault: { kind: 'status', status: 503 }, share: 0.08 },
      { ...objects, fault: { kind: 'flip' }, share: 0.1 },
    ]);
  });

  test('no answer for five seconds, in mid-prepare and in mid-train', async () => {
    const silence = async (): Promise<void> => {
      proxy.set({ fault: { kind: 'silence' } });
      await delay(5_000);
      proxy.set();
    };
    await survives(async (line, job) => {
      await line.until(job, ({ stages }) => stages.some(({ stage }) => stage === 'prepare'));
      await silence();
      await line.until(job, ({ stages }) => stages.some(({ stage }) => stage === 'train'));
      await silence();
    });
  });

  test('commits, alone and in groups, take effect and their answers are lost', async () => {
    const alone = { method: 'PUT', path: /\/parts\/[a-z]+\/[0-9a-f]{64}\/1\.json/ };
    const group = { method: 'PUT', path: /\/parts\/[a-z]+\/groups\/[0-9a-f]{64}\/[^/]+\.json/ };
    const before = proxy.log.length;
    await survives(
      calm,
      [
        { ...group, fault: { kind: 'applied-silence' }, times: 1 },
        { ...group, fault: { kind: 'applied-reset' }, share: 0.5 },
        { ...group, fault: { kind: 'applied-status', status: 500 }, share: 0.5 },
        { ...alone, fault: { kind: 'applied-silence' }, times: 1 },
        { ...alone, fault: { kind: 'applied-reset' }, share: 0.5 },
        { ...alone, fault: { kind: 'applied-status', status: 500 }, share: 0.5 },
      ],
      { GRISTMILL_THREADS: '4', GRISTMILL_MEMORY: '4096' }, // one thread ends one task at a time: no groups
    );
    const lost = proxy.log.slice(before).filter(({ fault }) => fault !== undefined);
    for (const { path } of [alone, group])
      expect(lost.filter((one) => path.test(one.path)).length).toBeGreaterThan(0);
  });

  test('a store that is full is named, is no failure of the job, and is waited for', async () => {
    await survives(async (line, job) => {
      await line.until(job, ({ stages }) => stages.some(({ stage }) => stage === 'prepare'));
      proxy.set({ fault: { kind: 'status', status: 507 }, method: 'PUT' });
      const { waiting } = await line.until(job, (view) => view.waitingFor?.code === 'STORE_FULL');
      expect(waiting).toMatch(/^the store is full: Cannot create .*expected free space$/);
      const ready = await fetch(`${line.coordinatorUrl}/readyz`);
      expect(ready.status).toBe(503);
      expect(await ready.json()).toMatchObject({ code: 'STORE_FULL' });
      proxy.set();
    });
  });

  test('lake and store on S3', async () => {
    await using line = await startLine({
      workers: 2,
      months: MONTHS,
      storeUri: 's3://gristmill/both',
      lakeUri: 's3://trips-lake/raw',
      env: minio!.env,
    });
    const view = await line.finish(await line.submit(SHORT));
    const { results: _byTask, ...figures } = await fingerprint(line.store, view);
    expect(undisturbed).toMatchObject(figures); // etags differ, and with them the names of tasks
  });
});
