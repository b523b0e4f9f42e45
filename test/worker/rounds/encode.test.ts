import { expect, test } from 'vitest';
import type { WorkerId } from '../../../common/ids.ts';
import { LIMITS } from '../../../common/limits.ts';
import {
  Assembler,
  cutMessage,
  decodeMessage,
  encodeMessage,
} from '../../../worker/rounds/encode.ts';
import type { Message } from '../../../worker/rounds/round.ts';

const from = 'w-a' as WorkerId;
const message = (node: number, length: number): Message<Float32Array> => ({
  kind: 'sum',
  from,
  generation: 3,
  round: 5,
  state: 4_000_000_000,
  node,
  sum: Float32Array.from({ length }, (_, i) => i / 3 + node),
});
/** For sums of `length` numbers, in a run of ten rounds. */
const assembler = (length: number, chunkBytes = 512): Assembler =>
  new Assembler((round) => (round < 10 ? { numbers: 'float32', length } : undefined), chunkBytes);

test('encodeMessage() and decodeMessage() carry a hello as it is', () => {
  const hello = {
    kind: 'hello',
    from,
    generation: 1,
    round: 2,
    state: 3,
    needsState: false,
  } as const;
  expect(decodeMessage(encodeMessage(hello))).toEqual(hello);
});

test('Assembler gives a sum back whole, from chunks in any order and twice', () => {
  const sum = message(4, 1000);
  const chunks = cutMessage(sum, 512).map(encodeMessage);
  expect(chunks.length).toBe(8);
  const whole = assembler(1000);
  const answers = [...chunks.toReversed(), ...chunks.slice(1)].map((bytes) =>
    whole.add(decodeMessage(bytes)!),
  );
  expect(answers.filter((answer) => answer !== undefined)).toEqual([sum]);
});

test('cutMessage() stays below what a broker takes', () => {
  const [first] = cutMessage(message(1, LIMITS.sumChunkBytes));
  expect(encodeMessage(first!).byteLength).toBeLessThan(1024 * 1024);
});

test('Assembler forgets the oldest of too many incomplete sums', () => {
  const whole = assembler(256);
  const [first, ...rest] = cutMessage(message(1, 256), 512);
  whole.add(first!);
  for (let node = 2; node < LIMITS.sumsOpenMax + 2; node++) {
    whole.add(cutMessage(message(node, 256), 512)[0]!);
  }
  expect(rest.map((chunk) => whole.add(chunk))).toEqual([undefined]);
});

test('Assembler takes no chunk that the sum of its round does not have', () => {
  const [first] = cutMessage(message(1, 256), 512);
  const forged: readonly Partial<Extract<typeof first, { kind: 'sum' }>>[] = [
    { chunks: 50_000_000 },
    { chunks: 1 },
    { chunks: 3 },
    { chunk: 2 },
    { round: 10 },
    { bytes: new Uint8Array(511) },
    { bytes: new Uint8Array(513) },
  ];
  for (const part of forged) {
    const whole = assembler(256);
    expect(whole.add({ ...first, ...part } as typeof first & object)).toBeUndefined();
    const answers = cutMessage(message(1, 256), 512).map((chunk) => whole.add(chunk));
    expect(answers.at(-1)).toEqual(message(1, 256));
  }
});

test('Assembler spends no memory on chunks that were only announced', () => {
  const before = process.memoryUsage().rss;
  const whole = assembler(256);
  const [first] = cutMessage(message(1, 256), 512);
  for (let node = 1; node < 100; node++) {
    whole.add({ ...first, node, chunks: 50_000_000 } as typeof first & object);
  }
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * 2 ** 20);
});

test('Assembler does not mix chunks of sums that were made from unlike states', () => {
  const [first, second] = cutMessage(message(1, 256), 512);
  const whole = assembler(256);
  whole.add({ ...first, state: 1 } as typeof first & object);
  expect(whole.add(second!)).toBeUndefined();
  expect(whole.add(first!)).toEqual(message(1, 256));
});

const header = (value: unknown): Uint8Array => {
  const text = new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
  const bytes = new Uint8Array(4 + text.byteLength);
  new DataView(bytes.buffer).setUint32(0, text.byteLength, true);
  bytes.set(text, 4);
  return bytes;
};
const hello = { kind: 'hello', from, generation: 1, round: 2, state: 3, needsState: false };
const saved = {
  kind: 'saved',
  from,
  generation: 1,
  checkpoint: { round: 1, blob: { key: 'checkpoints/r/1.bin', sha256: 'a'.repeat(64), bytes: 1 } },
};
const sum = { kind: 'sum', from, generation: 1, round: 1, state: 1, node: 1, chunk: 0, chunks: 1 };

test.each([
  ['nothing', new Uint8Array(0)],
  ['three bytes', new Uint8Array(3)],
  ['a header longer than the message', Uint8Array.of(255, 255, 255, 255, 123)],
  ['a header that is too long', header({ ...hello, padding: 'x'.repeat(5000) })],
  ['no JSON', header('{"kind":')],
  ['null', header(null)],
  ['a text', header('"hello"')],
  ['an empty object', header({})],
  ['an unknown kind', header({ ...hello, kind: 'bye' })],
  ['a kind of every object', header({ ...hello, kind: 'constructor' })],
  ['a hello without sender', header({ ...hello, from: undefined })],
  ['a hello with a negative round', header({ ...hello, round: -1 })],
  ['a hello with half a round', header({ ...hello, round: 0.5 })],
  ['a hello with a state that is text', header({ ...hello, state: '3' })],
  ['a hello that may need a state', header({ ...hello, needsState: 1 })],
  ['a sum without node', header({ ...sum, node: undefined })],
  ['a sum with a huge node', header({ ...sum, node: 2 ** 60 })],
  ['a sum without chunks', header({ ...sum, chunks: null })],
  ['a saved without checkpoint', header({ ...saved, checkpoint: null })],
  [
    'a saved with another hash',
    header({
      ...saved,
      checkpoint: { round: 1, blob: { ...saved.checkpoint.blob, sha256: '../..' } },
    }),
  ],
])('decodeMessage() drops %s', (_, bytes) => {
  expect(decodeMessage(bytes)).toBeUndefined();
});

test('decodeMessage() reads every kind', () => {
  expect([hello, saved, sum].map((each) => decodeMessage(header(each))?.kind)).toEqual([
    'hello',
    'saved',
    'sum',
  ]);
});
