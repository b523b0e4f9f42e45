// A small training run and workers that train it: real parts, real engines, a queue and a store in memory.
// In: a folder. Out: a program whose parts lie in the store; workers that beat, train and can be killed.
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Child, startChild } from '../../common/child/host.ts';
import { systemClock } from '../../common/clock.ts';
import { openDuck } from '../../common/engine/duckdb.ts';
import { digestOf, type RunId, runIdOf, sha256Hex, type WorkerId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import { silentLog } from '../../common/log.ts';
import { encodeModel } from '../../common/onnx/proto.ts';
import { CHANNELS } from '../../common/queue/channels.ts';
import type { Queue } from '../../common/queue/queue.ts';
import type { TrainProgram } from '../../common/stage/train.ts';
import { createJson, type Store } from '../../common/store/store.ts';
import type { Heartbeat, RunStatus } from '../../common/wire/event.ts';
import { dataKey, type PartRef, programKey } from '../../common/wire/task.ts';
import { buildModel } from '../../coordinator/compile/model.ts';
import type { HeartbeatSource } from '../../coordinator/rounds/run.ts';
import { sealGroups } from '../../worker/stage/part-groups.ts';
import { startTrainingHost } from '../../worker/train/host.ts';

export const TRAIN_NUMERICS = 'test';
const COLOURS = 8;
/** Split key: below 8,000 basis points for training, the next thousand for validation. */
const EDGES = { train: 7_999, validation: 8_999 };

export type SmallRun = { readonly program: TrainProgram; readonly digest: RunId };

/** Labels follow a colour and a number, with noise: there is something to learn. */
export async function makeSmallRun(
  store: Store,
  folder: string,
  size: { rows: number; epochs: number; batchRows: number; lanes: number; learningRate?: number },
): Promise<SmallRun> {
  await mkdir(folder, { recursive: true });
  const parts = [
    await makePart(store, folder, 0, size.rows),
    await makePart(store, folder, 1, 500),
  ];
  const laneRows = await countLanes(folder, size.lanes);
  const inputs = { codeSizes: [COLOURS], numbers: 1, label: 'binary' as const };
  const model = buildModel({ kind: 'mlp', hidden: [8], categories: 'sum' }, inputs);
  const program: TrainProgram = {
    formatVersion: 1,
    kind: 'train',
    parts,
    split: {
      train: { after: null, upTo: EDGES.train },
      validation: { after: EDGES.train, upTo: EDGES.validation },
      test: { after: EDGES.validation, upTo: null },
    },
    load: {
      codes: [{ feature: 'colour', sql: 'colour::INTEGER', size: COLOURS }],
      numbers: [{ feature: 'x', sql: 'x::FLOAT' }],
    },
    label: 'binary',
    lanes: size.lanes,
    laneRows,
    batchRows: size.batchRows,
    epochs: size.epochs,
    steps: Math.ceil(Math.max(...laneRows) / (size.batchRows / size.lanes)),
    seed: 7,
    optimizer: { kind: 'adam', learningRate: size.learningRate ?? 0.01 },
    parameters: model.parameters,
    stepGraph: Buffer.from(encodeModel(model.step)).toString('base64'),
    forwardGraph: Buffer.from(encodeModel(model.forward)).toString('base64'),
  };
  const digest = runIdOf(digestOf(program));
  await createJson(store, programKey(digest), program);
  return { program, digest };
}

const pathOf = (folder: string, index: number): string => join(folder, `part-${index}.parquet`);

async function makePart(
  store: Store,
  folder: string,
  index: number,
  rows: number,
): Promise<PartRef> {
  await using duck = await openDuck({
    memoryBytes: LIMITS.taskMemoryBytes,
    tempDir: join(folder, 'spill'),
    files: [],
    writeDir: folder,
  });
  const random = (salt: number): string => `((hash(i * 31 + ${salt + 7 * index}) % 10000)::DOUBLE)`;
  await duck.run(`CREATE TEMP TABLE made AS
    SELECT i AS __row, (hash(i + ${index}) % ${LIMITS.buckets})::INTEGER AS bucket,
      (${random(1)} % ${COLOURS})::INTEGER AS colour, ${random(2)} / 5000 - 1 AS x,
      ${random(3)}::BIGINT AS __split, ${random(4)} / 10000 AS noise
    FROM range(${rows}) t(i)`);
  await duck.run(`COPY (SELECT colour, x, __split, __row, bucket,
      (noise < 1 / (1 + exp(-(x + (colour - 4) / 2))))::DOUBLE AS __label
    FROM made ORDER BY bucket, __row) TO '${pathOf(folder, index)}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`);
  const counts = await duck.rows('SELECT bucket, count(*) AS n FROM made GROUP BY 1 ORDER BY 1');
  const bytes = await readFile(pathOf(folder, index));
  const sha256 = sha256Hex(bytes);
  const key = dataKey('prepare', `part-${index}` as never, `${sha256}.parquet`);
  await store.create(key, bytes);
  return {
    key,
    sha256,
    bytes: bytes.byteLength,
    rows,
    bucketOffsets: offsetsOf(counts.map((row) => [Number(row.bucket), Number(row.n)])),
    source: { key: `made-${index}`, rowStart: 0 },
    groups: await sealGroups(duck, pathOf(folder, index), 2048),
  };
}

function offsetsOf(counts: readonly (readonly [bucket: number, rows: number])[]): number[] {
  const rows = new Map(counts);
  const offsets = [0];
  for (let b = 0; b < LIMITS.buckets; b++) offsets.push(offsets.at(-1)! + (rows.get(b) ?? 0));
  return offsets;
}

/** As the fit stage does: training rows by lane. */
async function countLanes(folder: string, lanes: number): Promise<number[]> {
  const files = [0, 1].map((index) => pathOf(folder, index));
  await using duck = await openDuck({
    memoryBytes: LIMITS.taskMemoryBytes,
    tempDir: join(folder, 'spill'),
    files,
  });
  const width = LIMITS.buckets / lanes;
  const found = await duck.rows(`SELECT bucket // ${width} AS lane, count(*) AS n
    FROM read_parquet([${files.map((file) => `'${file}'`).join(', ')}])
    WHERE __split <= ${EDGES.train} GROUP BY 1 ORDER BY 1`);
  const rows = new Map(found.map((row) => [Number(row.lane), Number(row.n)]));
  return Array.from({ length: lanes }, (_, lane) => rows.get(lane) ?? 0);
}

export type TrainWorker = {
  readonly worker: WorkerId;
  readonly child: Child;
  status(): readonly RunStatus[];
  /** As the machine's power: no word, no child. */
  kill(): Promise<void>;
  close(): Promise<void>;
};

/** A worker that only trains: the host of training in this process, the engines in a child. */
export function startTrainWorker(options: {
  readonly name: string;
  readonly threads: number;
  readonly queue: Queue;
  readonly store: Store;
  readonly folder: string;
}): TrainWorker {
  const worker = options.name as WorkerId;
  const child = startChild({
    thread: new URL('../../worker/thread.ts', import.meta.url),
    resident: new URL('../../worker/train/resident.ts', import.meta.url),
    threads: options.threads,
    memoryBytes: 4 * 2 ** 30,
    clock: systemClock,
    log: silentLog,
  });
  const host = startTrainingHost({
    worker,
    queue: options.queue,
    store: options.store,
    child,
    clock: systemClock,
    scratch: join(options.folder, options.name),
    log: silentLog,
    numerics: TRAIN_NUMERICS,
  });
  const beat = (): void =>
    options.queue.publish(CHANNELS.heartbeat, heartbeatOf(worker, options.threads, host.status()));
  const beats = setInterval(beat, 300);
  host.onTurn(beat);
  beat();
  const end = async (close: boolean): Promise<void> => {
    clearInterval(beats);
    if (close) await host.close();
    await child.close();
  };
  return {
    worker,
    child,
    status: () => host.status(),
    async kill() {
      await end(false);
      await host.close();
    },
    close: () => end(true),
  };
}

function heartbeatOf(worker: WorkerId, threads: number, runs: readonly RunStatus[]): Heartbeat {
  return {
    worker,
    host: 'test',
    pid: process.pid,
    numerics: TRAIN_NUMERICS,
    device: 'cpu',
    threads,
    threadsFree: threads,
    memoryBytes: 2 ** 30,
    tasks: [],
    runs,
    draining: false,
    startedAt: 0,
  };
}

/** The coordinator's registry, without its window. */
export function heartbeatsOf(queue: Queue): HeartbeatSource {
  return { live: () => [], onHeartbeat: (handler) => queue.subscribe(CHANNELS.heartbeat, handler) };
}
