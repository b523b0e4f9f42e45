// What anybody on the network may say, and what of it gets in: attacks as tests.
import { describe, expect, test } from 'vitest';
import type { WorkerId } from '../../../common/ids.ts';
import { digestOf, type RunId } from '../../../common/ids.ts';
import { LIMITS } from '../../../common/limits.ts';
import type { Heartbeat } from '../../../common/wire/event.ts';
import {
  decodeHeartbeat,
  decodeRoundPacket,
  decodeRunView,
  decodeTask,
  decodeTaskSettled,
  MessageRefused,
} from '../../../common/wire/inbound.ts';
import type { RoundMessage, RunView } from '../../../common/wire/round.ts';
import { nameTask, type Task } from '../../../common/wire/task.ts';
import { encodeMessage } from '../../../worker/rounds/encode.ts';
import { makeTask } from '../../support/tasks.ts';

const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
const digest = digestOf('x');
const worker = 'w-0123456789ab' as WorkerId;

const heartbeat: Heartbeat = {
  worker,
  host: 'host-1',
  pid: 7,
  numerics: 'duckdb-1+cpu',
  device: 'cpu',
  threads: 8,
  threadsFree: 2,
  memoryBytes: 2 ** 34,
  tasks: [makeTask(1).task],
  runs: [
    {
      run: digest,
      generation: 2,
      round: 9,
      lanesLoaded: [0, 63],
      phase: 'running',
      rows: 5,
      loss: 0.1,
    },
  ],
  draining: false,
  startedAt: 1_790_000_000_000,
  store: { code: 'STORE_FULL', message: 'Cannot create x' },
};

describe('decodeHeartbeat()', () => {
  test('gives back what a worker says, also what a newer one adds', () => {
    expect(decodeHeartbeat(bytesOf(heartbeat))).toEqual(heartbeat);
    expect(decodeHeartbeat(bytesOf({ ...heartbeat, gpus: 1 }))).toMatchObject(heartbeat);
  });

  test('takes a loss that has become NaN', () => {
    const runs = [{ ...heartbeat.runs[0]!, loss: Number.NaN }];
    expect(decodeHeartbeat(bytesOf({ ...heartbeat, runs })).runs[0]!.loss).toBeNull();
  });

  test.each<[string, unknown]>([
    ['nothing', {}],
    ['null', null],
    ['a list', []],
    ['a billion threads', { ...heartbeat, threads: 1e9 }],
    ['half a thread', { ...heartbeat, threads: 0.5 }],
    ['more tasks than threads can be', { ...heartbeat, tasks: Array(2000).fill(digest) }],
    ['a task id that is a path', { ...heartbeat, tasks: ['../../etc/passwd'] }],
    ['a worker with a dot', { ...heartbeat, worker: 'w.*' }],
    ['numerics of a megabyte', { ...heartbeat, numerics: 'x'.repeat(100_000) }],
    ['a lane that is none', { ...heartbeat, runs: [{ ...heartbeat.runs[0], lanesLoaded: [64] }] }],
    [
      'a store with an essay',
      { ...heartbeat, store: { code: 'STORE_FULL', message: 'x'.repeat(9000) } },
    ],
    ['runs that are no list', { ...heartbeat, runs: {} }],
  ])('refuses %s', (_what, value) => {
    expect(() => decodeHeartbeat(bytesOf(value))).toThrow(MessageRefused);
  });

  test('refuses what is no JSON, no UTF-8, or too long', () => {
    expect(() => decodeHeartbeat(new TextEncoder().encode('{'))).toThrow('not JSON');
    expect(() => decodeHeartbeat(new Uint8Array([0x22, 0xff, 0x22]))).toThrow('not JSON');
    const long = new Uint8Array(LIMITS.messageBytesMax + 1);
    expect(() => decodeHeartbeat(long)).toThrow('expected at most');
  });
});

test.each([
  {},
  { task: 'x', ok: true },
  { task: digest, ok: 1 },
  { task: digest, ok: true, group: 'parts/../x' },
])('decodeTaskSettled() refuses %j', (value) => {
  expect(() => decodeTaskSettled(bytesOf(value))).toThrow(MessageRefused);
});

describe('decodeRunView()', () => {
  const view: RunView = {
    run: digest as string as RunId,
    numerics: 'n',
    generation: 3,
    laneOwner: Array(64).fill(worker),
    joining: [{ worker, lanes: [1, 2] }],
    checkpoint: {
      round: 200,
      blob: { key: `checkpoints/${digest}/200.bin`, sha256: digest, bytes: 9 },
    },
    ended: false,
  };

  test('gives back what a coordinator says', () => {
    expect(decodeRunView(bytesOf(view))).toEqual(view);
    expect(decodeRunView(bytesOf({ ...view, checkpoint: undefined }))).toMatchObject({
      run: digest,
    });
  });

  test.each<[string, unknown]>([
    ['a checkpoint outside the store', { key: 'checkpoints/../../etc', sha256: digest, bytes: 9 }],
    ['a checkpoint at an absolute path', { key: '/etc/passwd', sha256: digest, bytes: 9 }],
    ['a digest that is a path', { key: 'checkpoints/a/b', sha256: '../../x', bytes: 9 }],
  ])('refuses %s', (_what, blob) => {
    const forged = { ...view, checkpoint: { round: 1, blob } };
    expect(() => decodeRunView(bytesOf(forged))).toThrow(MessageRefused);
  });

  test('refuses more owners than there are lanes', () => {
    const forged = { ...view, laneOwner: Array(65).fill(worker) };
    expect(() => decodeRunView(bytesOf(forged))).toThrow(MessageRefused);
  });
});

describe('decodeTask()', () => {
  const blob = { key: `parts/prepare/${digest}/${digest}.parquet`, sha256: digest, bytes: 5 };
  const named = (over: Partial<Task>): Task => makeTask('x', over);
  const part = {
    ...blob,
    rows: 1,
    bucketOffsets: [0, 1],
    source: { key: 'a b.parquet', rowStart: 0 },
  };

  test('gives back a task whose id is the name of what it says', () => {
    const task = named({ input: { kind: 'part', part } });
    expect(decodeTask(bytesOf(task))).toEqual(task);
  });

  test('refuses another program under the id of a task', () => {
    const task = named({});
    const forged = { ...task, program: digestOf('mine') };
    expect(() => decodeTask(bytesOf(forged))).toThrow(`is the name of`);
    expect(decodeTask(bytesOf({ ...forged, task: nameTask(forged) })).program).toBe(forged.program);
  });

  test.each<[string, Partial<Task>]>([
    ['more memory', { memoryBytes: 2 ** 40 }],
    ['another deadline', { deadlineMs: 1 }],
    ['a part of other rows', { input: { kind: 'part', part: { ...part, rows: 2 } } }],
    ['a part that lies elsewhere', { input: { kind: 'part', part: { ...part, key: 'x/y' } } }],
  ])('refuses %s under the id of a task', (_what, over) => {
    const task = named({ input: { kind: 'part', part } });
    expect(() => decodeTask(bytesOf({ ...task, ...over }))).toThrow(`is the name of`);
    expect(decodeTask(bytesOf({ ...task, commit: 2 })).commit).toBe(2);
  });

  test.each<[string, unknown]>([
    ['a digest that is a path', { ...part, sha256: '../../../home/x/.bashrc' }],
    ['a key that leaves the store', { ...part, key: 'parts/../../x' }],
    ['a key with a hidden segment', { ...part, key: 'parts/./x' }],
    ['bytes below zero', { ...part, bytes: -1 }],
    ['more buckets than there are', { ...part, bucketOffsets: Array(66).fill(0) }],
  ])('refuses a part with %s', (_what, forged) => {
    const task = named({ input: { kind: 'part', part: forged as never } });
    expect(() => decodeTask(bytesOf(task))).toThrow(MessageRefused);
  });

  test.each<[string, Partial<Task>]>([
    ['an input of no known kind', { input: { kind: '__proto__' } as never }],
    ['no input', { input: undefined as never }],
    ['a commit that nobody makes', { commit: 99 }],
    ['a deadline of a year', { deadlineMs: 31_536_000_000 }],
    ['a stage that is a path', { stage: '../x' as never }],
    ['another format', { formatVersion: 2 as never }],
  ])('refuses %s', (_what, over) => {
    const task = { ...makeTask('x'), ...over };
    expect(() => decodeTask(bytesOf(task))).toThrow(MessageRefused);
  });
});

describe('decodeRoundPacket()', () => {
  const sum: Extract<RoundMessage, { kind: 'sum' }> = {
    kind: 'sum',
    from: worker,
    generation: 1,
    round: 2,
    state: 4_000_000_000,
    node: 127,
    chunk: 0,
    chunks: 1,
    bytes: new Uint8Array(16),
  };

  test('tells who sent it, and keeps the bytes', () => {
    const bytes = encodeMessage(sum);
    expect(decodeRoundPacket(bytes)).toEqual({ from: worker, bytes });
  });

  test.each<[string, Partial<typeof sum>]>([
    ['fifty million chunks', { chunks: 5e7 }],
    ['a chunk beyond the last', { chunk: 1, chunks: 1 }],
    ['a node that no tree has', { node: 1e9 }],
    ['a node below the root', { node: 0 }],
    ['a chunk larger than chunks are', { bytes: new Uint8Array(LIMITS.sumChunkBytes + 1) }],
    ['a kind of its own', { kind: 'constructor' as never }],
    ['no sender', { from: undefined as never }],
  ])('refuses %s', (_what, over) => {
    expect(() => decodeRoundPacket(encodeMessage({ ...sum, ...over }))).toThrow(MessageRefused);
  });

  test('refuses a header that ends outside the message, and none at all', () => {
    expect(() => decodeRoundPacket(new Uint8Array([255, 255, 255, 255, 0]))).toThrow(
      MessageRefused,
    );
    expect(() => decodeRoundPacket(new Uint8Array(3))).toThrow(MessageRefused);
    expect(() => decodeRoundPacket(new Uint8Array(4))).toThrow('not JSON');
  });
});
