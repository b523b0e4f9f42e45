import { expect, test } from 'vitest';
import type { WorkerId } from '../../../common/ids.ts';
import { LIMITS } from '../../../common/limits.ts';
import {
  Assembler,
  cutMessage,
  decodeMessage,
  encodeMessage,
  senderOf,
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
const assembler = (): Assembler => new Assembler((_round, bytes) => new Float32Array(bytes.buffer));

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
  expect(senderOf(encodeMessage(hello))).toBe(from);
});

test('Assembler gives a sum back whole, from chunks in any order and twice', () => {
  const sum = message(4, 1000);
  const chunks = cutMessage(sum, 512).map(encodeMessage);
  expect(chunks.length).toBe(8);
  const whole = assembler();
  const answers = [...chunks.toReversed(), ...chunks.slice(1)].map((bytes) =>
    whole.add(decodeMessage(bytes)),
  );
  expect(answers.filter((answer) => answer !== undefined)).toEqual([sum]);
});

test('cutMessage() stays below what a broker takes', () => {
  const [first] = cutMessage(message(1, LIMITS.sumChunkBytes));
  expect(encodeMessage(first!).byteLength).toBeLessThan(1024 * 1024);
});

test('Assembler forgets the oldest of too many incomplete sums', () => {
  const whole = assembler();
  const [first, ...rest] = cutMessage(message(1, 256), 512);
  whole.add(first!);
  for (let node = 2; node < LIMITS.sumsOpenMax + 2; node++) {
    whole.add(cutMessage(message(node, 256), 512)[0]!);
  }
  expect(rest.map((chunk) => whole.add(chunk))).toEqual([undefined]);
});
