// Round messages as bytes, and sums cut into chunks that a broker takes.
// In: messages of round.ts with whole sums. Out: buffers for the bus, and the same messages back.
// Why a JSON header: a sum's bytes dwarf it, and it can be read in a packet dump.
//
//   header length u32 LE | header JSON | bytes of the chunk
import type { WorkerId } from '../../common/ids.ts';
import { LIMITS } from '../../common/limits.ts';
import type { RoundMessage } from '../../common/wire/round.ts';
import type { Message } from './round.ts';

/** A step's sum is float32, a measure's float64: the round tells which. */
export type SumArray = Float32Array | Float64Array;

export function encodeMessage(message: RoundMessage): Uint8Array {
  const { bytes, ...rest } = { bytes: new Uint8Array(0), ...message };
  const header = new TextEncoder().encode(JSON.stringify(rest));
  const encoded = new Uint8Array(4 + header.byteLength + bytes.byteLength);
  new DataView(encoded.buffer).setUint32(0, header.byteLength, true);
  encoded.set(header, 4);
  encoded.set(bytes, 4 + header.byteLength);
  return encoded;
}

export function decodeMessage(encoded: Uint8Array): RoundMessage {
  const { header, end } = readHeader(encoded);
  return header.kind === 'sum' ? { ...header, bytes: encoded.subarray(end) } : header;
}

/** Who sent it, without the rest: a host does not hand its child what the child said itself. */
export const senderOf = (encoded: Uint8Array): WorkerId => readHeader(encoded).header.from;

function readHeader(encoded: Uint8Array): { header: RoundMessage; end: number } {
  const length = new DataView(encoded.buffer, encoded.byteOffset).getUint32(0, true);
  const text = new TextDecoder().decode(encoded.subarray(4, 4 + length));
  return { header: JSON.parse(text) as RoundMessage, end: 4 + length };
}

/** One message a chunk; hellos and saves are one. */
export function cutMessage(
  message: Message<SumArray>,
  chunkBytes: number = LIMITS.sumChunkBytes,
): RoundMessage[] {
  if (message.kind !== 'sum') return [message];
  const { sum, ...rest } = message;
  const bytes = new Uint8Array(sum.buffer, sum.byteOffset, sum.byteLength);
  const chunks = Math.max(1, Math.ceil(bytes.byteLength / chunkBytes));
  return Array.from({ length: chunks }, (_, chunk) => ({
    ...rest,
    chunk,
    chunks,
    bytes: bytes.subarray(chunk * chunkBytes, (chunk + 1) * chunkBytes),
  }));
}

type Partial = { readonly chunks: (Uint8Array | undefined)[]; missing: number };

/** Puts chunks together again, in whatever order they come. */
export class Assembler {
  readonly #toSum: (round: number, bytes: Uint8Array<ArrayBuffer>) => SumArray;
  readonly #partials = new Map<string, Partial>();

  constructor(toSum: (round: number, bytes: Uint8Array<ArrayBuffer>) => SumArray) {
    this.#toSum = toSum;
  }

  /** The whole message, once its last chunk is there. */
  add(message: RoundMessage): Message<SumArray> | undefined {
    if (message.kind !== 'sum') return message;
    const { chunk, chunks, bytes, ...rest } = message;
    const key = JSON.stringify([rest.from, rest.generation, rest.round, rest.node]);
    const partial = this.#partials.get(key) ?? this.#open(key, chunks);
    if (partial.chunks[chunk]) return undefined;
    partial.chunks[chunk] = bytes;
    partial.missing--;
    if (partial.missing > 0) return undefined;
    this.#partials.delete(key);
    return { ...rest, sum: this.#toSum(rest.round, join(partial.chunks as Uint8Array[])) };
  }

  /** What stays incomplete was lost on the way, and is sent again whole: the oldest gives way. */
  #open(key: string, chunks: number): Partial {
    const partial: Partial = { chunks: new Array(chunks).fill(undefined), missing: chunks };
    this.#partials.set(key, partial);
    if (this.#partials.size > LIMITS.sumsOpenMax) {
      this.#partials.delete(this.#partials.keys().next().value!);
    }
    return partial;
  }
}

function join(chunks: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}
