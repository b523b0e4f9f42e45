import { expect, test } from 'vitest';
import {
  BITS_OF_CODE,
  bitsDigest,
  CODE_VERSION,
  DECIDES_BITS,
} from '../../../common/engine/decides-bits.ts';
import { deviceIn, isBitExact } from '../../../common/engine/device/device.ts';
import { nameNumerics, readNumerics } from '../../../common/engine/numerics.ts';

type Path = readonly (string | number)[];

/** Every number of a table, as the way to it. */
function leavesOf(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  return Object.entries(value).flatMap(([name, inner]) => leavesOf(inner, [...path, name]));
}

function changed(value: unknown, [name, ...rest]: Path): unknown {
  if (name === undefined) return (value as number) * 2 + 1;
  const copy = Array.isArray(value) ? [...value] : { ...(value as object) };
  const inner = (copy as Record<string, unknown>)[name];
  (copy as Record<string, unknown>)[name] = changed(inner, rest);
  return copy;
}

const named = (bits: string): string =>
  nameNumerics({ duckdb: '1.5.6', onnxruntime: '1.30.0', bits, device: 'cpu-avx2' });

test.each(leavesOf(DECIDES_BITS).map((path) => [path.join('.'), path] as const))(
  'nameNumerics() is another name when %s changes',
  (_, path) => {
    const bits = bitsDigest(changed(DECIDES_BITS, path));
    expect(bits).not.toBe(bitsDigest(DECIDES_BITS));
    expect(named(bits)).toBe(
      `duckdb-1.5.6+onnxruntime-1.30.0+code-${CODE_VERSION}.${bits.slice(0, 16)}+cpu-avx2`,
    );
  },
);

test('nameNumerics() is the name under which earlier programs computed, while no value has changed', () => {
  expect(named(bitsDigest(DECIDES_BITS))).toBe('duckdb-1.5.6+onnxruntime-1.30.0+code-1+cpu-avx2');
});

test('BITS_OF_CODE pins the values that code 1 had when they were first gathered', () => {
  expect(bitsDigest(DECIDES_BITS)).toBe(BITS_OF_CODE);
  expect(DECIDES_BITS).toEqual({
    limits: {
      shardBytesMax: 67_108_864,
      buckets: 64,
      fanIn: 64,
      scoringRows: 32,
      proofRows: 1000,
      goldenRows: 20,
      taskMemoryBytes: 805_306_368,
      sliceGroupsMax: 65_536,
      validationBins: 16_384,
      surveyShards: 4,
      surveyShardsMax: 32,
      surveyShardBytesMax: 8_388_608,
      surveyBytesMax: 268_435_456,
      surveyRowsMax: 20_000,
    },
    adam: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 },
    bucketMix: [0x7feb352d, 0x846ca68b],
    order: { blockRows: 65_536, windowBlocks: 16 },
    laneBatchRowsMin: 2,
    quantileKeyShift: 4,
    validationProbabilityLeast: 2 ** -24,
    bootstrapReplicates: 200,
  });
});

test('readNumerics() names the engines, the code and the device, and the device is found in it again', () => {
  const numerics = readNumerics();
  expect(numerics).toMatch(/^duckdb-\d[^+]*\+onnxruntime-\d[^+]*\+code-1\+cpu-[^+]+$/);
  expect(deviceIn(numerics)).toBe('cpu');
  expect(isBitExact(numerics)).toBe(true);
});

test('isBitExact() promises nothing for a device that this program does not know', () => {
  const numerics = 'duckdb-1.5.6+onnxruntime-1.30.0+code-1+abacus-9';
  expect([deviceIn(numerics), isBitExact(numerics)]).toEqual([undefined, false]);
});
