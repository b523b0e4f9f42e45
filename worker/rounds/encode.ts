// Round messages as bytes, and sums cut into chunks that a broker takes.
// In: messages of round.ts with whole sums. Out: buffers for the bus, and the same messages back; nothing for garbage.
// Why a JSON header: a sum's bytes dwarf it, and it can be read in a packet dump.
// Anybody on the bus may write here: a message is bounded by what the run can say before memory is spent on it.
//
//   header length u32 LE | header JSON | bytes of the chunk
import { bytesOfSum, type Sum, type SumShape, viewSum } from '../../common/algorithm/algorithm.ts';
import { LIMITS } from '../../common/limits.ts';
import { MessageRefused, readRoundHeader } from '../../common/wire/inbound.ts';
import type { RoundMessage } from '../../common/wire/round.ts';
import type { Message } from './round.ts';

export function encodeMessage(message: RoundMessage): Uint8Array {
  const { bytes, ...rest } = { bytes: new Uint8Array(0), ...message };
  const header = new TextEncoder().encode(JSON.stringify(rest));
  const encoded = new Uint8Array(4 + header.byteLength + bytes.byteLength);
  new DataView(encoded.buffer).setUint32(0, header.byteLength, true);
  encoded.set(header, 4);
  encoded.set(bytes, 4 + header.byteLength);
  return encoded;
}

/** Undefined where the bytes are no round message: whoever wrote them is not listened to. */
export function decodeMessage(encoded: Uint8Array): RoundMessage | undefined {
  try {
    const { header, end } = readRoundHeader(encoded);
    return header.kind === 'sum' ? { ...header, bytes: encoded.subarray(end) } : header;
  } catch (error) {
    if (error instanceof MessageRefused) return undefined;
    throw error;
  }
}

/** One message a chunk; hellos and saves are one. */
export function cutMessage(
  message: Message<Sum>,
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
  readonly #shapeOf: (round: number) => SumShape | undefined;
  readonly #chunkBytes: number;
  readonly #partials = new Map<string, Partial>();

  /** `shapeOf` is undefined for a round that the run does not have. */
  constructor(
    shapeOf: (round: number) => SumShape | undefined,
    chunkBytes: number = LIMITS.sumChunkBytes,
  ) {
    this.#shapeOf = shapeOf;
    this.#chunkBytes = chunkBytes;
  }

  /** The whole message, once its last chunk is there. Nothing for a chunk that no sum of its round has. */
  add(message: RoundMessage): Message<Sum> | undefined {
    if (message.kind !== 'sum') return message;
    const { chunk, chunks, bytes, ...rest } = message;
    const shape = this.#shapeOf(rest.round);
    if (!shape || chunks !== this.#chunksOf(shape) || chunk >= chunks) return undefined;
    if (bytes.byteLength !== this.#bytesOf(shape, chunk)) return undefined;
    const key = JSON.stringify([rest.from, rest.generation, rest.round, rest.state, rest.node]);
    const partial = this.#partials.get(key) ?? this.#open(key, chunks);
    if (partial.chunks[chunk]) return undefined;
    partial.chunks[chunk] = bytes;
    partial.missing--;
    if (partial.missing > 0) return undefined;
    this.#partials.delete(key);
    return { ...rest, sum: viewSum(shape, join(partial.chunks as Uint8Array[]).buffer) };
  }

  #chunksOf(shape: SumShape): number {
    return Math.max(1, Math.ceil(bytesOfSum(shape) / this.#chunkBytes));
  }

  /** Every chunk is full but the last. */
  #bytesOf(shape: SumShape, chunk: number): number {
    return Math.min(this.#chunkBytes, bytesOfSum(shape) - chunk * this.#chunkBytes);
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
