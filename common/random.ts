// Random numbers as a pure function of a key: Philox4x32-10.
// In: a key (seed, purpose, …). Out: uint32 words, the same on every machine and in every order of asking.
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11.
import { createHash } from 'node:crypto';

/** What the numbers are for: a part of the key, so that no two uses share a stream. */
export type Purpose = 'init' | 'order' | 'bootstrap' | 'proof';

export class Philox {
  readonly #key0: number;
  readonly #key1: number;
  #counter = 0;
  #block: readonly [number, number, number, number] = [0, 0, 0, 0];
  #used = 4;

  constructor(seed: number, purpose: Purpose, ...path: readonly (number | string)[]) {
    const hash = createHash('sha256')
      .update(JSON.stringify([seed, purpose, ...path]))
      .digest();
    this.#key0 = hash.readUInt32LE(0);
    this.#key1 = hash.readUInt32LE(4);
  }

  /** The next 32 bits. */
  uint32(): number {
    if (this.#used === 4) {
      this.#block = philox4x32(this.#counter++, this.#key0, this.#key1);
      this.#used = 0;
    }
    return this.#block[this.#used++]!;
  }

  /** Uniform in [0, 1), 32 bits of it. */
  uniform(): number {
    return this.uint32() / 4294967296;
  }

  /** Uniform integer in [0, bound), without bias worth noting below 2^24 (multiply-shift on 53 bits). */
  below(bound: number): number {
    const high = this.uint32() >>> 5;
    const low = this.uint32() >>> 6;
    return Math.floor(((high * 67108864 + low) / 9007199254740992) * bound);
  }
}

/** One block: 10 rounds over the counter (counter, 0, 0, 0). */
export function philox4x32(
  counter: number,
  key0: number,
  key1: number,
): [number, number, number, number] {
  let [c0, c1, c2, c3] = [counter >>> 0, Math.floor(counter / 4294967296) >>> 0, 0, 0];
  let [k0, k1] = [key0 >>> 0, key1 >>> 0];
  for (let round = 0; round < 10; round++) {
    const [high0, low0] = multiply(0xd2511f53, c0);
    const [high1, low1] = multiply(0xcd9e8d57, c2);
    [c0, c1, c2, c3] = [(high1 ^ c1 ^ k0) >>> 0, low1, (high0 ^ c3 ^ k1) >>> 0, low0];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** 32 × 32 → (high, low) words. */
function multiply(a: number, b: number): [number, number] {
  const [aHigh, aLow, bHigh, bLow] = [a >>> 16, a & 0xffff, b >>> 16, b & 0xffff];
  const cross = aHigh * bLow + ((aLow * bLow) >>> 16);
  const middle = (cross & 0xffff) + aLow * bHigh;
  const high = (aHigh * bHigh + Math.floor(cross / 65536) + Math.floor(middle / 65536)) >>> 0;
  return [high, Math.imul(a, b) >>> 0];
}
