import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  addGradients,
  applyStep,
  decodeCheckpoint,
  encodeCheckpoint,
  initState,
  parametersOf,
  stateDigest,
  sumLength,
  type TrainState,
} from '../../../common/algorithm/gradients.ts';
import { coverOf, laneNode, lanesUnder, ROOT } from '../../../common/algorithm/tree.ts';
import { Philox } from '../../../common/random.ts';
import type { OptimizerSpec, ParameterSpec } from '../../../common/stage/train.ts';
import { mergeTree } from '../../support/tree.ts';

const PARAMETERS: readonly ParameterSpec[] = [
  { name: 'table', shape: [3, 2], table: true, init: { kind: 'uniform', bound: 0.1 } },
  { name: 'dense', shape: [2, 2], table: false, init: { kind: 'uniform', bound: 1 } },
  { name: 'bias', shape: [2], table: false, init: { kind: 'zero' } },
];
const adam = { kind: 'adam', learningRate: 0.01 } as OptimizerSpec;
const sgd: OptimizerSpec = { kind: 'sgd', learningRate: 0.1, momentum: 0.9 };
const LENGTH = sumLength(PARAMETERS);
/** Of a full step: the weight that each sum below has. */
const ROWS = 4;

/** Gradients with row 1 of the table absent, then loss 3 and weight 4. */
const sumOf = (seed: number): Float32Array => {
  const random = new Philox(seed, 'proof');
  const sum = Float32Array.from({ length: LENGTH }, () => random.uniform() * 8 - 4);
  sum.fill(0, 2, 4);
  sum.set([3, 4], LENGTH - 2);
  return sum;
};
const after = (optimizer: OptimizerSpec, steps: number): TrainState => {
  const state = initState(PARAMETERS, optimizer, 7);
  for (let step = 0; step < steps; step++) applyStep(state, sumOf(step), ROWS);
  return state;
};

test('initState() fills within the bounds, the same for the same seed', () => {
  const state = initState(PARAMETERS, adam, 7);
  const { table, dense, bias } = parametersOf(state);
  expect(Math.max(...table!.map(Math.abs))).toBeLessThanOrEqual(0.1);
  expect(Math.max(...dense!.map(Math.abs))).toBeLessThanOrEqual(1);
  expect([...bias!]).toEqual([0, 0]);
  expect(new Set(state.weights).size).toBe(11); // ten draws and zero
  expect(initState(PARAMETERS, adam, 7)).toEqual(state);
  expect(stateDigest(initState(PARAMETERS, adam, 8))).not.toBe(stateDigest(state));
});

test('applyStep() with Adam agrees with the formula of the paper', () => {
  const { weights } = after(adam, 5);
  const expected = Float64Array.from(initState(PARAMETERS, adam, 7).weights);
  const [m, v] = [new Float64Array(12), new Float64Array(12)];
  for (let step = 0; step < 5; step++) {
    const sum = sumOf(step);
    for (let i = 0; i < 12; i++) {
      if (i === 2 || i === 3) continue; // the absent row
      const g = sum[i]! / 4;
      m[i] = 0.9 * m[i]! + 0.1 * g;
      v[i] = 0.999 * v[i]! + 0.001 * g * g;
      const [mHat, vHat] = [m[i]! / (1 - 0.9 ** (step + 1)), v[i]! / (1 - 0.999 ** (step + 1))];
      expected[i]! -= (0.01 * mHat) / (Math.sqrt(vHat) + 1e-8);
    }
  }
  for (const [i, weight] of weights.entries()) expect(weight).toBeCloseTo(expected[i]!, 6);
});

test('applyStep() with SGD agrees with its formula', () => {
  const { weights } = after(sgd, 3);
  const expected = Float64Array.from(initState(PARAMETERS, sgd, 7).weights);
  const velocity = new Float64Array(12);
  for (let step = 0; step < 3; step++) {
    for (let i = 0; i < 12; i++) {
      velocity[i] = 0.9 * velocity[i]! + sumOf(step)[i]! / 4;
      expected[i]! -= 0.1 * velocity[i]!;
    }
  }
  for (const [i, weight] of weights.entries()) expect(weight).toBeCloseTo(expected[i]!, 5);
});

// computed apart from this code, in Python: float64 arithmetic, each result rounded to float32
test('applyStep() gives golden bits', () => {
  expect(stateDigest(after(adam, 20))).toBe(ADAM_20);
  expect(stateDigest(after(sgd, 20))).toBe(SGD_20);
});
const ADAM_20 = 3685133301;
const SGD_20 = 3646287205;

test.each([adam, sgd])(
  'applyStep() leaves an absent row and its moments alone: $kind',
  (optimizer) => {
    const state = initState(PARAMETERS, optimizer, 7);
    const present = sumOf(0);
    present.set([1, -2], 2);
    applyStep(state, present, ROWS); // the row has moments now
    const before = [...state.weights];
    const momentsBefore = structuredClone(state.moments);
    applyStep(state, sumOf(1), ROWS);
    expect([...state.weights.subarray(2, 4)]).toEqual(before.slice(2, 4));
    const rows = (moments: TrainState['moments']) =>
      (moments.kind === 'adam' ? [moments.first, moments.second] : [moments.velocity]).map(
        (array) => [...array.subarray(2, 4)],
      );
    expect(rows(state.moments)).toEqual(rows(momentsBefore));
    expect([...state.weights.subarray(6)]).not.toEqual(before.slice(6));
  },
);

test('applyStep() changes no weight for a sum without rows, and counts the step', () => {
  const state = after(adam, 1);
  const before = [...state.weights];
  applyStep(state, new Float32Array(LENGTH), ROWS);
  expect([...state.weights]).toEqual(before);
  expect(state.step).toBe(2);
});

test.each([
  ['a loss', LENGTH - 2, Number.NaN],
  ['a dense gradient', 7, Number.POSITIVE_INFINITY],
  ['a table gradient', 4, Number.NaN],
])('applyStep() says NONFINITE_LOSS with the step for %s', (_what, place, value) => {
  for (const optimizer of [adam, sgd]) {
    const sum = sumOf(0);
    sum[place] = value;
    expect(() => applyStep(after(optimizer, 2), sum, ROWS)).toThrow(
      /Cannot apply step 2: .*finite/,
    );
  }
});

test('applyStep() refuses a sum of another length', () => {
  expect(() => applyStep(after(adam, 0), new Float32Array(3), ROWS)).toThrow('expected 14');
});

test('addGradients() along the tree gives the same bits however lanes are grouped', () => {
  const lanes = 16;
  const float = fc.float({ noNaN: true, min: -1e6, max: 1e6 });
  const lane = fc.array(float, { minLength: 3, maxLength: 3 });
  const owners = fc.array(fc.nat(3), { minLength: lanes, maxLength: lanes });
  fc.assert(
    fc.property(fc.array(lane, { minLength: lanes, maxLength: lanes }), owners, (rows, owner) => {
      const partial = (l: number): Float32Array => Float32Array.from(rows[l]!);
      const alone = mergeTree(
        Array.from({ length: lanes }, (_, l) => partial(l)),
        added,
      );
      // each owner merges what it covers; the rest of the tree is merged by whoever has both halves
      const sums = new Map<number, Float32Array>();
      for (const who of new Set(owner)) {
        const owned = owner.flatMap((o, l) => (o === who ? [l] : []));
        for (const node of coverOf(owned, lanes)) {
          const { first, count } = lanesUnder(node, lanes);
          const mine = Array.from({ length: count }, (_, i) => partial(first + i));
          sums.set(node, mergeTree(mine, added));
        }
      }
      for (let node = laneNode(lanes - 1, lanes) - 1; node >= ROOT; node--) {
        const [left, right] = [sums.get(2 * node), sums.get(2 * node + 1)];
        if (!sums.has(node) && left && right) sums.set(node, added(left, right));
      }
      expect(bits(sums.get(ROOT)!)).toEqual(bits(alone));
    }),
    { numRuns: 50 },
  );
});
const added = (left: Float32Array, right: Float32Array): Float32Array => {
  const into = new Float32Array(left.length);
  addGradients(into, left, right);
  return into;
};
const bits = (array: Float32Array): number[] => [...new Uint32Array(array.buffer)];

test.each([adam, sgd])('decodeCheckpoint() goes on as if never written: $kind', (optimizer) => {
  const state = after(optimizer, 4);
  const bytes = encodeCheckpoint(state);
  const read = decodeCheckpoint(bytes, PARAMETERS, optimizer);
  expect(read).toEqual(state);
  for (const s of [state, read]) applyStep(s, sumOf(4), ROWS);
  expect(read).toEqual(state);
  expect(stateDigest(read)).toBe(stateDigest(state));
});

test('encodeCheckpoint() gives the same bytes for the same state', () => {
  expect(encodeCheckpoint(after(adam, 4))).toEqual(encodeCheckpoint(after(adam, 4)));
});

test('decodeCheckpoint() refuses what is not of this run', () => {
  const bytes = encodeCheckpoint(after(adam, 4));
  const read =
    (b: Uint8Array, parameters = PARAMETERS, optimizer = adam) =>
    () =>
      decodeCheckpoint(b, parameters, optimizer);
  expect(read(bytes.subarray(0, 100))).toThrow(/Cannot read checkpoint/);
  expect(read(bytes.subarray(0, bytes.length - 4))).toThrow(/bytes of numbers, expected 144/);
  expect(read(bytes.subarray(1))).toThrow(/the beginning/);
  expect(read(bytes, PARAMETERS.slice(1))).toThrow(/another model or optimizer/);
  expect(read(bytes, PARAMETERS, sgd)).toThrow(/another model or optimizer/);
  expect(read(bytes, PARAMETERS, { kind: 'adam', learningRate: 0.02 })).toThrow(/another model/);
});

test('applyStep() lets a step of few rows move the weights in proportion to them', () => {
  const moved = (weight: number): number[] => {
    const state = initState(PARAMETERS, { ...sgd, momentum: 0 }, 7);
    const before = state.weights.slice();
    const sum = sumOf(0).map((x, i) => (i === LENGTH - 1 ? weight : (x * weight) / ROWS));
    applyStep(state, sum, ROWS);
    return [...state.weights].map((w, i) => w - before[i]!);
  };
  const [full, quarter] = [moved(4), moved(1)];
  for (const [i, change] of full.entries()) expect(quarter[i]! * 4).toBeCloseTo(change, 5);
});

test.each([0, 1, 3, 4, 5, 8, 11])(
  'addGradients() adds %i numbers, also into one of its arguments',
  (length) => {
    const left = Float32Array.from({ length }, (_, i) => Math.fround(i / 3));
    const right = Float32Array.from({ length }, (_, i) => Math.fround(1 / (i + 7)));
    const expected = left.map((value, i) => value + right[i]!);
    expect(added(left, right)).toEqual(expected);
    addGradients(left, left, right);
    expect(left).toEqual(expected);
  },
);
