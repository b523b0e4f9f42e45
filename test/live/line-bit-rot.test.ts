// Objects that rot in the store while nobody looks: each is found before it is used, and computed again.
// In: flipped bits in parts, in model.onnx where a task left it, and in a published blob. Out: the bytes of a sound disk.
// Why restarts in between: a worker keeps verified inputs, and would not meet the rot.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import type { Store } from '../../common/store/store.ts';
import { type Descriptor, type Failure, writerOf } from '../../common/wire/task.ts';
import type { JobView } from '../../common/wire/view.ts';
import { getJson } from '../support/json.ts';
import { answer, fingerprint, type Line, startLine } from '../support/line.ts';

const SHORT = {
  train: { optimizer: 'adam', learningRate: 0.01, batchRows: 128, epochs: 2, lanes: 8 },
};
/** The same columns, and so the same parts, read by a fit of their own. */
const REFITTED = {
  ...SHORT,
  features: {
    minutes: "standardize(log1p(impute(minutes, 'median')))",
    hour: 'category(hour(departed))',
    stop: 'vocabulary(stop, 3)',
  },
};
/** The same parts and fit, read by a training of its own. */
const RETRAINED = { ...REFITTED, seed: 2 };

let sound: readonly Record<string, unknown>[];

beforeAll(async () => {
  await using line = await startLine({ workers: 1, months: 4 });
  const found = [];
  for (const change of [SHORT, REFITTED, RETRAINED]) found.push(await runJob(line, change));
  sound = found;
}, 180_000);

async function runJob(line: Line, change: object): Promise<Record<string, unknown>> {
  const view: JobView = await line.finish(await line.submit(change));
  expect(view).toMatchObject({ state: 'succeeded', error: null });
  return fingerprint(line.store, view);
}

test('rotten parts, a rotten model and a rotten version end in the bytes of a sound disk', async () => {
  await using line = await startLine({ workers: 2, months: 4 });
  expect(await runJob(line, SHORT)).toEqual(sound[0]);

  // the published model, and the task's own copy of it: published again, both are whole
  await flipAll(line.store, 'models/trips/blobs/');
  await flipAll(line.store, 'parts/train/', '.onnx');
  line.start('gateway', 'gateway');
  expect(await runJob(line, SHORT)).toEqual(sound[0]);
  await untilPredicts(line);
  const [model] = await keysOf(line.store, 'parts/train/', '.onnx');
  expect(await commitsOf(line.store, model!)).toBe(2);

  // parts, met by a fit
  const parts = await keysOf(line.store, 'parts/prepare/', '.parquet');
  for (const key of parts.slice(0, 2)) flip(line.store, key);
  await restartWorkers(line);
  expect(await runJob(line, REFITTED)).toEqual(sound[1]);
  expect(await commitsOf(line.store, parts[0]!)).toBe(2);
  expect(await commitsOf(line.store, parts[2]!)).toBe(1);

  // a second copy and another first one, met by a training
  flip(line.store, (await keysOf(line.store, 'parts/prepare/', '.parquet')).find(isCopy)!);
  flip(line.store, parts[2]!);
  await restartWorkers(line);
  expect(await runJob(line, RETRAINED)).toEqual(sound[2]);
  expect(await commitsOf(line.store, parts[2]!)).toBe(2);
  expect(await stagesThatFoundRot(line.store)).toEqual(new Set(['fit', 'train']));
}, 240_000);

const isCopy = (key: string): boolean => /\/2-[0-9a-f]{64}\./.test(key);

async function restartWorkers(line: Line): Promise<void> {
  for (const name of ['worker1', 'worker2']) {
    await line.kill(name);
    line.start(name, 'worker');
  }
}

async function keysOf(store: Store, prefix: string, suffix = ''): Promise<string[]> {
  const keys: string[] = [];
  for await (const { key } of store.list(prefix)) if (key.endsWith(suffix)) keys.push(key);
  return keys;
}

async function flipAll(store: Store, prefix: string, suffix = ''): Promise<void> {
  for (const key of await keysOf(store, prefix, suffix)) flip(store, key);
}

/** One bit in the middle, on the disk itself: the store would not let an object be changed. */
function flip(store: Store, key: string): void {
  const path = join(fileURLToPath(store.uri), key);
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1]! ^= 4;
  writeFileSync(path, bytes);
}

async function commitsOf(store: Store, key: string): Promise<number> {
  const { stage, task } = writerOf(key)!;
  const names = await store.listNames(`parts/${stage}/${task}/`);
  const commits = names.filter((name) => /^\d+\.json$/.test(name));
  const found = await Promise.all(
    commits.map((name) => getJson<Descriptor>(store, `parts/${stage}/${task}/${name}`)),
  );
  for (const commit of found) expect(commit!.result).toEqual(found[0]!.result);
  return commits.length;
}

async function stagesThatFoundRot(store: Store): Promise<Set<string>> {
  const stages = new Set<string>();
  for (const key of await keysOf(store, 'failures/')) {
    const failure = (await getJson<Failure>(store, key))!;
    expect(failure).toMatchObject({ kind: 'corrupt', error: { code: 'CHECKSUM_MISMATCH' } });
    stages.add(failure.stage);
  }
  return stages;
}

async function untilPredicts(line: Line): Promise<void> {
  const instances = [{ departed: '2030-06-01T08:10:00Z', minutes: 30, stop: 'harbour' }];
  await expect
    .poll(
      () =>
        answer<object>(`${line.gatewayUrl}/v1/models/trips:predict`, { instances }).catch(String),
      { timeout: 60_000, interval: 200 },
    )
    .toMatchObject({ version: 1 });
}
