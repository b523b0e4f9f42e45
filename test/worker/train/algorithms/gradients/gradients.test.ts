// One run on one thread, without queue, store or child: what an algorithm is, read from top to bottom.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  type Algorithm,
  bytesOfSum,
  type State,
  type Sum,
  viewSum,
} from '../../../../../common/algorithm/algorithm.ts';
import { algorithmIn, scheduleOf } from '../../../../../common/algorithm/algorithms.ts';
import { digestOf, sha256Hex } from '../../../../../common/ids.ts';
import type { TrainProgram } from '../../../../../common/stage/train.ts';
import { memoryStore } from '../../../../../common/store/memory.ts';
import { algorithmOf } from '../../../../../worker/train/algorithms/algorithms.ts';
import { type LaneRows, loadLanes } from '../../../../../worker/train/rows.ts';
import { makeSmallRun } from '../../../../support/training.ts';

let folder: string;
let program: TrainProgram;
let algorithm: Algorithm<LaneRows>;
let lanes: Map<number, LaneRows>;
const LANES = 4;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gradients-'));
  const size = { rows: 3000, epochs: 2, batchRows: 256, lanes: LANES };
  ({ program } = await makeSmallRun(memoryStore(), folder, size));
  algorithm = algorithmOf(program);
  const files = Object.fromEntries(
    program.parts.map(({ key }, index) => [key, join(folder, `part-${index}.parquet`)]),
  );
  lanes = await loadLanes(program, [0, 1, 2, 3], { files, scratch: join(folder, 'spill') });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** One round: `nodes` are what threads or workers add up by themselves, the rest is merged above them. */
async function rootOf(state: State, nodes: readonly number[]): Promise<Sum> {
  await using partials = await algorithm.openPartials();
  partials.hold(lanes, [...lanes.keys()]);
  partials.share(state.shared);
  const shape = algorithm.sumOf(state.round);
  const sums = new Map<number, Sum>();
  for (const node of nodes) {
    const target = new SharedArrayBuffer(bytesOfSum(shape));
    await partials.sumInto(node, state.round, target);
    sums.set(node, viewSum(shape, target));
  }
  for (let node = LANES - 1; node >= 1; node--) {
    const [left, right] = [sums.get(2 * node), sums.get(2 * node + 1)];
    if (sums.has(node) || !left || !right) continue;
    const into = viewSum(shape, new ArrayBuffer(bytesOfSum(shape)));
    algorithm.merge(into, left, right);
    sums.set(node, into);
  }
  return sums.get(1)!;
}

const bytesOf = (sum: Sum): Uint8Array =>
  new Uint8Array(sum.buffer, sum.byteOffset, sum.byteLength);

test('an algorithm gives the same bits for a round, whoever adds up which lanes', async () => {
  const state = algorithm.init();
  for (const round of [0, 1]) {
    expect(state.round).toBe(round);
    const whole = await rootOf(state, [1]);
    for (const nodes of [
      [2, 3],
      [4, 5, 3],
      [4, 5, 6, 7],
    ]) {
      expect(bytesOf(await rootOf(state, nodes))).toEqual(bytesOf(whole));
    }
    state.step(whole);
  }
});

test('an algorithm ends with the same state from its seed and from any checkpoint', async () => {
  const state = algorithm.init();
  const kept: Uint8Array[] = [];
  const figures: number[] = [];
  while (state.round < algorithm.rounds) {
    state.step(await rootOf(state, [2, 3]));
    if (algorithm.isKept(state.round)) kept.push(state.encode());
    figures.push(state.epochs.length);
  }
  const schedule = scheduleOf(program);
  expect(figures).toEqual(figures.map((_, at) => schedule.epochsBefore(at + 1)));
  expect(kept.length).toBe(2);
  const again = algorithm.decode(kept[0]!);
  expect(again.epochs.length).toBe(1);
  while (again.round < algorithm.rounds) again.step(await rootOf(again, [1]));
  expect([again.digest(), again.figures()]).toEqual([state.digest(), state.figures()]);
  expect(sha256Hex(again.encodeTrained())).toBe(sha256Hex(state.encodeTrained()));
  expect(state.figures()).toMatchObject({
    rounds: algorithm.rounds,
    rows: 2 * program.laneRows.reduce((sum, rows) => sum + rows, 0),
  });
  expect(state.epochs[1]!.validationLoss).toBeLessThan(state.epochs[0]!.validationLoss! + 0.05);
});

test('partials() hold what is asked for, and refuse a lane that is not there', async () => {
  await using partials = await algorithm.openPartials();
  partials.hold(lanes, [0, 1, 2, 3]);
  partials.hold(new Map(), [1]);
  expect(partials.lanes).toEqual([1]);
  partials.share(algorithm.init().shared);
  const target = new SharedArrayBuffer(bytesOfSum(algorithm.sumOf(0)));
  await partials.sumInto(5, 0, target);
  await expect(partials.sumInto(4, 0, target)).rejects.toThrow('Cannot compute lane 0');
});

test('decode() refuses a checkpoint of something else', () => {
  expect(() => algorithm.decode(new Uint8Array(64))).toThrow(
    expect.objectContaining({ code: 'FORMAT_UNKNOWN' }),
  );
  expect(() => algorithm.decode(algorithm.init().encodeTrained())).toThrow(/checkpoint of a run/);
});

test('a program that does not name its algorithm is one of gradients, under the digest that it always had', () => {
  expect(algorithmIn(program)).toBe('gradients');
  expect('algorithm' in program).toBe(false);
  expect(digestOf(program)).toBe(digestOf({ ...program, algorithm: undefined }));
});
